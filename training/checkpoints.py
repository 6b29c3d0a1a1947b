"""Where a training that was killed goes on: the newest state of a run, replaced whole."""

import os
from pathlib import Path
from typing import Any

import torch

from core.settings import CHECKPOINT_FILE


class Checkpoints:
    """The checkpoint of the run named `key`, in `folder`. It holds weights and numbers, no text and no token."""

    def __init__(self, folder: Path, key: str):
        self._file = folder / CHECKPOINT_FILE
        self._key = key

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint. Raises: OSError."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(f".{os.getpid()}")
        torch.save({"key": self._key, "state": state}, draft)
        os.replace(draft, self._file)

    def load(self) -> dict[str, Any] | None:
        """The state of this very run, if there is one that can be read."""
        try:
            found = torch.load(self._file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError):
            return None
        return found["state"] if found["key"] == self._key else None

    def clear(self) -> None:
        """The run has ended."""
        self._file.unlink(missing_ok=True)
