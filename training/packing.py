"""Rows of tokens as one sequence in which a common beginning stands once: a prefix tree, read in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

Row = tuple[Sequence[int], Sequence[int]]
"""A prompt's token ids, and those of its reply."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A prefix tree of N nodes and the R tokens of all replies in it, row after row.

    `ids` and `positions` [1, N]; `mask` [1, 1, N, N]: a node sees its ancestors and itself; `places` [R]: the node that
    each reply token is predicted at; `targets` [R]: the token; `rows` [R]: whose it is.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    rows: torch.Tensor

    def to(self, device: str) -> "Packed":
        """The same on a device."""
        return Packed(*(getattr(self, name).to(device) for name in self.__slots__))


class _Tree:
    def __init__(self) -> None:
        self.ids: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self._children: dict[tuple[int, int], int] = {}

    def add(self, row: Sequence[int]) -> list[int]:
        """The nodes of a row's tokens; those that are new are made."""
        at, found = -1, []
        for depth, token in enumerate(row):
            node = self._children.setdefault((at, token), len(self.ids))
            if node == len(self.ids):
                self.ids.append(token)
                self.parents.append(at)
                self.depths.append(depth)
            at = node
            found.append(at)
        return found


def pack(rows: Sequence[Row]) -> Packed:
    """Rows as one sequence. No prompt is empty."""
    tree = _Tree()
    places: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for number, (prompt, reply) in enumerate(rows):
        nodes = tree.add([*prompt, *reply])
        places += nodes[len(prompt) - 1 : len(nodes) - 1]
        targets += reply
        owners += [number] * len(reply)
    mask = torch.eye(len(tree.ids), dtype=torch.bool)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            mask[node] |= mask[parent]
    return Packed(
        torch.tensor([tree.ids]),
        torch.tensor([tree.depths]),
        mask[None, None],
        torch.tensor(places),
        torch.tensor(targets),
        torch.tensor(owners),
    )


def packed_tokens(rows: Sequence[Row]) -> int:
    """Nodes of the rows' prefix tree: what a pass over them reads."""
    tree = _Tree()
    for prompt, reply in rows:
        tree.add([*prompt, *reply])
    return len(tree.ids)
