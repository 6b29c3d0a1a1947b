"""Number types by measurement: which of bfloat16 and float32 this machine multiplies faster, asked once."""

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NOTE = "numerics.json"
MEASURE_S = 0.25
SHAPES = {"inference": (4, 576, 49152), "training": (512, 576, 1536)}
"""Rows, in and out features of a matrix product in each use: for inference one that no cache holds, as a model."""


def inference_dtype(device: str, data_dir: Path) -> "tuple[str, torch.dtype]":
    """The device (`cpu` or `cuda`) and number type to serve with."""
    return _choose("inference", device, data_dir)


def training_dtype(device: str, data_dir: Path, precision: str = "auto") -> "tuple[str, torch.dtype]":
    """The device and number type to train with: the one that is named, if any is."""
    return _choose("training", device, data_dir, precision)


def _choose(use: str, device: str, data_dir: Path, precision: str = "auto") -> "tuple[str, torch.dtype]":
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision != "auto":
        return device, getattr(torch, precision)
    if device == "cuda":
        return device, torch.bfloat16
    note = data_dir / NOTE
    shape = "x".join(map(str, SHAPES[use]))
    machine = f"{use} {shape}:{torch.backends.cpu.get_cpu_capability()}:{torch.__version__}"
    known = json.loads(note.read_text()) if note.exists() else {}
    if machine not in known:
        took = {name: _seconds(use, getattr(torch, name)) for name in ("bfloat16", "float32")}
        known[machine] = min(took, key=lambda name: took[name])
        draft = note.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(known, indent=2))
        os.replace(draft, note)
    return device, getattr(torch, known[machine])


def _seconds(use: str, dtype: "torch.dtype") -> float:
    """The shortest of the products made in MEASURE_S: what else the machine does only ever makes one longer."""
    import torch

    rows, inner, out = SHAPES[use]
    x = torch.randn(rows, inner, dtype=dtype, requires_grad=use == "training")
    weight = torch.randn(out, inner, dtype=dtype)

    def once() -> float:
        began = time.perf_counter()
        y = torch.nn.functional.linear(x, weight)
        if use == "training":
            y.sum().backward()
        return time.perf_counter() - began

    once()
    took, end = [once()], time.perf_counter() + MEASURE_S
    while time.perf_counter() < end:
        took.append(once())
    return min(took)
