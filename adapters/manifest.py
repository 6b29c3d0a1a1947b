"""An adapter version's files and its name: the hash of what it computes."""

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from core.errors import AdapterRefused, DiskFull
from core.records import BASE, Manifest, from_json, now_ms, to_json

WEIGHTS = "adapter_model.safetensors"
HEAD = "outcome_head.safetensors"
HEAD_STATE, HEAD_REPLY, HEAD_BIAS = "outcome_head.state", "outcome_head.reply", "outcome_head.bias"
"""What an outcome head is made of: weights [1, hidden size] and [1, LIKELIHOODS], and a bias [1]."""
CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"
MAX_HEADER = 100 * 2**20
UNSERVED = {
    "use_qalora": "QALoRA",
    "use_bdlora": "block-diagonal LoRA",
    "alora_invocation_tokens": "activated LoRA",
    "modules_to_save": "modules_to_save",
    "lora_bias": "lora_bias",
    "layer_replication": "layer_replication",
    "target_parameters": "target_parameters",
    "trainable_token_indices": "trainable_token_indices",
}
"""What PEFT can do beyond two factors a layer, by the field of its configuration that asks for it."""
INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
"""Beginnings that leave the base model as it is; others, as PiSSA, serve only with the base model they changed."""
ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as safetensors stores it: little-endian, row by row."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview


class _Entry(BaseModel):
    """What a safetensors header says of one tensor."""

    dtype: str
    shape: list[Annotated[int, Field(strict=True, ge=0)]]
    data_offsets: tuple[Annotated[int, Field(strict=True, ge=0)], Annotated[int, Field(strict=True, ge=0)]]


class _Lora(BaseModel):
    """What a configuration must say for an adapter to be computed."""

    r: Annotated[int, Field(strict=True, ge=1)]
    lora_alpha: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
    target_modules: list[str]


_HEADER = TypeAdapter(dict[str, _Entry])


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name, without torch.

    Raises: AdapterRefused where the file is truncated or not safetensors.
    """
    header, body = _read_parts(path)
    tensors = {}
    for name, entry in header.items():
        width = ITEM_BYTES.get(entry.dtype)
        if width is None:
            raise AdapterRefused(f"{name} has type {entry.dtype}; float32, float16 and bfloat16 are served.")
        begin, end = entry.data_offsets
        if end > len(body) or end - begin != width * math.prod(entry.shape):
            raise AdapterRefused(f"{path.name} is truncated: {name} is incomplete.")
        tensors[name] = Tensor(entry.dtype, tuple(entry.shape), body[begin:end])
    if not tensors:
        raise AdapterRefused(f"{path.name} holds no tensors.")
    return tensors


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a version: its adapter's, and its outcome head's where it has one.

    Raises: AdapterRefused.
    """
    adapter = read_tensors(folder / WEIGHTS)
    if not (folder / HEAD).exists():
        return adapter
    head = read_tensors(folder / HEAD)
    if head.keys() != {HEAD_STATE, HEAD_REPLY, HEAD_BIAS} or head.keys() & adapter.keys():
        raise AdapterRefused(f"{HEAD} must hold {HEAD_STATE}, {HEAD_REPLY} and {HEAD_BIAS}, and nothing else.")
    return adapter | head


def _read_parts(path: Path) -> tuple[dict[str, _Entry], memoryview]:
    """A safetensors file's header, without its metadata, and the bytes it speaks of."""
    try:
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        if length > min(MAX_HEADER, len(raw) - 8):
            raise AdapterRefused(f"{path.name} is truncated: its header is incomplete.")
        header = json.loads(raw[8 : 8 + length])
        if isinstance(header, dict):
            header.pop("__metadata__", None)
        return _HEADER.validate_python(header), memoryview(raw)[8 + length :]
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "it"
        raise AdapterRefused(f"{path.name} has a malformed header: {where} is not what it must be.") from error
    except (OSError, struct.error, ValueError, RecursionError) as error:
        if isinstance(error, AdapterRefused):
            raise
        raise AdapterRefused(f"{path.name} cannot be read as safetensors.") from error


