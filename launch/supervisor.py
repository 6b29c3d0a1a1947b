"""Keeps the processes running: starts them, says when each is ready, and stops them all."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from launch.lifeline import GRACE_S, Lifeline
from launch.service import Ending, Keeper, Say, Service

GIVE_UP = (2, os.EX_CONFIG)
"""Exit codes of a process that was called or set up wrongly."""
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Role:
    """A process to keep running. `ready`, where there is one, is asked until it is true; `where` says where to look."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    ready: Callable[[], bool] | None
    where: str = ""


class Child:
    """One role's process, with everything it started."""

    def __init__(self, role: Role, lifeline: Lifeline):
        self.role = role
        self.name = role.name
        self._lifeline = lifeline
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        self._process = self._lifeline.start(self.role.command, self.role.environment)

    def ended(self) -> Ending | None:
        """How the process ended, None while it runs. What it had started is ended with it."""
        if self._process is None:
            return Ending("not started")
        code = self._process.poll()
        if code is None:
            return None
        self.kill()
        return Ending(f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}", code in GIVE_UP)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the process and whatever it started."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # nothing is left of the group; macOS says the second of a group that only waits to be reaped
            self._process.wait()


class Supervisor:
    """Runs the roles, beside a database that runs already, until told to stop."""

    def __init__(self, roles: Sequence[Role], lifeline: Lifeline, say: Say, database: Service | None = None):
        self._children = [Child(role, lifeline) for role in roles]
        self._keepers = {child.name: Keeper(child, say) for child in self._children}
        self._database = Keeper(database, say) if database else None
        self._say = say
        self._stop = threading.Event()
        self._hurry = threading.Event()

    def stop(self) -> None:
        """Begin to stop; asked again, stop at once."""
        (self._hurry if self._stop.is_set() else self._stop).set()

    def run(self) -> None:
        """Keep everything running until `stop`."""
        try:
            for keeper in self._keepers.values():
                keeper.start()
            waiting = [child for child in self._children if child.role.ready]
            while not self._stop.wait(POLL_S):
                if self._database:
                    self._database.look()
                running = {name for name, keeper in self._keepers.items() if keeper.look()}
                for child in [c for c in waiting if c.name in running and c.role.ready and c.role.ready()]:
                    waiting.remove(child)
                    self._say(f"{child.name} is ready{child.role.where}.")
        finally:
            self._end_all()

    def _end_all(self) -> None:
        for child in self._children:
            child.ask_to_end()
        deadline = time.monotonic() + GRACE_S
        left = list(self._children)
        while left and time.monotonic() < deadline and not self._hurry.wait(POLL_S / 4):
            left = [child for child in left if child.ended() is None]
        for child in left:
            child.kill()
