"""What moves an adapter: AdamW, or SGD with momentum, on its weights in float32."""

from collections.abc import Sequence
from typing import Any

import torch

from training.divergence import Gradients
from training.hyperparameters import Hyperparameters
from training.processes import Processes

MOMENTUM = 0.9


class Optimiser:
    """Moves parameters by masters in float32: steps are too small for the number type of a pass."""

    def __init__(self, parameters: Sequence[torch.Tensor], how: Hyperparameters, processes: Processes):
        self._parameters = parameters
        self._masters = [p.detach().float() for p in parameters]
        self._how, self._processes = how, processes
        rates = {"lr": how.learning_rate, "weight_decay": how.weight_decay}
        if how.optimiser == "sgd":
            self._steps: torch.optim.Optimizer = torch.optim.SGD(self._masters, momentum=MOMENTUM, **rates)
        else:
            self._steps = torch.optim.AdamW(self._masters, **rates)

    def step(self, gradients: Sequence[Gradients], rate: float) -> None:
        """One step at a rate along the sum of all processes' gradients, which is clipped."""
        for at, master in enumerate(self._masters):
            parts = [each[at].float() for each in gradients]
            master.grad = sum(parts) if parts else torch.zeros_like(master)
        self._processes.add([master.grad for master in self._masters])
        torch.nn.utils.clip_grad_norm_(self._masters, self._how.max_gradient_norm)
        for group in self._steps.param_groups:
            group["lr"] = rate
        self._steps.step()
        self._take_masters()

    @property
    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"adapter": self._masters, "optimiser": self._steps.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for master, saved in zip(self._masters, state["adapter"], strict=True):
            master.copy_(saved)
        self._take_masters()
        self._steps.load_state_dict(state["optimiser"])

    @torch.no_grad()
    def _take_masters(self) -> None:
        for parameter, master in zip(self._parameters, self._masters, strict=True):
            parameter.copy_(master)
