"""Locks that end with the processes that hold them, also when those are killed."""

import fcntl
import os
import time
from pathlib import Path

from core.errors import SettingsError

POLL_S = 0.05


class FolderLock:
    """An exclusive lock on a file, whose text says who holds it.

    It belongs to the open file: a child that inherits `fileno()` holds it too, until the last of them has ended.
    """

    def __init__(self, path: Path):
        self._path = path
        self._handle: int | None = None

    def take(self, note: str, wait_s: float = 0) -> bool:
        """Take the lock, waiting for at most `wait_s`; False where another process keeps it.

        Raises: SettingsError where the folder cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(
                f"{self._path.parent} cannot be written ({error.strerror}); set APPRENTICE_DATA_DIR to one that can."
            ) from error
        deadline = time.monotonic() + wait_s
        while not _try(handle):
            if time.monotonic() >= deadline:
                os.close(handle)
                return False
            time.sleep(POLL_S)
        os.ftruncate(handle, 0)
        os.pwrite(handle, note.encode(), 0)
        self._handle = handle
        return True

    def note(self) -> str:
        """What the holder wrote."""
        return self._path.read_text()

    def fileno(self) -> int:
        """The descriptor of a lock that this process took."""
        if self._handle is None:
            raise RuntimeError(f"{self._path} is not held by this process")
        return self._handle

    def held(self) -> bool:
        """Whether any process holds the lock."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _try(handle)
        finally:
            os.close(handle)

    def release(self) -> None:
        """Let go of this process's hold."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
