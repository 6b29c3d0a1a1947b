"""The reservoir: what a refresh learns from when there is more than it may read, a sample of every age."""

import hashlib
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

NEW = "new"
SLICES = 8
"""Slices of what was learned before; all that is older than these is in the last one."""
T = TypeVar("T")


def slice_of(at: int, bounds: Sequence[int]) -> str:
    """`new` for what was said (ms) after the last bound, else `older 1` for what the newest refresh learned, and so on.

    `bounds` (ms, ascending) are the instants up to which versions that went live have learned.
    """
    age = len(bounds) - bisect_left(bounds, at)
    return f"older {min(age, SLICES)}" if age else NEW


def sample(
    items: Iterable[T],
    most: int,
    slice_name: Callable[[T], str],
    key: Callable[[T], str],
    says: Callable[[T], str],
) -> list[T]:
    """At most `most` items, in their order: slices have equal room, and leave to others what they do not need.

    Within a slice an answer that n items give (`says`) has room in proportion to the square root of n, so that rare
    answers stay beside common ones, and neither crowds out what is said once. Which items stay is decided by a hash of
    their keys, so that a sample of fewer is part of a sample of more, and nobody's choice.
    """
    given = list(items)
    slices: defaultdict[str, list[T]] = defaultdict(list)
    for item in given:
        slices[slice_name(item)].append(item)
    rooms = _shares([len(members) for members in slices.values()], most)
    chosen: set[str] = set()
    for members, room in zip(slices.values(), rooms, strict=True):
        chosen.update(_in_order([(says(item), key(item)) for item in members])[:room])
    return [item for item in given if key(item) in chosen]


def _in_order(members: Iterable[tuple[str, str]]) -> list[str]:
    """The keys of (answer, key) pairs, those first that stay longest."""
    by_answer: defaultdict[str, list[str]] = defaultdict(list)
    for answer, key in members:
        by_answer[answer].append(key)
    places = {
        key: (rank + _lot("".join(keys))) / math.sqrt(len(keys))
        for keys in (sorted(those, key=_lot) for those in by_answer.values())
        for rank, key in enumerate(keys)
    }
    return sorted(places, key=lambda key: places[key])


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
