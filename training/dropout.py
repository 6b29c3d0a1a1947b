"""Dropout of an adapter's inputs, whose masks depend on the place alone: the step, the layer and the length."""

import torch
from torch import nn


class Noise:
    """Whether passes are noisy now: `of` is the step whose examples are being learned, None in every other pass.

    What is compared with base, watched, or held to the budget is the adapter as it will be served.
    """

    def __init__(self, seed: int):
        self._seed = seed
        self.of: int | None = None

    def seed(self, layer: int, tokens: int) -> int:
        """A seed for a layer's mask."""
        return hash((self._seed, self.of, layer, tokens)) & (2**63 - 1)


class Dropout(nn.Module):
    """Leaves out a share of its inputs while there is `noise`.

    torch's own generator is the whole process's: with several threads its masks would depend on which of them comes
    first, and a pass that is computed twice, or a training that goes on after a kill, would meet other ones.
    """

    def __init__(self, share: float, layer: int, noise: Noise):
        super().__init__()
        self._kept = 1 - share
        self._layer = layer
        self._noise = noise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [..., tokens, in] -> the same shape."""
        if self._noise.of is None:
            return x
        generator = torch.Generator(x.device).manual_seed(self._noise.seed(self._layer, x.shape[-2]))
        return x * torch.empty_like(x).bernoulli_(self._kept, generator=generator) / self._kept
