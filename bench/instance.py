"""A whole installation of its own, for measurements and stories: `apprentice up` in a folder, on free ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from core.errors import ApprenticeError
from core.identity import Pseudonyms
from core.settings import Settings, load_settings
from workers.context import open_context

READY_S = 300


class InstanceFailed(ApprenticeError, RuntimeError):
    """An installation did not come up, or a command in it failed."""


@dataclass
class Instance:
    """A running installation. `environment` is what its processes were given."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes]
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120))

    @property
    def settings(self) -> Settings:
        """Its settings."""
        return load_settings(self.environment, Path(os.devnull))

    @property
    def api(self) -> str:
        """Base address of its HTTP API."""
        return self.settings.serving_base

    @property
    def console(self) -> str:
        """Base address of its console."""
        return f"http://127.0.0.1:{self.settings.console_port}"

    def ask(self, content: str, **fields: Any) -> dict[str, Any]:
        """One answer, not streamed. `fields` go into the request."""
        messages = fields.pop("messages", [{"role": "user", "content": content}])
        answer = self.http.post(f"{self.api}/v1/chat/completions", json={"messages": messages, **fields})
        if answer.is_error:
            raise InstanceFailed(answer.text)
        return answer.json()

    def feedback(self, turn_id: str, author: str, **said: Any) -> None:
        """Say something about an answer: a `rating`, a `correction`, or both."""
        answer = self.http.post(f"{self.api}/v1/feedback", json={"turn_id": turn_id, "author": author, **said})
        if answer.is_error:
            raise InstanceFailed(answer.text)

    def consent(self, author: str) -> str:
        """Note that an author of the API lets the assistant learn from them; returns their pseudonym."""
        pseudonym = Pseudonyms.of_installation(self.settings.data_dir).author(author)
        open_context(self.settings).people.set_consent(pseudonym, "yes")
        return pseudonym

    def command(self, *words: str, timeout_s: float = 1800) -> str:
        """Run `apprentice ...` in this installation and return what it printed.

        Raises: InstanceFailed with its output.
        """
        done = subprocess.run(
            [sys.executable, "-m", "apprentice", *words],
            env=self.environment,
            cwd=self.log.parent,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if done.returncode:
            raise InstanceFailed(f"apprentice {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait(self, what: str, check: Any, timeout_s: float) -> Any:
        """Poll until `check()` is truthy; what it raises over HTTP counts as not yet.

        Raises: InstanceFailed after the time.
        """
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                found = check()
            except httpx.HTTPError:
                found = None
            if found:
                return found
            time.sleep(0.1)
        tail = self.log.read_text(errors="replace")[-4000:]
        raise InstanceFailed(f"not seen within {timeout_s:.0f} s: {what}. The end of the log:\n{tail}")

    def live(self) -> str:
        """The version that answers now."""
        return self.http.get(f"{self.api}/readyz").json()["live"]


def free_ports(count: int) -> list[int]:
    """TCP ports that nothing listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def instance(folder: Path, **overrides: str) -> Iterator[Instance]:
    """Start an installation in a folder, wait until it answers, and stop it cleanly at the end.

    Its processes run in that folder, so that no `.env` of another installation is read.

    Raises: InstanceFailed with the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    serving, console, valkey = free_ports(3)
    settings = {
        "APPRENTICE_DATA_DIR": str(folder),
        "APPRENTICE_SERVING_PORT": str(serving),
        "APPRENTICE_CONSOLE_PORT": str(console),
        "APPRENTICE_VALKEY_PORT": str(valkey),
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("APPRENTICE_", "TELEGRAM_BOT"))}
    environment = kept | settings | overrides
    log = folder / "up.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "apprentice", "up"],
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Instance(environment, log, process)
    try:
        running.wait("serving is ready", lambda: running.http.get(f"{running.api}/readyz").is_success, READY_S)
        running.wait("the console is ready", lambda: running.http.get(f"{running.console}/healthz").is_success, 60)
        yield running
    finally:
        running.http.close()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
