"""Choosing the next token, reproducibly with a seed, whoever else is in the batch."""

import torch

GREEDY_BELOW = 1e-3
"""Logits over a smaller temperature overflow."""


class Sampler:
    """Temperature, then nucleus sampling (Holtzman et al. 2020). Temperature 0, or nearly so, is greedy."""

    def __init__(self, temperature: float, top_p: float, seed: int | None):
        self.greedy = temperature < GREEDY_BELOW
        self._temperature, self._top_p = temperature, top_p
        self._random = torch.Generator()
        if seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(seed)

    def choose(self, logits: torch.Tensor) -> int:
        """A token for logits [vocabulary]."""
        shares = torch.softmax(logits.float().cpu() / self._temperature, -1)
        if self._top_p < 1:
            ordered, tokens = shares.sort(descending=True)
            ordered[ordered.cumsum(0) - ordered >= self._top_p] = 0
            return int(tokens[torch.multinomial(ordered, 1, generator=self._random)])
        return int(torch.multinomial(shares, 1, generator=self._random))
