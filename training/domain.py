"""Documents as material: which of their chunks are learned, which judge what was learned, and how one is read."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.prompt import Renderer
from feedback.likeness import normalised
from feedback.trust import Candidate, collapse
from retrieval.chunks import EVERYONE, Chunk
from training.examples import EvaluationItem, Example
from training.verdict import DOMAIN

HELD_OUT = 5
"""One chunk in this many is never learned."""
MOST_LEARNED, MOST_HELD_OUT = 256, 48
SPARE = 2
"""So many times as many are looked at, because some only repeat others."""
MIN_TOKENS, MAX_TOKENS = 8, 512
"""A chunk of fewer tokens says nothing; of a longer one the beginning is read."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The chunks of one refresh: those to learn, those kept aside, and the hashes that tell them from others."""

    learn: tuple[Example, ...] = ()
    held_out: tuple[EvaluationItem, ...] = ()
    hashes: tuple[str, ...] = ()


NO_DOCUMENTS = Domain()


def divide(chunks: Iterable[Chunk], renderer: Renderer) -> Domain:
    """Of the chunks that everyone may see, at most MOST_LEARNED to learn and MOST_HELD_OUT kept aside.

    Both by a hash of their text, so that a chunk stays on its side wherever its file lies and whatever else is there.
    Chunks do not overlap, and of those that say nearly the same only one is used, so that none kept aside is learned.
    """
    lots = {_lot(chunk): chunk for chunk in chunks if chunk.scope == EVERYONE}
    drawn = [*_side(lots, True)[: SPARE * MOST_HELD_OUT], *_side(lots, False)[: SPARE * MOST_LEARNED]]
    distinct, _ = collapse(Candidate(lot, "", lots[lot].text, "", 0, True) for lot in drawn)
    read = {c.id: _ids(lots[c.id], renderer) for c in distinct}
    usable = [lot for lot, ids in read.items() if len(ids) >= MIN_TOKENS]
    aside, learn = _side(usable, True)[:MOST_HELD_OUT], _side(usable, False)[:MOST_LEARNED]
    return Domain(
        tuple(Example(read[lot][:1], read[lot][1:], source="") for lot in learn),
        tuple(EvaluationItem(lots[lot].id, read[lot][:1], read[lot][1:], "", slice=DOMAIN) for lot in aside),
        tuple(sorted([*learn, *aside])),
    )


def _side(lots: Iterable[str], held_out: bool) -> list[str]:
    """Those of one side, in the order in which they are drawn."""
    return sorted(lot for lot in lots if (int(lot, 16) % HELD_OUT == 0) is held_out)


def _lot(chunk: Chunk) -> str:
    return hashlib.sha256(normalised(chunk.text).encode()).hexdigest()


def _ids(chunk: Chunk, renderer: Renderer) -> Sequence[int]:
    """A chunk's tokens. The first stands for the prompt: a beginning-of-text token is not every model's, and in a chat
    model's use opens a message."""
    return tuple(renderer.tokenizer.encode(chunk.text, add_special_tokens=False)[:MAX_TOKENS])
