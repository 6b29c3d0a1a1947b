"""The index of documents, open for searching: by meaning and by words."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.records import Passage
from retrieval.chunks import EVERYONE
from retrieval.generations import Generation
from retrieval.lexicon import Lexicon

WORD_WEIGHT, USUAL_COVERAGE = 0.5, 0.3
"""score = cosine similarity + WORD_WEIGHT * (share of the question's words found - USUAL_COVERAGE).

On 595 XQuAD-en questions the right paragraph is first for 96 % (86 % by similarity alone) and among five for 99.8 %
(97.8 %). Where 95 % of the questions whose article was removed are turned away, 96 % of the others pass (80 % by
similarity alone); with USUAL_COVERAGE taken off, that border is at 0.44. Weights from 0.3 to 1.0 do nearly as well.
"""
CANDIDATES = 200
"""Chunks taken from each of the two rankings before they are scored together."""


class Index:
    """One generation, open for searching."""

    def __init__(self, generation: Generation | None):
        self.id = generation.id if generation else None
        self._chunks = generation.chunks if generation else ()
        self._vectors = generation.vectors if generation else None
        self._sources = {(s.path, s.scope): s for s in generation.sources} if generation else {}
        self._rows_of: dict[str, list[int]] = defaultdict(list)
        for row, found in enumerate(self._chunks):
            self._rows_of[found.scope].append(row)
        self._lexicon = Lexicon([c.searched for c in self._chunks])

    def __len__(self) -> int:
        return len(self._chunks)

    def has_documents(self, chat: str | None) -> bool:
        """Whether anything may be shown to this chat."""
        return bool(self._visible(chat).any())

    def search(self, question: str, vector: np.ndarray, k: int, chat: str | None) -> list[Passage]:
        """The k best chunks that this chat may see, best first; `vector` is the question's, [dim] float32."""
        rows, scores = self.ranked(question, vector, chat)
        return [self._passage(int(row), float(score)) for row, score in zip(rows[:k], scores[:k], strict=True)]

    def ranked(
        self, question: str, vector: np.ndarray, chat: str | None, without: Sequence[int] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the chunks that this chat may see and that may be the best, best first, and their scores.

        The rows in `without` are left out, as if they were not there.
        """
        visible = self._visible(chat)
        visible[list(without)] = False
        count = int(visible.sum())
        if not count:
            return np.empty(0, dtype=np.int64), np.empty(0)
        covered = self._lexicon.coverage(question, visible) * visible
        by_words = np.argpartition(-covered, min(CANDIDATES, count) - 1)[:CANDIDATES]
        rows = np.union1d(self._nearest(vector, visible, min(CANDIDATES, count)), by_words[visible[by_words]])
        similarity = np.array([self._vectors.reconstruct(int(row)) @ vector for row in rows])
        scores = np.clip(similarity + WORD_WEIGHT * (covered[rows] - USUAL_COVERAGE), -1.0, 1.0)
        best = np.argsort(-scores, kind="stable")
        return rows[best], scores[best]

    def _visible(self, chat: str | None) -> np.ndarray:
        visible = np.zeros(len(self._chunks), dtype=bool)
        for scope in (EVERYONE, chat):
            visible[self._rows_of.get(scope, [])] = True
        return visible

    def _nearest(self, vector: np.ndarray, visible: np.ndarray, k: int) -> np.ndarray:
        import faiss

        allowed = faiss.IDSelectorBitmap(np.packbits(visible, bitorder="little"))
        _, rows = self._vectors.search(vector[None], k, params=faiss.SearchParameters(sel=allowed))
        return rows[0][rows[0] >= 0]

    def _passage(self, row: int, score: float) -> Passage:
        found = self._chunks[row]
        source = self._sources.get((found.source, found.scope))
        if source is None:
            return found.passage(Path(found.source).name, score)
        return replace(found.passage(source.name, score), author=source.author)
