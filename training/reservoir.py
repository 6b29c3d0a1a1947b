"""The reservoir: what each pass of a refresh reads when there is more than it may read, a sample of every age."""

import hashlib
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice

import numpy as np

NEW = "new"
SLICES = 8
"""Slices of what was learned before; all that is older than these is in the last one."""
REPRESENTED = 64
"""So many items of an answer are put in order by what they represent; those after them by lot."""
Embed = Callable[[list[str]], np.ndarray]
"""Unit vectors [n, d] of texts."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a sample looks at: an id, the age that it is of, what was asked, and the answer that it gives."""

    id: str
    slice: str
    question: str
    answer: str


def slice_of(at: int, bounds: Sequence[int]) -> str:
    """`new` for what was said (ms) after the last bound, else `older 1` for what the newest refresh learned, and so on.

    `bounds` (ms, ascending) are the instants up to which versions that went live have learned.
    """
    age = len(bounds) - bisect_left(bounds, at)
    return f"older {min(age, SLICES)}" if age else NEW


def samples(items: Sequence[Item], most: int, count: int, embed: Embed | None = None) -> list[frozenset[str]]:
    """The ids that each of `count` passes reads, at most `most`; each goes on in a slice where the one before ended.

    Slices have equal room, and leave to others what they do not need. Within a slice an answer that n items give has
    room in proportion to the square root of n, so that in the first pass rare answers stand beside common ones, and
    neither crowds out what is said once. Of one answer those come first that represent the others best, or, without
    `embed`, those with the lowest hash of their ids. A first sample of fewer is part of a first sample of more.
    """
    if len(items) <= most:
        return [frozenset(item.id for item in items)] * count
    slices: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        slices[item.slice].append(item)
    rooms = _shares([len(members) for members in slices.values()], most)
    turns = [cycle(_in_order(members, embed)) for members in slices.values()]
    return [
        frozenset(chain.from_iterable(islice(turn, room) for turn, room in zip(turns, rooms, strict=True)))
        for _ in range(count)
    ]


def _in_order(members: Iterable[Item], embed: Embed | None) -> list[str]:
    """The ids of a slice, those first that stay longest."""
    by_answer: defaultdict[str, list[Item]] = defaultdict(list)
    for item in sorted(members, key=lambda item: _lot(item.id)):
        by_answer[item.answer].append(item)
    places = {}
    for those in by_answer.values():
        first = _representing(embed([item.question for item in those])) if embed and len(those) > 1 else []
        ahead = set(first)
        order = [*first, *(n for n in range(len(those)) if n not in ahead)]
        lot = _lot("".join(item.id for item in those))
        places |= {those[n].id: (rank + lot) / math.sqrt(len(those)) for rank, n in enumerate(order)}
    return sorted(places, key=lambda item: places[item])


def _representing(vectors: np.ndarray) -> list[int]:
    """The rows [n, d] of which each adds most to how near the nearest of those chosen is to every row.

    Greedy facility location (Nemhauser, Wolsey and Fisher 1978), REPRESENTED rows at most.
    """
    likeness = vectors @ vectors.T
    nearest = np.full(len(vectors), -1.0, dtype=likeness.dtype)
    chosen: list[int] = []
    for _ in range(min(REPRESENTED, len(vectors))):
        gains = np.maximum(likeness - nearest, 0).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        nearest = np.maximum(nearest, likeness[chosen[-1]])
    return chosen


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Equal shares of a room, none larger than its size; the smallest are served first."""
    found = [0] * len(sizes)
    left = len(sizes)
    for n in sorted(range(len(sizes)), key=lambda n: sizes[n]):
        found[n] = min(sizes[n], -(-room // left))
        room -= found[n]
        left -= 1
    return found


def _lot(key: str) -> float:
    """A number in [0, 1) that nobody chose."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48
