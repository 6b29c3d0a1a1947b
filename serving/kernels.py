"""The small operations of a decoder layer: compiled at start where a C++ compiler is at hand, else torch's own."""

import ctypes
import logging
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import torch
from torch.nn import functional

from core.compiler import find_compiler

log = logging.getLogger(__name__)
SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-fPIC", "-shared")
COMPILE_S = 60
COMPILED_TYPES = (torch.float32, torch.bfloat16)
HEAD_SIZES = (64, 128)
"""Sizes of a head that attention is compiled for."""


@dataclass(frozen=True)
class Geometry:
    """A layer's attention: query heads, key heads, their size; `cosine` and `sine` [columns, size / 2] in float32."""

    heads: int
    kv_heads: int
    size: int
    cosine: torch.Tensor
    sine: torch.Tensor

    @property
    def scale(self) -> float:
        """What products of queries and keys are multiplied by."""
        return float(self.size**-0.5)


@dataclass(frozen=True)
class Places:
    """Where the N tokens of a pass stand: row and position of each, int64 [N]. The first `single` attend one by one."""

    rows: torch.Tensor
    positions: torch.Tensor
    single: int


class Kernels(Protocol):
    """What a layer does between its matrix products, on contiguous tensors of one number type.

    `qkv` [N, (heads + 2 * key heads) * size] holds each token's queries, keys and values; `keys` and `values`
    [rows, key heads, columns, size] are one layer's cache.
    """

    def add_norm(
        self, x: torch.Tensor, delta: torch.Tensor | None, weight: torch.Tensor, epsilon: float
    ) -> torch.Tensor:
        """Add delta to x [N, hidden] in place; return x over its root mean square, times weight."""
        ...

    def gated(self, gate_up: torch.Tensor) -> torch.Tensor:
        """silu(gate) * up [N, inner], of gate and up [N, 2 * inner]."""
        ...

    def rotate(self, qkv: torch.Tensor, places: Places, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Turn queries and keys by their positions, in place, and store keys and values."""

    def attend(self, qkv: torch.Tensor, places: Places, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Attention of the first `single` tokens over their rows, up to their own positions: [single, heads * size]."""
        ...

    def largest(self, scores: torch.Tensor) -> list[int]:
        """Where each row of scores [N, vocabulary] is largest."""
        ...


def make_kernels(geometry: Geometry, dtype: torch.dtype, device: str) -> Kernels:
    """Compiled ones for a processor where they can be had; the log says where not."""
    if device == "cpu" and geometry.size in HEAD_SIZES and dtype in COMPILED_TYPES:
        library = compiled()
        if library is not None:
            return CompiledKernels(geometry, library, str(dtype).removeprefix("torch."))
    return TorchKernels(geometry)


@cache
def compiled() -> ctypes.CDLL | None:
    """The kernels, compiled for this very processor; None without a compiler."""
    compiler = find_compiler()
    if compiler is None:
        log.info("no C++ compiler is installed; answers are generated with torch's own operations, which is slower")
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernels.so"
        try:
            command = [compiler, *FLAGS, str(SOURCE), "-o", str(target)]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_S)
            return ctypes.CDLL(str(target))
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            log.warning("the kernels could not be compiled, so torch's own operations are used: %s", said[-500:])
            return None


class LowRankKernel:
    """The low-rank differences of few tokens: faster than two products, and the same whoever else is in the batch."""

    def __init__(self, library: ctypes.CDLL, dtype: str):
        self._function = getattr(library, f"low_rank_{dtype}")
        self._function.restype = None

    def __call__(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        factors: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        use: torch.Tensor,
    ) -> None:
        """y [tokens, out] += B (A x [tokens, in]).

        `factors`: A [columns, parts, in], B [columns, parts, out] and where each part's outputs start [parts + 1];
        `use` [2, tokens]: the first and the last column + 1 of each token. The last two are int64.
        """
        a, b, starts = factors
        shape = map(ctypes.c_long, (len(x), x.shape[1], y.shape[1], a.shape[1]))
        self._function(
            *shape, address(starts), address(use[0]), address(use[1]), address(a), address(b), address(x), address(y)
        )


def make_low_rank(dtype: torch.dtype, device: str) -> LowRankKernel | None:
    """The compiled one, where it can be had."""
    library = compiled() if device == "cpu" and dtype in COMPILED_TYPES else None
    return library and LowRankKernel(library, str(dtype).removeprefix("torch."))


