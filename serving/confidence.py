"""How sure versions are of their replies: their outcome heads, on what the passes that wrote them have made anyway."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from adapters.likelihood import likelihoods
from adapters.manifest import HEAD, HEAD_BIAS, HEAD_REPLY, HEAD_STATE
from core.errors import AdapterRefused


class OutcomeHead:
    """Logistic regression on the hidden state that predicts a reply's end, and on how likely the reply was.

    `state` [hidden size], `reply` [LIKELIHOODS], `bias` [].
    """

    def __init__(self, state: torch.Tensor, reply: torch.Tensor, bias: torch.Tensor):
        self._state, self._reply, self._bias = state, reply, bias

    def confidence(self, hidden: torch.Tensor, log_probs: Sequence[float]) -> float:
        """The chance in [0, 1] that the reply works, of one hidden state and its tokens' log-probabilities."""
        reply = torch.tensor(likelihoods(log_probs), device=hidden.device)
        return torch.sigmoid(hidden.float() @ self._state + reply @ self._reply + self._bias).item()


def read_head(folder: Path, hidden_size: int, device: str) -> OutcomeHead | None:
    """A version's outcome head; None where it has none.

    Raises: AdapterRefused where it belongs to a model of another size.
    """
    if not (folder / HEAD).exists():
        return None
    tensors = load_file(folder / HEAD, device=device)
    state, reply = (tensors[name].float().flatten() for name in (HEAD_STATE, HEAD_REPLY))
    if len(state) != hidden_size:
        raise AdapterRefused(f"its outcome head reads {len(state)} values; this model has {hidden_size}.")
    return OutcomeHead(state, reply, tensors[HEAD_BIAS].float().squeeze())
