"""Guessing what comes next from what was said before: answers that quote their sources repeat whole phrases."""

from collections.abc import Sequence


class Lookup:
    """Where each pair of tokens of one row last stood (prompt lookup decoding, Saxena 2023)."""

    def __init__(self) -> None:
        self._after: dict[tuple[int, int], int] = {}
        self._read = 0

    def draft(self, ids: Sequence[int], count: int) -> Sequence[int]:
        """Up to `count` tokens that followed where the last two of `ids` stood before. `ids` only ever grows."""
        for at in range(self._read, len(ids) - 2):
            self._after[ids[at], ids[at + 1]] = at + 2
        self._read = max(len(ids) - 2, 0)
        at = self._after.get((ids[-2], ids[-1])) if len(ids) > 1 else None
        return [] if at is None else ids[at : at + count]
