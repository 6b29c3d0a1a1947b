"""Adapter versions in preallocated stacked factors: one batch serves several, chosen token by token."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from adapters.manifest import CONFIG, WEIGHTS
from adapters.verify import MAGNITUDES, PEFT_PREFIX
from core.errors import AdapterRefused, Busy
from serving.kernels import make_low_rank

FEW_TOKENS = 32
"""Up to so many tokens the compiled kernel is faster than two products."""
Factors = dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]


@dataclass(frozen=True)
class Selection:
    """The columns [first, last) of the stacked factors that a pass uses, and each token's own: int64 [2, tokens].

    `gains` [tokens] are the rows of gains that its tokens use; None where none is of a version that has any.
    """

    first: int
    last: int
    own: torch.Tensor
    gains: torch.Tensor | None = None
    _masks: dict[int, torch.Tensor | None] = field(default_factory=dict)

    def mask(self, parts: int, like: torch.Tensor) -> torch.Tensor | None:
        """Ones and zeros [tokens, columns * parts]; None where every token uses all columns."""
        if parts not in self._masks:
            columns = torch.arange(self.first, self.last, device=like.device)
            shares = (columns >= self.own[0][:, None]) & (columns < self.own[1][:, None])
            self._masks[parts] = None if shares.all() else shares.to(like.dtype).repeat_interleave(parts, 1)
        return self._masks[parts]


class LowRank:
    """The low-rank differences of one matrix product, of all versions: y += B (A x), with scaling folded into B.

    DoRA's weights are m (W + B A) / ||W + B A||, row by row (Liu et al. 2024): the product with W times a gain, and a
    low-rank difference with that gain folded into B as well. `gains` [versions + 1, out] begin with a row of ones.

    A fused product holds several layers (parts) side by side: A is [columns, parts, in], B [columns, parts, out],
    where each part writes only its own outputs.
    """

    def __init__(
        self, columns: int, inner: int, outs: Sequence[int], like: torch.Tensor, bias: torch.Tensor | None = None
    ):
        self.a = like.new_zeros(columns, len(outs), inner)
        self.b = like.new_zeros(columns, len(outs), sum(outs))
        self.starts = torch.tensor([0, *outs]).cumsum(0)
        self.gains: torch.Tensor | None = None
        self._bias = bias
        self._kernel = make_low_rank(like.dtype, like.device.type)

    def add(self, x: torch.Tensor, y: torch.Tensor, use: Selection) -> None:
        """Make of y [tokens, out], in place, what each token's version makes of x [tokens, in]."""
        if use.gains is not None:
            self._gain(y, self.gains[use.gains])
        if self._kernel is not None and len(x) <= FEW_TOKENS:
            self._kernel(x, y, (self.a, self.b, self.starts), use.own)
            return
        low = x @ self.a[use.first : use.last].flatten(0, 1).T
        mask = use.mask(self.a.shape[1], low)
        if mask is not None:
            low *= mask
        y.addmm_(low, self.b[use.first : use.last].flatten(0, 1))

    def _gain(self, y: torch.Tensor, gains: torch.Tensor) -> None:
        if self._bias is None:
            y.mul_(gains)
        else:
            y.sub_(self._bias).mul_(gains).add_(self._bias)


@dataclass(frozen=True)
class _Layer:
    """Where a layer's factors go: a part of a product's, which writes outputs [start, stop)."""

    product: LowRank
    part: int
    start: int
    stop: int


