"""The bot as a real process, and serving over the bundled model, which follows a script where a question names one."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from adapters.base import Base
from core.settings import Settings
from launch.up import as_environment
from tests.conftest import ROOT
from tests.telegram_api import TelegramApi
from tests.waiting import until


@contextmanager
def scripted_serving(settings: Settings, base: Base) -> Iterator[None]:
    """Serving on its port, with scripts."""
    import uvicorn

    from serving.app import build
    from tests.warm import Scripted

    app = build(settings, base, Scripted(base))
    server = uvicorn.Server(uvicorn.Config(app, port=settings.serving_port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), "serving", 240)
        yield
    finally:
        server.should_exit = True
        thread.join()


class Bots:
    """The process that bots are forked from: to read all modules takes longer than most stories with a bot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unhurried"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, environment: dict[str, str], out: Path, err: Path) -> "Forked":
        """A bot with this environment that writes to these files, which exist."""
        return Forked(self, self.ask(start={"environment": environment, "out": str(out), "err": str(err)}))

    def ask(self, **what: object) -> Any:
        """Ask `tests.unhurried`."""
        with self._lock:
            print(json.dumps(what), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and every bot that still runs."""
        with self._process:
            self._process.stdin.close()


class Forked:
    """A bot that was forked, handled as `subprocess.Popen` is."""

    def __init__(self, bots: Bots, pid: int):
        self.pid, self._bots = pid, bots
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._bots.ask(look=self.pid)
        return self._code

    def wait(self, seconds: float) -> int:
        until(lambda: self.poll() is not None, "the end of the bot", seconds)
        return self._code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def bots() -> Bots:
    """One for all stories."""
    return Bots()


@dataclass
class BotProcess:
    """A running bot and what it wrote."""

    process: Forked
    out: Path
    err: Path

    def output(self) -> str:
        """Everything it wrote so far."""
        return self.out.read_text() + self.err.read_text()

    def owner_code(self) -> str:
        """The code of the one-time link that it printed."""
        found = until(
            lambda: re.search(r"https://t\.me/apprentice_test_bot\?start=([\w-]+)", self.out.read_text()),
            lambda: f"the owner's link in {self.output()}",
        )
        return found[1]

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal and wait; gives the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def bot_process(settings: Settings, api: TelegramApi, folder: Path, **changes: object) -> Iterator[BotProcess]:
    """The bot against this Bot API, with the settings changed. How fast it calls is what `test_outgoing` is about."""
    given = {"telegram_api_base": api.base, "telegram_bot_token": SecretStr(api.token)}
    environment = {**os.environ, **as_environment(settings.model_copy(update=given | changes))}
    name = f"bot-{api.new_id()}"
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    out.touch()
    err.touch()
    process = bots().start(environment, out, err)
    running = BotProcess(process, out, err)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30)
        assert api.token not in running.output()
