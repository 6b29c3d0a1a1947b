"""A process that publishes an adapter over and over and is killed each time, as each line of its input says.

`call N` dies at the Nth event of input or output (a call that begins, or has ended); `byte N` dies where a file would
grow beyond N bytes. Each answer is a line: the signal that ended it, or 0.
"""

import itertools
import os
import resource
import signal
import sys
from pathlib import Path

from adapters.install import install
from adapters.registry import Registry
from core.store import connect
from tests.adapter_files import IDENTITY, base_at

REACHING_OUT = ("posix", "_io", "io", "_socket", "socket")


def die_at(how: str, at: int) -> None:
    """Arrange for the death of this process."""
    if how == "byte":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, resource.RLIM_INFINITY))
        return
    events = itertools.count()

    def watch(frame, event, function):
        owner = getattr(function, "__module__", None) or type(getattr(function, "__self__", None)).__module__
        if event in ("c_call", "c_return") and owner in REACHING_OUT and next(events) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


def main(url: str, folder: Path, source: Path, base: Path) -> None:
    """Answer each line with what became of it."""
    for line in sys.stdin:
        how, at = line.split()
        child = os.fork()
        if not child:
            registry = Registry(connect(url), folder)
            die_at(how, int(at))
            install(registry, source, base_at(base), IDENTITY, 64)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
