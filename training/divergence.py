"""The KL budget: how far from the base model a tuned one may go on prompts that nobody's feedback is about."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle, islice

import torch
from peft import PeftModel

from training.hands import Hands
from training.objectives import token_logits
from training.packing import Packed, Row, pack
from training.processes import ALONE, Processes

PENALISED = 0.5
"""The share of the budget above which steps are pulled back."""
SAFETY = 0.98
"""How far below the budget a shrunk adapter is aimed at, as a share of its weights."""
EVERY, ROWS = 4, 2
"""One optimiser step in EVERY is held to ROWS general prompts: a pass over them costs as much as one over a batch."""
WEIGHT = float(EVERY)
Gradients = Sequence[torch.Tensor]


class Budget:
    """Adds to the loss of some steps what the divergence on the next general prompts exceeds the budget by."""

    def __init__(self, rows: Sequence[Row], nats: float, model: PeftModel, device: str, processes: Processes = ALONE):
        self._all = rows
        self._rows: Iterator[Row] = cycle(rows)
        self._nats = nats
        self._device = device
        self._processes = processes
        named = list(model.named_parameters())
        self._differences = [weights for name, weights in named if "lora_B" in name]
        self._magnitudes = [(w, w.detach().clone()) for name, w in named if "lora_magnitude" in name]
        """DoRA's, and what they are in an adapter that changes nothing: `model` has learned nothing yet."""

    def applies(self, step: int) -> bool:
        """Whether a step (counted from 0) is held to the budget."""
        return step % EVERY == 0

    def skip(self, steps: int) -> None:
        """Pass over the prompts of steps that were made before."""
        for _ in islice(self._rows, ROWS * -(-steps // EVERY)):
            pass

    def look(self, model: PeftModel, parameters: Sequence[torch.Tensor], hands: Hands) -> tuple[float, list[Gradients]]:
        """The divergence on the next prompts (nats a token); if PENALISED, the gradients of WEIGHT times it too."""
        parts = self._parts(list(islice(self._rows, ROWS)), model, hands, True)
        total = self._processes.total(sum(float(each.detach()) for each in parts))
        if total <= PENALISED * self._nats:
            return total, []
        return total, hands.map(lambda each: torch.autograd.grad(WEIGHT * each, parameters), parts)

    def hold(self, model: PeftModel, hands: Hands) -> tuple[float, float]:
        """Shrink an adapter until the divergence on all general prompts is within the budget.

        A penalty promises no bound, so a line search does, as in TRPO (Schulman et al. 2015): the divergence grows
        about with the square of the weights, and what was learned fades more slowly (WiSE-FT, Wortsman et al. 2022).

        Returns the divergence (nats a token) and the share of the weights that is left.
        """
        kept, found = 1.0, self.measure(model, hands)
        while found > self._nats:
            share = SAFETY * math.sqrt(self._nats / found)
            with torch.no_grad():
                for weights in self._differences:
                    weights.mul_(share)
                for weights, unchanged in self._magnitudes:
                    weights.copy_(unchanged.lerp(weights, share))
            kept, found = kept * share, self.measure(model, hands)
        return found, kept

    def measure(self, model: PeftModel, hands: Hands) -> float:
        """The divergence on all general prompts (nats a token)."""
        total, tokens = 0.0, 0
        for start in range(0, len(self._all), ROWS):
            rows = self._all[start : start + ROWS]
            replied = sum(len(reply) for _, reply in rows)
            total += replied * sum(float(each) for each in self._parts(rows, model, hands, False))
            tokens += replied
        return self._processes.total(total) / tokens

    def _parts(self, rows: Sequence[Row], model: PeftModel, hands: Hands, learns: bool) -> list[torch.Tensor]:
        """What each row adds to the divergence on these, of this process's; with gradients where it `learns`."""
        tokens = sum(len(reply) for _, reply in rows)
        packed = [pack([row]).to(self._device) for row in self._processes.share(rows)]
        with model.disable_adapter():
            base = hands.map(partial(_log_probs, model), packed)

        def part(pair: tuple[torch.Tensor, Packed]) -> torch.Tensor:
            with torch.set_grad_enabled(learns):
                return divergence(pair[0], token_logits(model, pair[1])) / tokens

        return hands.map(part, zip(base, packed, strict=True))


def divergence(base_log_probs: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The sum over tokens of KL(base || tuned), in nats, from both models' outputs [tokens, vocabulary]."""
    return (base_log_probs.exp() * (base_log_probs - logits.log_softmax(-1))).sum()


@torch.no_grad()
def _log_probs(model: PeftModel, packed: Packed) -> torch.Tensor:
    return token_logits(model, packed).log_softmax(-1)
