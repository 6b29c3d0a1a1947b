"""Keys and values of every running row, in memory laid out once: rows are dense, so a batch is a view, not a copy."""

import torch
from transformers import Cache


class BatchCache(Cache):
    """A transformers cache over preallocated rows.

    Before a forward pass `plan` says which rows it is for and at which positions its tokens stand; each layer then
    writes there and attends to columns [0, width) of those rows. A layer: [rows, key heads, columns, head size].
    """

    def __init__(
        self, layers: int, rows: int, heads: int, columns: int, head_size: int, dtype: torch.dtype, device: str
    ):
        super().__init__(layers=[])
        shape = (layers, 2, rows, heads, columns, head_size)
        self._memory = torch.zeros(shape, dtype=dtype, device=device)
        self._rows = slice(0, 0)
        self._positions = torch.zeros(0, 0, dtype=torch.long)
        self._width = 0

    def plan(self, first: int, positions: torch.Tensor) -> torch.Tensor:
        """Prepare a pass for rows [first, first + batch) whose tokens stand at `positions` [batch, tokens].

        Returns the attention mask [batch, 1, tokens, width] (True: may be seen).
        """
        self._rows = slice(first, first + positions.shape[0])
        self._positions = positions
        self._width = int(positions.max()) + 1
        columns = torch.arange(self._width, device=positions.device)
        return (columns <= positions[:, :, None])[:, None]

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args, **kwargs):
        """Write the new keys and values [batch, heads, tokens, head size]; return all that may be attended to."""
        found = []
        for part, states in enumerate((key_states, value_states)):
            memory = self._memory[layer_idx, part, self._rows]
            index = self._positions[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3])
            memory.scatter_(2, index, states)
            found.append(memory[:, :, : self._width])
        return found[0], found[1]

    def move(self, source: int, target: int, columns: int) -> None:
        """Copy a row's first columns over another row."""
        self._memory[:, :, target, :, :columns] = self._memory[:, :, source, :, :columns]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns of the present pass; positions are always given, so nothing derives them from this."""
        return self._width
