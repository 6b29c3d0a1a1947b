"""Whether an adapter's files can be trusted with the base model: checked before every use."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from adapters.likelihood import LIKELIHOODS
from adapters.manifest import (
    HEAD_BIAS,
    HEAD_REPLY,
    HEAD_STATE,
    Tensor,
    describe,
    method_of,
    read_config,
    read_manifest,
    read_weights,
    version_id,
)
from core.errors import AdapterRefused
from core.records import Manifest

MAX_NORM = 1e3
"""Largest Frobenius norm of one factor; trained ones stay below 30 at rank 16 on the bundled model."""
MAX_RANK = 64
"""Largest rank served, unless the settings ask for adapters of a larger one."""
PEFT_PREFIX = "base_model.model."
MAGNITUDES = "magnitude_vector"
"""What DoRA has beside the two factors of a layer: how long each output's row of weights is."""
Shapes = Mapping[str, tuple[int, ...]]


def verify(
    folder: Path,
    base_model: str,
    base_hash: str,
    shapes: Shapes,
    prompt_identity: str,
    version: str | None = None,
) -> Manifest:
    """Check a version's folder and return its manifest (a plain PEFT folder gets one).

    `shapes` maps the base model's weight names to shapes (out, in). `version` is the id under which it is used.

    Raises: AdapterRefused with the reason.
    """
    config = read_config(folder)
    tensors = read_weights(folder)
    manifest = read_manifest(folder)
    if manifest and manifest.base_hash != base_hash:
        raise AdapterRefused(
            f"this adapter belongs to another base model ({manifest.base_model}), not to {base_model}."
        )
    _check_shapes(tensors, shapes, config["r"], method_of(config).endswith("dora"))
    _check_values(tensors)
    if manifest is None:
        return describe(folder, base_model, base_hash, prompt_identity)
    if (config["r"], config["lora_alpha"], tuple(sorted(config["target_modules"])), method_of(config)) != (
        manifest.rank,
        manifest.alpha,
        manifest.targets,
        manifest.method,
    ):
        raise AdapterRefused("adapter_config.json and manifest.json do not describe the same adapter.")
    actual = version_id(manifest, tensors)
    if actual != manifest.id or (version is not None and actual != version):
        raise AdapterRefused(f"the files do not match their name: they hash to {actual[:12]}, not {manifest.id[:12]}.")
    return manifest


def _check_shapes(tensors: dict[str, Tensor], shapes: Shapes, rank: int, dora: bool) -> None:
    seen: dict[str, set[str]] = {}
    head = {HEAD_STATE: (1, _hidden_size(shapes)), HEAD_REPLY: (1, LIKELIHOODS), HEAD_BIAS: (1,)}
    wanted = {"A.weight", "B.weight", MAGNITUDES} if dora else {"A.weight", "B.weight"}
    for name, tensor in tensors.items():
        if name in head:
            if tensor.shape != head[name]:
                raise AdapterRefused(f"{name} has shape {list(tensor.shape)}; this model needs {list(head[name])}.")
            continue
        module, _, factor = name.removeprefix(PEFT_PREFIX).rpartition(".lora_")
        weight = shapes.get(f"{module}.weight")
        if factor not in wanted or weight is None:
            raise AdapterRefused(f"{name} belongs to no linear layer of the base model.")
        out_features, in_features = weight
        expected = {"A.weight": (rank, in_features), "B.weight": (out_features, rank)}.get(factor, (out_features,))
        if tensor.shape != expected:
            raise AdapterRefused(f"{name} has shape {list(tensor.shape)}; the base model needs {list(expected)}.")
        seen.setdefault(module, set()).add(factor)
    for module, factors in seen.items():
        if factors != wanted:
            raise AdapterRefused(f"{module} lacks {' and '.join(sorted(wanted - factors))}.")


def _hidden_size(shapes: Shapes) -> int:
    """What the output embedding reads: it is the tallest weight, or what is taller reads the same."""
    return max(shapes.values(), key=lambda shape: shape[0])[1]


def _check_values(tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        norm = float(np.linalg.norm(_floats(tensor)))
        if not np.isfinite(norm):
            raise AdapterRefused(f"{name} holds values that are not finite numbers.")
        if norm > MAX_NORM:
            raise AdapterRefused(f"{name} has norm {norm:.0f}; above {MAX_NORM:.0f} it would drown the base model.")


def _floats(tensor: Tensor) -> np.ndarray:
    if tensor.dtype == "BF16":
        return (np.frombuffer(tensor.data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(tensor.data, "<f4" if tensor.dtype == "F32" else "<f2").astype(np.float32)
