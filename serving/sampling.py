"""Choosing the next token, reproducibly with a seed, whoever else is in the batch."""

from collections import Counter
from collections.abc import Sequence

import torch

from serving.engine import Sampling

GREEDY_BELOW = 1e-3
"""Logits over a smaller temperature overflow."""
NUCLEUS = 256
"""Tokens that are ranked to find a nucleus; where they do not hold `top_p`, all are."""


class Sampler:
    """One reply's choices: penalties, temperature, then top-k and nucleus sampling (Holtzman et al. 2020)."""

    def __init__(self, sampling: Sampling, prompt_ids: Sequence[int]):
        self._how = sampling
        self._greedy = sampling.temperature < GREEDY_BELOW
        self._said: Counter[int] = Counter()
        self._seen = dict.fromkeys(prompt_ids) if sampling.repetition_penalty != 1 else {}
        self._penalised = bool(self._seen or sampling.presence_penalty or sampling.frequency_penalty)
        self._random = torch.Generator()
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    @property
    def plain(self) -> bool:
        """Whether the likeliest token is always the choice."""
        return self._greedy and not self._penalised

    def choose(self, logits: torch.Tensor) -> int:
        """A token for logits [vocabulary], which are not changed."""
        scores = logits.float().cpu()
        if self._penalised:
            scores = self._with_penalties(scores)
        token = int(scores.argmax()) if self._greedy else self._drawn(scores / self._how.temperature)
        if self._penalised:
            self._said[token] += 1
            self._seen[token] = None
        return token

    def _with_penalties(self, scores: torch.Tensor) -> torch.Tensor:
        scores, how = scores.clone(), self._how
        if how.repetition_penalty != 1:
            seen = torch.tensor(list(self._seen))
            known = scores[seen]
            scores[seen] = torch.where(known > 0, known / how.repetition_penalty, known * how.repetition_penalty)
        if self._said:
            said = torch.tensor(list(self._said))
            counts = torch.tensor(list(self._said.values()), dtype=scores.dtype)
            scores[said] -= how.presence_penalty + how.frequency_penalty * counts
        return scores

    def _drawn(self, scores: torch.Tensor) -> int:
        """A token at random from the softmax of `scores`, cut to the likeliest."""
        shares, tokens = torch.softmax(scores, -1), None
        if self._how.top_k:
            shares, tokens = shares.topk(min(self._how.top_k, len(shares)))
        if self._how.top_p < 1:
            shares, tokens = self._nucleus(shares / shares.sum(), tokens)
        until = shares.cumsum(0, dtype=torch.float64)
        drawn = torch.rand(1, generator=self._random, dtype=torch.float64) * until[-1]
        at = min(int(torch.searchsorted(until, drawn, right=True)), len(until) - 1)
        return at if tokens is None else int(tokens[at])

    def _nucleus(self, shares: torch.Tensor, tokens: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The likeliest tokens that together hold `top_p`, with their shares."""
        if tokens is None:
            shares, tokens = shares.topk(min(NUCLEUS, len(every := shares)))
            if shares.sum() < self._how.top_p:
                shares, tokens = every.sort(descending=True)
        kept = shares.cumsum(0) - shares < self._how.top_p
        return shares[kept], tokens[kept]


def alternatives(logits: torch.Tensor, token: int, count: int) -> tuple[float, list[tuple[int, float]]]:
    """The log-probability of a token under logits [vocabulary], and the `count` likeliest tokens with theirs."""
    found = torch.log_softmax(logits.float().cpu(), -1)
    best, tokens = found.topk(count)
    return float(found[token]), list(zip(tokens.tolist(), best.tolist(), strict=True))
