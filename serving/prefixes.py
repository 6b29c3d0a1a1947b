"""What was read before is not read again: keys and values of earlier conversations, by version and tokens."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch

MAX_BYTES = 512 * 2**20
MIN_TOKENS = 16
"""A shorter beginning is not worth a copy."""


class Prefixes:
    """The latest conversations, up to `max_bytes` of keys and values; the one used longest ago goes first."""

    def __init__(self, max_bytes: int = MAX_BYTES):
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[str, bytes], torch.Tensor] = OrderedDict()
        self._bytes = 0

    def find(self, version: str, ids: Sequence[int]) -> tuple[int, torch.Tensor | None]:
        """How many of the first tokens are known to a version, and their columns (see KeyValues.read)."""
        asked = np.asarray(ids, dtype=np.int32)
        best, key = MIN_TOKENS - 1, None
        for kept in self._kept:
            if kept[0] == version and (same := _common(asked, kept[1])) > best:
                best, key = same, kept
        if key is None:
            return 0, None
        self._kept.move_to_end(key)
        return best, self._kept[key][:, :, :, :best]

    def keep(self, version: str, ids: Sequence[int], columns: torch.Tensor) -> None:
        """Keep a conversation's columns, in place of those of its own beginnings."""
        size = columns.nbytes
        if len(ids) < MIN_TOKENS or size > self._max_bytes:
            return
        name = np.asarray(ids, dtype=np.int32).tobytes()
        for key in [key for key in self._kept if key[0] == version and name.startswith(key[1])]:
            self._drop(key)
        while self._bytes + size > self._max_bytes:
            self._drop(next(iter(self._kept)))
        self._kept[version, name] = columns
        self._bytes += size

    def forget(self, version: str) -> None:
        """Drop what a version read."""
        for key in [key for key in self._kept if key[0] == version]:
            self._drop(key)

    def _drop(self, key: tuple[str, bytes]) -> None:
        self._bytes -= self._kept.pop(key).nbytes


def _common(asked: np.ndarray, kept: bytes) -> int:
    """The length of the common beginning of two token sequences."""
    known = np.frombuffer(kept, dtype=np.int32)
    length = min(len(asked), len(known))
    differing = np.flatnonzero(asked[:length] != known[:length])
    return int(differing[0]) if len(differing) else length
