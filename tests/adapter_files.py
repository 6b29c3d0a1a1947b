"""Adapters as files, by hand, for a base model of two layers that nothing can be computed with."""

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from adapters.base import Base
from adapters.manifest import CONFIG, HEAD, HEAD_BIAS, HEAD_REPLY, HEAD_STATE, WEIGHTS, describe, seal
from adapters.registry import Registry

SHAPES = {f"model.layers.{n}.self_attn.{p}.weight": (8, 6) for n in range(2) for p in ("q_proj", "v_proj")}
IDENTITY = "r1-aaaa-512"


def write_peft(folder: Path, seed=0, rank=2, scale=0.1, targets=("v_proj", "q_proj")) -> Path:
    """A plain PEFT folder, as `save_pretrained` leaves it."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    tensors = {}
    for weight, (out, inner) in SHAPES.items():
        module = "base_model.model." + weight.removesuffix(".weight")
        tensors[f"{module}.lora_A.weight"] = (scale * draw.standard_normal((rank, inner))).astype("float32")
        tensors[f"{module}.lora_B.weight"] = (scale * draw.standard_normal((out, rank))).astype("float32")
    save_file(tensors, folder / WEIGHTS)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 4, "target_modules": list(targets), "bias": "none"}
    (folder / CONFIG).write_text(json.dumps(config | {"base_model_name_or_path": "/home/somebody/model"}))
    return folder


def write_head(folder: Path, state: np.ndarray, bias: float, reply=(0.0, 0.0)) -> Path:
    """An outcome head beside an adapter; it reads what is given for `reply` of how likely a reply is."""
    tensors = {HEAD_STATE: state[None], HEAD_REPLY: np.array([reply]), HEAD_BIAS: np.array([bias])}
    save_file({name: each.astype("float32") for name, each in tensors.items()}, folder / HEAD)
    return folder


def publish_peft(registry: Registry, seed: int, **how) -> str:
    """Write an adapter and publish it; the version's id."""
    draft = write_peft(registry.folder / f".source-{seed}", seed)
    manifest = describe(draft, "the model", "base-hash", IDENTITY)
    seal(draft, manifest)
    registry.publish(draft, manifest, **how)
    return manifest.id


def write_base(folder: Path) -> Base:
    """The base model that these adapters fit."""
    folder.mkdir(parents=True)
    save_file({name: np.zeros(shape, "float32") for name, shape in SHAPES.items()}, folder / "model.safetensors")
    return base_at(folder)


def base_at(folder: Path) -> Base:
    """The base model that was written there."""
    return Base(folder, "the model", "base-hash", "aaaa")


def write_lora(folder: Path, base: Base, seed: int, strength: float = 0.3, layers: int | None = None) -> Path:
    """A plain PEFT folder for a real base model: noise on its queries and values, so that it speaks differently."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    tensors = {}
    for weight, (out, inner) in base.shapes().items():
        module = weight.removesuffix(".weight")
        if not module.endswith(("q_proj", "v_proj")) or (layers and int(module.split(".")[2]) >= layers):
            continue
        first = draw.standard_normal((4, inner)) / inner**0.5
        second = draw.standard_normal((out, 4)) * strength
        tensors[f"base_model.model.{module}.lora_A.weight"] = first.astype("float32")
        tensors[f"base_model.model.{module}.lora_B.weight"] = second.astype("float32")
    save_file(tensors, folder / WEIGHTS)
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], "bias": "none"}
    (folder / CONFIG).write_text(json.dumps(config))
    return folder


def write_twin(folder: Path, original: Path, number: int) -> Path:
    """A version of its own that says the same as another: one weight differs by next to nothing."""
    shutil.copytree(original, folder)
    tensors = load_file(folder / WEIGHTS)
    tensors[min(tensors)].flat[0] += 1e-5 * number
    save_file(tensors, folder / WEIGHTS)
    return folder