class AdapterSlots:
    """Room for `slots` versions of rank `rank`, in columns that versions of a smaller rank take fewer of.

    `model` is the base model's folder, whose weights DoRA's gains are worked out from.
    """

    def __init__(self, slots: int, rank: int, model: Path | None = None):
        self.rank = rank
        self.columns = slots * rank
        self._slots = slots
        self._model = model
        self._held: dict[str, tuple[int, int]] = {}
        self._gained: dict[str, int] = {}
        """The versions that have gains, and in which row."""
        self._layers: dict[str, _Layer] = {}
        self._device = torch.device("cpu")
        self.use: Selection | None = None

    def add_product(self, layers: Sequence[tuple[str, nn.Linear]]) -> LowRank:
        """The differences of a product that computes these layers, their outputs side by side."""
        outs = [linear.out_features for _, linear in layers]
        weight = layers[0][1].weight.detach()
        self._device = weight.device
        biased = layers[0][1].bias is not None
        bias = torch.cat([linear.bias.detach() for _, linear in layers]) if biased else None
        product = LowRank(self.columns, weight.shape[1], outs, weight, bias)
        for part, (name, _) in enumerate(layers):
            self._layers[name] = _Layer(product, part, sum(outs[:part]), sum(outs[: part + 1]))
        return product

    def select(self, versions: Sequence[str]) -> None:
        """Choose for the next pass: the version of each of its tokens; one that is not held gets no difference."""
        held = {version: self._held.get(version, (0, 0)) for version in set(versions)}
        used = [columns for columns in held.values() if columns[1]]
        if not used:
            self.use = None
            return
        own = torch.tensor([held[version] for version in versions]).T.contiguous().to(self._device)
        gains = None
        if not self._gained.keys().isdisjoint(held):
            gains = torch.tensor([self._gained.get(version, 0) for version in versions], device=self._device)
        self.use = Selection(min(first for first, _ in used), max(last for _, last in used), own, gains)

    def read(self, folder: Path) -> Factors:
        """An adapter's factors by layer, (A [rank, in], B^T [rank, out], DoRA's gains [out]) with scaling folded in.

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
                a, b = tensors[name], tensors[name.replace("lora_A", "lora_B")] * scale
                gains = None
                if config.get("use_dora"):
                    gains = self._gains(layer, a, b, tensors[f"{PEFT_PREFIX}{layer}.lora_{MAGNITUDES}"])
                    b = b * gains[:, None]
                factors[layer] = (a, b.T, gains)
        return factors

    def _gains(self, layer: str, a: torch.Tensor, b: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
        """By what DoRA multiplies each output of a layer: m / ||W + B A||."""
        weight = _stored_weight(self._model, f"{layer}.weight").float()
        return magnitudes.float() / torch.linalg.norm(weight.addmm_(b.float(), a.float()), dim=1)

    def fill(self, version: str, factors: Factors) -> None:
        """Copy a version's factors into free columns; layers it does not tune get zeros.

        Raises: Busy where there is no room.
        """
        rank = max((a.shape[0] for a, _, _ in factors.values()), default=1)
        start = self._room(rank)
        columns = slice(start, start + rank)
        for name, layer in self._layers.items():
            a, b = layer.product.a[columns, layer.part], layer.product.b[columns, layer.part]
            a.zero_()
            b.zero_()
            if name in factors:
                new_a, new_b, _ = factors[name]
                a.copy_(new_a)
                b[:, layer.start : layer.stop].copy_(new_b)
        self._held[version] = (start, start + rank)
        if any(gains is not None for _, _, gains in factors.values()):
            self._gained[version] = min(set(range(1, self._slots + 1)) - set(self._gained.values()))
            self._fill_gains(self._gained[version], factors)

    def _fill_gains(self, row: int, factors: Factors) -> None:
        for product in {layer.product for layer in self._layers.values()}:
            if product.gains is None:
                product.gains = product.b.new_ones(self._slots + 1, product.b.shape[2])
            product.gains[row] = 1
        for name, (_, _, gains) in factors.items():
            layer = self._layers[name]
            layer.product.gains[row, layer.start : layer.stop] = gains.to(layer.product.b)

    def empty(self, version: str) -> None:
        """Give a version's columns back."""
        del self._held[version]
        self._gained.pop(version, None)

    def _room(self, rank: int) -> int:
        """The first free run of `rank` columns."""
        start = 0
        for first, last in sorted(self._held.values()):
            if first - start >= rank:
                break
            start = last
        if len(self._held) >= self._slots or start + rank > self.columns:
            raise Busy("every adapter slot is in use; retire a version first.")
        return start


class SlotLinear(nn.Module):
    """A linear layer of a model's own modules, made switchable."""

    def __init__(self, name: str, linear: nn.Linear, slots: AdapterSlots):
        super().__init__()
        self.linear = linear
        self._slots = slots
        self._low_rank = slots.add_product([(name, linear)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [batch, tokens, in] -> [batch, tokens, out]."""
        y = self.linear(x)
        if self._slots.use is not None:
            self._low_rank.add(x.flatten(0, 1), y.view(-1, y.shape[-1]), self._slots.use)
        return y


def make_switchable(model: nn.Module, slots: AdapterSlots) -> None:
    """Put every linear layer of a model but the output embedding under `slots`."""
    head = model.get_output_embeddings()
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and module is not head:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, SlotLinear(name, module, slots))


def _stored_weight(model: Path, name: str) -> torch.Tensor:
    """A weight of a model as its files hold it; serving itself may have kept it in eight bits alone."""
    for path in model.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            if name in file.keys():
                return file.get_tensor(name)
    raise AdapterRefused(f"the base model has no weights {name}.")
