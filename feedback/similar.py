"""Questions of the queue that ask nearly the same: sought by their words, ordered by what an embedder makes of them."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np

from feedback.likeness import content_words, jaccard

CANDIDATES = 255
"""Questions with the most words in common that are compared by meaning."""
SHOWN = 20
MIN_SIMILARITY = 0.60
"""Cosine, as for approved answers: of 180 paraphrases one is farther apart."""
VECTORS_KEPT = 20_000

Embed = Callable[[Sequence[str]], Awaitable[tuple[str, list[bytes]]]]


class Neighbours:
    """Finds similar questions; keeps one embedder's vectors in memory, by their questions."""

    def __init__(self, embed: Embed):
        self._embed = embed
        self._embedder = ""
        self._vectors: dict[str, np.ndarray] = {}

    async def of(self, asked: str, others: Mapping[str, str]) -> dict[str, float]:
        """Of others' questions, by turn, the nearest with their cosine similarities, nearest first.

        Raises: what embedding raises.
        """
        turns = await asyncio.to_thread(_nearest_in_words, asked, others)
        vectors = await self._embedded([asked, *(others[turn] for turn in turns)])
        found = {turn: float(s) for turn, s in zip(turns, vectors[1:] @ vectors[0], strict=True)}
        near = sorted(found, key=lambda turn: -found[turn])
        return {turn: found[turn] for turn in near[:SHOWN] if found[turn] >= MIN_SIMILARITY}

    async def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors [n, dim]; the first text is embedded in any case, which tells whether it is another embedder now."""
        new = [texts[0], *(text for text in dict.fromkeys(texts[1:]) if text not in self._vectors)]
        embedder, vectors = await self._embed(new)
        if embedder != self._embedder or len(self._vectors) > VECTORS_KEPT:
            new = list(dict.fromkeys(texts))
            _, vectors = await self._embed(new)
            self._embedder, self._vectors = embedder, {}
        self._vectors |= {text: np.frombuffer(v, dtype="<f4") for text, v in zip(new, vectors, strict=True)}
        return np.array([self._vectors[text] for text in texts])


def _nearest_in_words(asked: str, others: Mapping[str, str]) -> list[str]:
    wanted = content_words(asked)
    shared = ((jaccard(wanted, content_words(other)), turn) for turn, other in others.items())
    return [turn for share, turn in heapq.nlargest(CANDIDATES, shared) if share]
