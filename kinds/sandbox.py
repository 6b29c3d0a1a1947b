"""Python from a model, run where it can do no harm: bubblewrap's namespaces, a filter of system calls, and limits."""

import json
import math
import os
import platform
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from kinds.seccomp import is_known, make_filter

INSIDE = Path(__file__).with_name("inside.py")
SIGNALLED = 128
POLL_S = 0.05
"""How soon a run ends that somebody stopped."""
SCRATCH = "/tmp"
ROOTS_USERS = 2_000_000_000
"""From here on, 2^24 user ids that own nothing: root, whom limits do not bind, becomes one of them for each run."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
AGAIN_S = 30.0
"""How soon it is looked again whether code can be run, where it could not: what was lacking may have passed."""
WHYS = ("ran", "passed", "syntax", "failed", "test_failed", "memory", "output", "processes", "refused")
"""What a run may report of itself."""
HOW = "install bubblewrap 0.8 or newer (apt install bubblewrap)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take. There is one process, so that `memory` bounds all of it; threads count as its own."""

    wall_s: float = 10.0
    cpu_s: int = 5
    memory: int = 512 * 2**20
    threads: int = 32
    scratch: int = 16 * 2**20
    output: int = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run.

    `why` is ran, passed, syntax, failed, test_failed, timeout, memory, output, processes or refused; `said` the last
    line of the failure; `took_ms` without the interpreter's start, where it ended by itself.
    """

    why: str
    said: str
    took_ms: int
    stdout: str
    stderr: str


class NoIsolation(RuntimeError):
    """Nothing is run here, and the sentence says what is missing."""


class Sandbox:
    """Runs code, at most so many at once; the others wait."""

    def __init__(self, limits: Limits | None = None, at_once: int = 2):
        self._limits = limits or Limits()
        self._places = threading.BoundedSemaphore(at_once)

    def run(self, code: str, asserts: str = "", examples: str = "", stop: threading.Event | None = None) -> Run | None:
        """What came of code and then its tests: statements, and the examples (>>>) of a text. None: it was stopped.

        Raises: NoIsolation.
        """
        if lacking := what_is_lacking():
            raise NoIsolation(lacking)
        stop = stop or threading.Event()
        while not self._places.acquire(timeout=POLL_S):
            if stop.is_set():
                return None
        try:
            return None if stop.is_set() else _run(code, asserts, examples, self._limits, stop)
        except (OSError, subprocess.SubprocessError) as error:
            raise NoIsolation(f"the program was not run, for the sandbox could not be set up: {error}.") from error
        finally:
            self._places.release()


class Isolation:
    """Whether code can be run here: looked at once where it can, and else again from time to time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._found: str | None = None
        self._until = -math.inf

    def lacking(self) -> str | None:
        """Why no code can be run here; None where it can."""
        with self._lock:
            if self._clock() >= self._until:
                self._found = _look()
                self._until = math.inf if self._found is None else self._clock() + AGAIN_S
            return self._found


ISOLATION = Isolation()


def what_is_lacking() -> str | None:
    """Why no code can be run here, in a sentence that says what to do; None where it can."""
    return ISOLATION.lacking()


def _look() -> str | None:
    if sys.platform != "linux":
        return "programs are run on Linux only; elsewhere run Apprentice as a container (docs/code.md)."
    if not is_known():
        return f"programs are run on x86-64 and arm64 only, and this machine is {platform.machine()}."
    if shutil.which("bwrap") is None:
        return f"programs are not run without isolation: {HOW}."
    try:
        run = _run("x = 1", "assert x == 1", "", Limits(), threading.Event())
    except (OSError, subprocess.SubprocessError) as error:
        return f"programs are not run, for the sandbox cannot be set up: {error}."
    if run is None or run.why != "passed":
        why = run.stderr.strip().splitlines()[-1:] if run else []
        return (
            f"programs are not run, for bubblewrap cannot isolate them ({''.join(why) or 'it gave no reason'}): "
            f"{HOW}, and allow it user namespaces (docs/code.md)."
        )
    return None


def _run(code: str, asserts: str, examples: str, limits: Limits, stop: threading.Event) -> Run | None:
    proof = secrets.token_hex(16)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reports, os.fdopen(writing, "wb") as report:
        request = {
            "code": code,
            "asserts": asserts,
            "examples": examples,
            "proof": proof,
            "report": writing,
            "user": ROOTS_USERS + secrets.randbelow(2**24) if os.geteuid() == 0 else None,
            "limits": {
                "RLIMIT_CPU": limits.cpu_s,
                "RLIMIT_AS": limits.memory,
                "RLIMIT_NPROC": limits.threads,
                "RLIMIT_FSIZE": limits.scratch,
                "RLIMIT_NOFILE": 64,
                "RLIMIT_CORE": 0,
                "RLIMIT_SIGPENDING": 64,
            },
        }
        with _started(request, writing) as process:
            report.close()
            return _watched(process, reports, limits, stop, proof)


@contextmanager
def _started(request: dict[str, Any], report: int) -> Iterator[subprocess.Popen]:
    """The sandbox, begun; gone as a whole at the end, since nothing outlives the first process of its namespace."""
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as rules:
        asked.write(json.dumps(request).encode())
        rules.write(make_filter())
        asked.seek(0)
        rules.seek(0)
        process = subprocess.Popen(
            [*_command(rules.fileno(), os.geteuid() == 0), *_interpreter()],
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(report, rules.fileno()),
            env={},
            cwd="/",
            process_group=0,
        )
    try:
        with process:
            try:
                yield process
            finally:
                _kill(process)
    finally:
        process.wait()


