"""A child ends when its launcher does, however the launcher ended.

The launcher holds the write end of a pipe, and every child has the read end as its standard input: when the launcher is
gone, the read ends, on every Unix and without asking the kernel for more than that.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence

GRACE_S = 25
"""From SIGTERM to SIGKILL: a little more than serving needs to finish its running answers."""


class Lifeline:
    """The launcher's end of the pipe. `held` are descriptors a child keeps open for as long as it lives."""

    def __init__(self, held: Sequence[int] = ()):
        self._read, self._write = os.pipe()
        self._held = tuple(held)

    def start(self, command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start a child on the line, as the leader of a process group of its own.

        All are in one session: between sessions Linux shares the processor evenly (sched(7), autogroup), and a
        training that gives way would give way to nobody.
        """
        return subprocess.Popen(command, stdin=self._read, env=environment, pass_fds=self._held, process_group=0)


def hold() -> None:
    """In a child: when standard input ends, stop as on SIGTERM, and with the whole group after the time of grace."""
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_S)
    os.killpg(0, signal.SIGKILL)
