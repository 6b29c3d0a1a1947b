"""Random adapters that are valid and change little: what an adapter costs does not depend on what it has learned."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from adapters.base import Base
from adapters.manifest import CONFIG, WEIGHTS
from adapters.verify import PEFT_PREFIX

RANK = 16
SPREAD = 0.002
"""Standard deviation of the second factor; with it the output of a layer changes by a few per cent."""


def write_adapters(base: Base, folder: Path, count: int = 2) -> list[Path]:
    """Write rank-16 adapters on every linear layer as PEFT does, the same at every call. Returns their folders."""
    folders = []
    for number in range(count):
        made = folder / f"lora-{chr(ord('a') + number)}"
        made.mkdir(parents=True, exist_ok=True)
        save_file(_factors(base, number), made / WEIGHTS, metadata={"format": "pt"})
        (made / CONFIG).write_text(json.dumps(_config(base), indent=2))
        folders.append(made)
    return folders


def _linear(base: Base) -> dict[str, tuple[int, ...]]:
    """The linear layers inside the blocks, by name, with their shapes (out, in)."""
    shapes = sorted(base.shapes().items())
    return {name.removesuffix(".weight"): shape for name, shape in shapes if name.endswith("_proj.weight")}


def _factors(base: Base, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    factors = {}
    for name, (out_features, in_features) in _linear(base).items():
        a = random.normal(0, in_features**-0.5, (RANK, in_features))
        b = random.normal(0, SPREAD, (out_features, RANK))
        factors[f"{PEFT_PREFIX}{name}.lora_A.weight"] = a.astype(np.float32)
        factors[f"{PEFT_PREFIX}{name}.lora_B.weight"] = b.astype(np.float32)
    return factors


def _config(base: Base) -> dict[str, object]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.name,
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({name.rpartition(".")[2] for name in _linear(base)}),
        "inference_mode": True,
    }
