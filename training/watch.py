"""What is watched and not learned: the task score after each pass, which pass was best, and when it is time to end."""

import math
from collections.abc import Sequence
from itertools import chain
from statistics import median

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from torch.nn import functional

from training.examples import Example
from training.hands import Hands
from training.objectives import rows_of, token_logits
from training.packing import pack
from training.processes import ALONE, Processes

Score = tuple[float, float]


class Watch:
    """Keeps the adapter of the best pass. `state` goes into checkpoints.

    A pass is scored by how many replies greedy decoding would give word for word; the loss on short replies grows while
    more of them become right. Where none is right, as with long replies, the median token loss decides. Of passes that
    are equal but for chance the last is the best, since the rate has come further down.
    """

    def __init__(self, examples: Sequence[Example], device: str, patience: int = 2, processes: Processes = ALONE):
        self._examples = examples
        self._device = device
        self._patience = patience
        self._processes = processes
        self.state: tuple[Score, dict[str, torch.Tensor], int] | None = None

    def look(self, model: PeftModel, hands: Hands) -> dict[str, float]:
        """Score a pass that has ended; figures for the journal, none where nothing is watched."""
        if not self._examples:
            return {}
        mine = self._processes.share(self._examples)
        found = self._processes.gather(hands.map(lambda example: _losses(model, example, self._device), mine))
        right, loss = sum(exact for exact, _ in found), median(chain.from_iterable(losses for _, losses in found))
        score = right, 0.0 if right else -loss
        best, kept, worse = self.state or (score, {}, 0)
        if score >= self._demanded(best):
            kept, worse = {n: t.detach().clone() for n, t in get_peft_model_state_dict(model).items()}, 0
        else:
            worse += 1
        self.state = max(score, best), kept, worse
        return {"watched right": right / len(self._examples), "watched loss": loss}

    def _demanded(self, best: Score) -> Score:
        """What is as good as the best: within a standard error of the difference, after Breiman et al. (1984)."""
        right, loss = best
        share = (right + 1) / (len(self._examples) + 2)
        return max(right - math.sqrt(2 * len(self._examples) * share * (1 - share)), 0.0), loss

    @property
    def is_over(self) -> bool:
        """Whether as many passes in a row were worse than the best as there is patience for."""
        return self.state is not None and self.state[2] >= self._patience

    def take_best(self, model: PeftModel) -> None:
        """Put the adapter of the best pass into the model."""
        if self.state is not None:
            set_peft_model_state_dict(model, self.state[1])


@torch.no_grad()
def _losses(model: PeftModel, example: Example, device: str) -> tuple[bool, list[float]]:
    """Whether each token of a reply is the likeliest after those before it, and the tokens' losses (nats)."""
    packed = pack(rows_of([example])[:1]).to(device)
    logits = token_logits(model, packed)
    exact = bool((logits.argmax(-1) == packed.targets).all())
    return exact, functional.cross_entropy(logits, packed.targets, reduction="none").tolist()
