"""How sure versions are of their replies: their outcome heads, on the hidden state that a pass has made anyway."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from adapters.manifest import HEAD, HEAD_BIAS, HEAD_WEIGHT
from core.errors import AdapterRefused


class OutcomeHead:
    """Logistic regression on the hidden state that predicts a reply's end: `weight` [hidden size], `bias` []."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        self._weight = weight
        self._bias = bias

    def confidence(self, hidden: torch.Tensor) -> float:
        """The chance in [0, 1] that the reply works, of one hidden state."""
        return torch.sigmoid(hidden.float() @ self._weight + self._bias).item()


def read_head(folder: Path, hidden_size: int, device: str) -> OutcomeHead | None:
    """A version's outcome head; None where it has none.

    Raises: AdapterRefused where it belongs to a model of another size.
    """
    if not (folder / HEAD).exists():
        return None
    tensors = load_file(folder / HEAD, device=device)
    weight = tensors[HEAD_WEIGHT].float().flatten()
    if len(weight) != hidden_size:
        raise AdapterRefused(f"its outcome head reads {len(weight)} values; this model has {hidden_size}.")
    return OutcomeHead(weight, tensors[HEAD_BIAS].float().squeeze())
