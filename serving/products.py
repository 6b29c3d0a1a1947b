"""Products with frozen weights: as they are for many tokens, in eight bits for few, where memory is what limits."""

import logging
import time

import torch
from torch.nn import functional

log = logging.getLogger(__name__)
CANDIDATES = (1, 2, 4, 8, 16, 32)
"""Numbers of tokens at which both products are timed."""
REPEATS = 5


class Product:
    """y = x W^T + bias. Up to `eight_bit_tokens` tokens W is read as int8 with one scale an output feature."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, eight_bit_tokens: int):
        self.weight, self._bias = weight, bias
        self._few = eight_bit_tokens
        if eight_bit_tokens:
            self._coarse, self._scale = eight_bits(weight)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x [tokens, in] -> [tokens, out]."""
        if len(x) > self._few:
            return functional.linear(x, self.weight, self._bias)
        y = torch.ops.aten._weight_int8pack_mm(x, self._coarse, self._scale)
        return y if self._bias is None else y.add_(self._bias)


def eight_bits(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight [out, in] as int8 and a scale for each output feature [out], in the weight's type."""
    scale = (weight.abs().amax(1).float() / 127).clamp(min=1e-12).to(weight.dtype)
    return (weight.float() / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def choose_eight_bit_tokens(weight: torch.Tensor) -> int:
    """The most tokens up to which eight bits are faster on this machine; 0 for never.

    `weight` should be larger than the processor's caches, as a whole model is.
    """
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16:
        return 0
    coarse, scale = eight_bits(weight)
    most = 0
    for tokens in CANDIDATES:
        x = torch.randn(tokens, weight.shape[1]).to(weight.dtype)
        dense = _seconds(lambda x=x: functional.linear(x, weight))
        if _seconds(lambda x=x: torch.ops.aten._weight_int8pack_mm(x, coarse, scale)) >= dense:
            break
        most = tokens
    return most


def _seconds(product) -> float:
    """The shortest of REPEATS calls."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        product()
        took.append(time.perf_counter() - began)
    return min(took)