def _kill(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _watched(
    process: subprocess.Popen, reports: IO[bytes], limits: Limits, stop: threading.Event, proof: str
) -> Run | None:
    """Read what the run says until it ends by itself, or has to."""
    began, ended_by = time.monotonic(), None
    said: dict[IO[bytes], bytes] = {process.stdout: b"", process.stderr: b"", reports: b""}
    with selectors.DefaultSelector() as readable:
        for pipe in said:
            readable.register(pipe, selectors.EVENT_READ)
        while readable.get_map():
            for key, _ in readable.select(POLL_S):
                piece = os.read(key.fd, 2**16)
                said[key.fileobj] += piece[: limits.output - len(said[key.fileobj])]
                if not piece:
                    readable.unregister(key.fileobj)
                elif len(said[key.fileobj]) == limits.output:
                    ended_by = ended_by or "output"
            if time.monotonic() - began > limits.wall_s:
                ended_by = ended_by or "timeout"
            if stop.is_set():
                ended_by = "stopped"
            if ended_by:
                break
    _kill(process)
    took_ms = int(1000 * (time.monotonic() - began))
    if ended_by == "stopped":
        return None
    stdout, stderr = (said[pipe].decode(errors="replace") for pipe in (process.stdout, process.stderr))
    if ended_by:
        return Run(ended_by, "", took_ms, stdout, stderr)
    told, status = _told(said[reports], proof), process.wait()
    if told and status < SIGNALLED:
        said_of_it = told["said"].encode(errors="replace").decode()
        return Run(told["why"], said_of_it, min(told["took_ms"], took_ms), stdout, stderr)
    return Run(*_how_it_ended(status, took_ms, limits), took_ms, stdout, stderr)


def _told(report: bytes, proof: str) -> dict[str, Any] | None:
    """What was reported; None where the code ended the interpreter first, or wrote a report of its own."""
    try:
        told = json.loads(report)
        proven = told["proof"] == proof and told["why"] in WHYS
        proven = proven and isinstance(told["said"], str) and isinstance(told["took_ms"], int) and told["took_ms"] >= 0
        return told if proven else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _how_it_ended(status: int, took_ms: int, limits: Limits) -> tuple[str, str]:
    """Why it did not end by itself: bubblewrap's status is the code's own, or more than 128 by the signal's number."""
    try:
        ended = signal.Signals(status - SIGNALLED)
    except ValueError:
        return "failed", f"the program ended itself with status {status}"
    if ended == signal.SIGSYS:
        return "refused", "the program asked the system for what is not allowed"
    if ended == signal.SIGXCPU or (ended == signal.SIGKILL and took_ms >= 1000 * limits.cpu_s):
        return "timeout", ""
    return ("memory", "") if ended == signal.SIGKILL else ("failed", f"the program was ended by {ended.name}")


def _command(rules: int, is_root: bool) -> list[str]:
    """bubblewrap, last in line for the processor; its file system has the interpreter, its library and four devices.

    It stays in this process's session: between sessions Linux shares the processor evenly, whatever the niceness
    (sched(7), autogroup). No terminal can be reached from it, and the filter lets nothing begin a session.
    """
    rights = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if is_root else ["--unshare-user"]
    last = [shutil.which("nice") or "nice", "-n", "19"]
    command = [*last, shutil.which("bwrap") or "bwrap", "--cap-drop", "ALL", *rights]
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    command += ["--die-with-parent", "--clearenv", "--seccomp", str(rules)]
    files = [*_places(), *map(Path, DEVICES)]
    for folder in sorted({parent for file in files for parent in file.parents} - {Path("/")}):
        command += ["--perms", "0755", "--dir", str(folder)]
    for place in _places():
        command += ["--ro-bind", str(place), str(place)]
    for hidden in _packages():
        command += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
    for device in DEVICES:
        command += ["--dev-bind", device, device]
    scratch = ["--perms", "1777", "--size", str(Limits().scratch), "--tmpfs", SCRATCH, "--chdir", SCRATCH]
    return [*command, *scratch, "--remount-ro", "/", "--"]


def _interpreter() -> list[str]:
    return [str(_executable()), "-I", "-B", "-X", "utf8", "-c", INSIDE.read_text(encoding="utf-8")]


def _executable() -> Path:
    return Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))


@cache
def _places() -> tuple[Path, ...]:
    """The interpreter, its standard library, and the shared libraries that they load, as the loader names them."""
    library, modules = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_config_var("DESTSHARED"))
    objects = [_executable(), *sorted(modules.glob("*.so"))]
    told = subprocess.run(["ldd", *objects], capture_output=True, text=True, check=True).stdout
    named = {word for line in told.splitlines() for word in line.split() if word.startswith("/")}
    loaded = sorted(Path(name) for name in named if not name.endswith(":"))
    return (_executable(), library, *(place for place in loaded if library not in place.parents))


@cache
def _packages() -> tuple[Path, ...]:
    """What others installed beside the standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    return tuple(place for name in ("site-packages", "dist-packages") if (place := library / name).is_dir())
