"""The KL budget: how far from the base model a tuned one may go on prompts that nobody's feedback is about."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import torch
from peft import PeftModel

from training.objectives import token_logits
from training.packing import Packed, Row, pack

EVERY, ROWS = 4, 2
"""One optimiser step in EVERY is held to ROWS general prompts: a pass over them costs as much as one over a batch."""
WEIGHT = float(EVERY)


class Budget:
    """Adds to the loss of some steps what the divergence on the next general prompts exceeds the budget by."""

    def __init__(self, rows: Sequence[Row], nats: float, device: str):
        self._all = rows
        self._rows: Iterator[Row] = cycle(rows)
        self._nats = nats
        self._device = device

    def applies(self, step: int) -> bool:
        """Whether a step (counted from 0) is held to the budget."""
        return step % EVERY == 0

    def skip(self, steps: int) -> None:
        """Pass over the prompts of steps that were made before."""
        for _ in islice(self._rows, ROWS * -(-steps // EVERY)):
            pass

    def loss(self, model: PeftModel) -> tuple[torch.Tensor, float]:
        """WEIGHT times the excess of the divergence, and the divergence itself in nats a token."""
        packed = pack(list(islice(self._rows, ROWS))).to(self._device)
        divergence = divergence_from_base(model, packed)
        return WEIGHT * (divergence - self._nats).clamp(min=0), float(divergence.detach())

    @torch.no_grad()
    def measure(self, model: PeftModel) -> float:
        """The divergence on all general prompts (nats a token)."""
        total, tokens = 0.0, 0
        for start in range(0, len(self._all), ROWS):
            packed = pack(self._all[start : start + ROWS]).to(self._device)
            total += float(divergence_from_base(model, packed)) * len(packed.targets)
            tokens += len(packed.targets)
        return total / tokens


def divergence_from_base(model: PeftModel, packed: Packed) -> torch.Tensor:
    """The mean over reply tokens of KL(base || tuned), in nats."""
    with torch.no_grad(), model.disable_adapter():
        base = token_logits(model, packed).log_softmax(-1)
    tuned = token_logits(model, packed).log_softmax(-1)
    return (base.exp() * (base - tuned)).sum(-1).mean()