def version_id(manifest: Manifest, tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 (64 hexadecimal digits) of what a version computes: its shape, its base, its prompt, its tensors."""
    facts = {
        "targets": sorted(manifest.targets),
        "rank": manifest.rank,
        "alpha": float(manifest.alpha),
        "method": manifest.method,
        "base_hash": manifest.base_hash,
        "prompt_identity": manifest.prompt_identity,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, tensor.dtype, list(tensor.shape)]).encode())
        digest.update(tensor.data)
    return digest.hexdigest()


def read_config(folder: Path) -> dict[str, Any]:
    """PEFT's configuration of a LoRA adapter.

    Raises: AdapterRefused where it is missing, or asks for what the engines do not serve.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterRefused(f"{folder} holds no readable {CONFIG}; give a folder that PEFT saved.") from error
    if not isinstance(config, dict):
        raise AdapterRefused(f"{folder} holds no readable {CONFIG}; give a folder that PEFT saved.")
    if config.get("peft_type") != "LORA":
        raise AdapterRefused(f"this adapter is {config.get('peft_type')}; only LoRA can be served.")
    for field, word in UNSERVED.items():
        if config.get(field):
            raise AdapterRefused(f"this adapter uses {word}, which cannot be swapped in; train it without.")
    init = config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in INITS:
        raise AdapterRefused(f"this adapter was begun with {init}, which changes the base model; train it without.")
    if config.get("bias", "none") != "none" or config.get("rank_pattern") or config.get("alpha_pattern"):
        raise AdapterRefused(
            "this adapter trains biases or several ranks, which cannot be swapped in; train it without."
        )
    try:
        _Lora.model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        raise AdapterRefused(f"{CONFIG} has no usable {first['loc'][0]}: {first['msg']}.") from error
    return config


def method_of(config: dict[str, Any]) -> str:
    """How an adapter is computed: LoRA or DoRA, each scaled by the rank, or (rs) by its root."""
    return ("rs" if config.get("use_rslora") else "") + ("dora" if config.get("use_dora") else "lora")


def refuse_for_vllm(folder: Path) -> None:
    """Say that vLLM does not serve an adapter, where it does not.

    Raises: AdapterRefused.
    """
    if read_config(folder).get("use_dora"):
        raise AdapterRefused("this adapter uses DoRA, which vLLM does not serve; train it with rslora or lora.")


def read_manifest(folder: Path) -> Manifest | None:
    """A version's manifest; None for a plain PEFT folder.

    Raises: AdapterRefused where it is there but cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        return from_json(Manifest, path.read_bytes())
    except (OSError, ValidationError) as error:
        raise AdapterRefused(f"{MANIFEST} cannot be read.") from error


def describe(folder: Path, base_model: str, base_hash: str, prompt_identity: str) -> Manifest:
    """A manifest for a plain PEFT folder, as a child of the base model, with its id computed.

    Raises: AdapterRefused.
    """
    config = read_config(folder)
    draft = Manifest(
        id="",
        parent=BASE,
        base_model=base_model,
        base_hash=base_hash,
        prompt_identity=prompt_identity,
        method=method_of(config),
        rank=config["r"],
        alpha=float(config["lora_alpha"]),
        targets=tuple(sorted(config["target_modules"])),
        created_at=now_ms(),
    )
    return replace(draft, id=version_id(draft, read_weights(folder)))


def seal(folder: Path, manifest: Manifest) -> None:
    """Write a version's manifest, and its configuration free of this machine's paths.

    Raises: DiskFull.
    """
    config = read_config(folder)
    config["target_modules"] = sorted(config["target_modules"])
    config["base_model_name_or_path"] = manifest.base_model
    config["inference_mode"] = True
    try:
        (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True))
        (folder / MANIFEST).write_text(to_json(manifest))
    except OSError as error:
        raise DiskFull(f"the adapter could not be written to {folder}: {error.strerror}.") from error
