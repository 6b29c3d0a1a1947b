"""Adapter versions in preallocated stacked slots: one batch serves several, chosen row by row."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from adapters.manifest import CONFIG, WEIGHTS
from adapters.verify import PEFT_PREFIX
from core.errors import AdapterRefused

BASE_SLOT = -1


class RowSlots:
    """Which slot each row of the present pass uses. `only` is set where all rows share one."""

    def __init__(self, slots: int, rank: int):
        self._slots, self._rank = slots, rank
        self.ranks = [rank] * slots
        self.only: int | None = BASE_SLOT
        self.mask: torch.Tensor | None = None

    def set(self, rows: list[int], dtype: torch.dtype, device: str) -> None:
        """`rows`: the slot of each row, BASE_SLOT for none. The mask is [batch, 1, slots * rank] of ones and zeros."""
        self.only = rows[0] if len(set(rows)) == 1 else None
        if self.only is None:
            chosen = torch.tensor(rows, device=device)[:, None] == torch.arange(self._slots, device=device)
            self.mask = chosen.to(dtype).repeat_interleave(self._rank, 1)[:, None]


class SlotLinear(nn.Module):
    """A linear layer plus each row's low-rank difference: y = W x + B (A x), with scaling folded into B."""

    def __init__(self, linear: nn.Linear, slots: int, rank: int, rows: RowSlots):
        super().__init__()
        weight = linear.weight
        self.linear = linear
        self._row_slots = rows
        self.a = torch.zeros(slots, rank, linear.in_features, dtype=weight.dtype, device=weight.device)
        self.b = torch.zeros(slots, rank, linear.out_features, dtype=weight.dtype, device=weight.device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [batch, tokens, in] -> [batch, tokens, out]."""
        y = self.linear(x)
        only = self._row_slots.only
        if only == BASE_SLOT:
            return y
        if only is not None:
            rank = self._row_slots.ranks[only]
            return y + (x @ self.a[only, :rank].T) @ self.b[only, :rank]
        return y + ((x @ self.a.flatten(0, 1).T) * self._row_slots.mask) @ self.b.flatten(0, 1)


class AdapterSlots:
    """The slots of a whole model: every linear layer but the output embedding is made switchable."""

    def __init__(self, model: nn.Module, slots: int, rank: int):
        self.rows = RowSlots(slots, rank)
        self.rank = rank
        self._free = list(range(slots))
        self._by_version: dict[str, int] = {}
        self._layers: dict[str, SlotLinear] = {}
        head = model.get_output_embeddings()
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.Linear) and module is not head:
                parent, _, child = name.rpartition(".")
                wrapped = SlotLinear(module, slots, rank, self.rows)
                setattr(model.get_submodule(parent), child, wrapped)
                self._layers[name] = wrapped

    @property
    def free(self) -> int:
        """Slots that hold nothing."""
        return len(self._free)

    def slot(self, version: str) -> int:
        """A version's slot; BASE_SLOT for one that has none."""
        return self._by_version.get(version, BASE_SLOT)

    def read(self, folder: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """An adapter's factors by layer, (A [rank, in], B^T [rank, out]) with scaling folded in.

        Raises: AdapterRefused where its rank or its layers do not fit.
        """
        config = json.loads((folder / CONFIG).read_text())
        rank = config["r"]
        if rank > self.rank:
            raise AdapterRefused(f"this adapter has rank {rank}; this server holds ranks up to {self.rank}.")
        scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
        tensors = load_file(folder / WEIGHTS)
        factors = {}
        for name in tensors:
            layer, _, factor = name.removeprefix(PEFT_PREFIX).rpartition(".lora_")
            if layer not in self._layers:
                raise AdapterRefused(f"this server has no switchable layer {layer}.")
            if factor == "A.weight":
                b = tensors[name.replace("lora_A", "lora_B")]
                factors[layer] = (tensors[name], b.T * scale)
        return factors

    def fill(self, version: str, factors: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Copy a version's factors into a free slot; layers it does not tune get zeros."""
        slot = self._free.pop()
        self.rows.ranks[slot] = max((a.shape[0] for a, _ in factors.values()), default=0)
        for name, layer in self._layers.items():
            layer.a[slot].zero_()
            layer.b[slot].zero_()
            if name in factors:
                a, b = factors[name]
                layer.a[slot, : a.shape[0]].copy_(a)
                layer.b[slot, : b.shape[0]].copy_(b)
        self._by_version[version] = slot

    def empty(self, version: str) -> None:
        """Give a version's slot back."""
        self._free.append(self._by_version.pop(version))
