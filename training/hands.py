"""Hands: pieces of one step of a training, made side by side."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self, TypeVar

import torch

from core.threads import compute_with

MOST = 4
"""Pieces smaller than a quarter of a batch make poor products."""
T, U = TypeVar("T"), TypeVar("U")


def useful_hands(device: str) -> int:
    """How many hands a device has use for: a GPU makes one piece faster than two at once."""
    return min(MOST, torch.get_num_threads()) if device == "cpu" else 1


class Hands:
    """Threads that make a piece each at once, with cores of their own.

    Threads that share every product wait for each other thousands of times a step, asleep for longer than a product
    takes, or awake and in the way of everybody else. Threads with a piece each wait once.
    """

    def __init__(self, count: int):
        self.count = count
        share = partial(compute_with, torch.get_num_threads() // count)
        self._pool = ThreadPoolExecutor(count, initializer=share) if count > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, make: Callable[[T], U], pieces: Iterable[T]) -> list[U]:
        """What is made of each piece, in their order."""
        return list((map if self._pool is None else self._pool.map)(make, pieces))