def address(tensor: torch.Tensor | None) -> ctypes.c_void_p:
    """Where a tensor's values lie, for a compiled function; null for none."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


class CompiledKernels:
    """The functions of kernels.cpp. Calls do not hold Python's lock."""

    def __init__(self, geometry: Geometry, library: ctypes.CDLL, dtype: str):
        self._scale = ctypes.c_float(geometry.scale)
        self._heads, self._kv_heads, self._size = geometry.heads, geometry.kv_heads, geometry.size
        self._shape = tuple(map(ctypes.c_long, (geometry.heads, geometry.kv_heads, geometry.size)))
        self._tables = (geometry.cosine, geometry.sine)
        self._add_norm, self._gated, self._rotate, self._attend, self._largest = (
            getattr(library, f"{name}_{dtype}") for name in ("add_norm", "gated", "rotate", "attend", "largest")
        )
        for function in (self._add_norm, self._gated, self._rotate, self._attend, self._largest):
            function.restype = None

    def add_norm(
        self, x: torch.Tensor, delta: torch.Tensor | None, weight: torch.Tensor, epsilon: float
    ) -> torch.Tensor:
        """See Kernels."""
        y = torch.empty_like(x)
        count, size = map(ctypes.c_long, x.shape)
        self._add_norm(count, size, address(x), address(delta), address(weight), ctypes.c_float(epsilon), address(y))
        return y

    def gated(self, gate_up: torch.Tensor) -> torch.Tensor:
        """See Kernels."""
        count, size = gate_up.shape
        y = gate_up.new_empty(count, size // 2)
        self._gated(ctypes.c_long(count), ctypes.c_long(size // 2), address(gate_up), address(y))
        return y

    def rotate(self, qkv: torch.Tensor, places: Places, keys: torch.Tensor, values: torch.Tensor) -> None:
        """See Kernels."""
        cosine, sine = self._tables
        count, columns = ctypes.c_long(len(qkv)), ctypes.c_long(keys.shape[2])
        where = (address(places.rows), address(places.positions), address(cosine), address(sine))
        self._rotate(count, *self._shape, columns, *where, address(qkv), address(keys), address(values))

    def attend(self, qkv: torch.Tensor, places: Places, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """See Kernels."""
        y = qkv.new_empty(places.single, self._heads * self._size)
        count, columns = ctypes.c_long(places.single), ctypes.c_long(keys.shape[2])
        where = (address(places.rows), address(places.positions))
        self._attend(
            count, *self._shape, columns, *where, address(qkv), address(keys), address(values), self._scale, address(y)
        )
        return y

    def largest(self, scores: torch.Tensor) -> list[int]:
        """See Kernels."""
        best = torch.empty(len(scores), dtype=torch.long)
        count, size = map(ctypes.c_long, scores.shape)
        self._largest(count, size, address(scores), address(best))
        return best.tolist()


class TorchKernels:
    """The same by torch's own operations, on any device."""

    def __init__(self, geometry: Geometry):
        self._g = geometry

    def add_norm(
        self, x: torch.Tensor, delta: torch.Tensor | None, weight: torch.Tensor, epsilon: float
    ) -> torch.Tensor:
        """See Kernels."""
        if delta is not None:
            x += delta
        return functional.rms_norm(x, (x.shape[-1],), weight, epsilon)

    def gated(self, gate_up: torch.Tensor) -> torch.Tensor:
        """See Kernels."""
        gate, up = gate_up.chunk(2, -1)
        return functional.silu(gate) * up

    def rotate(self, qkv: torch.Tensor, places: Places, keys: torch.Tensor, values: torch.Tensor) -> None:
        """See Kernels."""
        g = self._g
        heads = qkv.view(len(qkv), -1, g.size)
        turned, half = heads[:, : g.heads + g.kv_heads], g.size // 2
        cosine, sine = (table[places.positions][:, None].to(qkv.dtype) for table in (g.cosine, g.sine))
        first, second = turned[..., :half].clone(), turned[..., half:]
        turned[..., :half] = first * cosine - second * sine
        turned[..., half:] = second * cosine + first * sine
        keys[places.rows, :, places.positions] = heads[:, g.heads : g.heads + g.kv_heads]
        values[places.rows, :, places.positions] = heads[:, g.heads + g.kv_heads :]

    def attend(self, qkv: torch.Tensor, places: Places, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """See Kernels."""
        g, count = self._g, places.single
        rows, positions = places.rows[:count], places.positions[:count]
        width = int(positions.max()) + 1
        q = qkv[:count, : g.heads * g.size].view(count, g.kv_heads, g.heads // g.kv_heads, g.size)
        seen = (torch.arange(width, device=qkv.device) <= positions[:, None])[:, None, None]
        k, v = keys[rows, :, :width], values[rows, :, :width]
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=seen).reshape(count, -1)

    def largest(self, scores: torch.Tensor) -> list[int]:
        """See Kernels."""
        return scores.argmax(-1).tolist()
