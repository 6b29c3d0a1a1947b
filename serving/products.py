"""Products with frozen weights: as they are for many tokens, in eight bits for few, where memory is what limits."""

import ctypes
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from serving.kernels import COMPILED_TYPES, address, compiled

CANDIDATES = (1, 2, 4, 8, 16, 24, 32, 64, 128, 256)
"""Numbers of tokens at which both products are timed; where eight bits win to the last, they win beyond."""
REPEATS = 3
LANES = 16
"""Outputs that lie side by side in packed weights, as in kernels.cpp."""


class EightBits:
    """How weights are packed as int8 with one scale an output, and multiplied. Used for up to `tokens` tokens."""

    tokens: float = math.inf

    def pack(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A weight [out, in] as `multiply` takes it."""
        raise NotImplementedError

    def multiply(self, x: torch.Tensor, packed: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """x [tokens, in] -> [tokens, out]."""
        raise NotImplementedError


class _Compiled(EightBits):
    """By kernels.cpp, which says how many inputs shall lie side by side."""

    def __init__(self, library: ctypes.CDLL, dtype: torch.dtype):
        name = str(dtype).removeprefix("torch.")
        self._function, self._paired = getattr(library, f"coarse_{name}"), getattr(library, f"paired_{name}")
        self._function.restype, self._paired.restype = None, ctypes.c_long

    def pack(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        coarse, scale = _rounded(weight)
        padded = functional.pad(coarse, (0, 0, 0, -len(coarse) % LANES))
        paired = self._paired(ctypes.c_long(weight.shape[1]))
        return padded.view(-1, LANES, weight.shape[1] // paired, paired).transpose(1, 2).contiguous(), scale

    def multiply(self, x: torch.Tensor, packed: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        weight, scale = packed
        y = x.new_empty(len(x), len(scale))
        shape = map(ctypes.c_long, (*x.shape, len(scale)))
        self._function(*shape, address(weight), address(scale), address(x), address(y))
        return y


class _Torch(EightBits):
    """By torch's own product, which is fast for bfloat16 only."""

    def pack(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        coarse, scale = _rounded(weight)
        return coarse, scale.to(weight.dtype)

    def multiply(self, x: torch.Tensor, packed: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return torch.ops.aten._weight_int8pack_mm(x, *packed)


def make_eight_bits(dtype: torch.dtype, device: str) -> EightBits | None:
    """The fastest there is on a processor; None where there is none."""
    if device != "cpu" or dtype not in COMPILED_TYPES:
        return None
    library = compiled()
    if library is not None:
        return _Compiled(library, dtype)
    return _Torch() if dtype == torch.bfloat16 else None


class Product:
    """y = x W^T + bias, with W [out, in] as it is, or in eight bits for few tokens."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, eight_bits: EightBits | None):
        self.inner = weight.shape[1]
        self._weight: torch.Tensor | None = weight
        self._bias = bias
        self._eight_bits = eight_bits
        self._packed = None if eight_bits is None else eight_bits.pack(weight)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x [tokens, in] -> [tokens, out]."""
        if self._packed is None or len(x) > self._eight_bits.tokens:
            return functional.linear(x, self._weight, self._bias)
        y = self._eight_bits.multiply(x, self._packed)
        return y if self._bias is None else y.add_(self._bias)

    def settle(self) -> None:
        """Keep only the weights that the limit on tokens leaves a use for."""
        if self._eight_bits.tokens == 0:
            self._packed = None
        if self._eight_bits.tokens == math.inf:
            self._weight = None


def choose_eight_bit_tokens(products: Sequence[Product], eight_bits: EightBits, dtype: torch.dtype) -> None:
    """Set up to how many tokens eight bits are faster, by timing all of a model's products, which no cache holds."""

    def once(tokens: int) -> Callable[[], None]:
        inputs = {inner: torch.randn(tokens, inner).to(dtype) for inner in {p.inner for p in products}}
        return lambda: [product(inputs[product.inner]) for product in products] and None

    faster = 0
    for tokens in CANDIDATES:
        took = {}
        for eight_bits.tokens in (math.inf, 0):
            took[eight_bits.tokens] = _seconds(once(tokens))
        if took[math.inf] >= took[0]:
            break
        faster = tokens
    eight_bits.tokens = math.inf if faster == CANDIDATES[-1] else faster
    for product in products:
        product.settle()


def _rounded(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight [out, in] as int8, and the scale of each output [out] in float32."""
    scale = (weight.abs().amax(1).float() / 127).clamp(min=1e-12)
    return (weight.float() / scale[:, None]).round().to(torch.int8), scale


def _seconds(pass_over: Callable[[], None]) -> float:
    """The shortest of REPEATS passes."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        pass_over()
        took.append(time.perf_counter() - began)
    return min(took)
