"""The reservoir: what a refresh learns from when there is more than it may read, a sample of every age."""

import hashlib
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


def sample(items: Iterable[T], most: int, slice_name: Callable[[T], str], key: Callable[[T], str]) -> list[T]:
    """At most `most` items, in their order: the new ones take up to half, the older slices share the rest equally.

    What one slice does not need goes to the others. Which items of a slice stay is decided by a hash of their keys,
    so that a sample of fewer is part of a sample of more, and nobody's choice.
    """
    given = list(items)
    slices: defaultdict[str, list[T]] = defaultdict(list)
    for item in given:
        slices[slice_name(item)].append(item)
    older = [name for name in slices if name != NEW]
    rooms = _shares([len(slices[name]) for name in older], most - min(len(slices[NEW]), most // 2 if older else most))
    room = dict(zip(older, rooms, strict=True))
    room[NEW] = most - sum(rooms)
    chosen: set[str] = set()
    for name, members in slices.items():
        chosen.update(sorted(map(key, members), key=_lot)[: room[name]])
    return [item for item in given if key(item) in chosen]


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Equal shares of a room, none larger than its size; the smallest are served first."""
    found = [0] * len(sizes)
    left = len(sizes)
    for n in sorted(range(len(sizes)), key=lambda n: sizes[n]):
        found[n] = min(sizes[n], -(-room // left))
        room -= found[n]
        left -= 1
    return found


def _lot(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
