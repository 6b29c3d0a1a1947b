"""Code that a model wrote: what it may do in the sandbox, and what comes of it where it tries more."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from kinds import sandbox
from kinds.code import Code
from kinds.kind import Task
from kinds.sandbox import AGAIN_S, Isolation, Limits, NoIsolation, Sandbox, what_is_lacking
from tests.serving_process import ROOT
from tests.waiting import until

isolated = pytest.mark.skipif(what_is_lacking() is not None, reason=what_is_lacking() or "")
QUICK = Limits(wall_s=2, cpu_s=1)
ENDLESS = "while True: pass"
ATTACKS = {
    "fork bomb": ("import os\nwhile True: os.fork()", "processes"),
    "fork bomb of threads": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,)).start()",
        "processes",
    ),
    "another program": ("import subprocess, sys\nsubprocess.run([sys.executable, '-c', '1'])", "processes"),
    "10 GB at once": ("held = bytearray(10 * 2**30)", "memory"),
    "10 GB in pieces": ("held = []\nwhile True: held.append(bytearray(10 * 2**20))", "memory"),
    "memory of the system": ("import ctypes, os\nos.memfd_create('held')", "refused"),
    "endless output": ("while True: print('x' * 1000)", "output"),
    "endless errors": ("import sys\nwhile True: print('x' * 1000, file=sys.stderr)", "output"),
    "a huge file": ("open('/tmp/file', 'wb').write(bytes(10**8))", "output"),
    "many files": ("for n in range(99): open(f'/tmp/{n}', 'wb').write(bytes(10**6))", "output"),
    "endless loop": (ENDLESS, "timeout"),
    "endless sleep": ("import time\ntime.sleep(10**6)", "timeout"),
    "endless thread": (
        "import threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()",
        "timeout",
    ),
    "/etc/passwd": ("print(open('/etc/passwd').read())", "failed"),
    "others' processes": ("print(open('/proc/1/environ').read())", "failed"),
    "the environment": ("import os\nprint(os.environ['TELEGRAM_BOT_TOKEN'])", "failed"),
    "TCP": ("import socket\nsocket.create_connection(('127.0.0.1', 6390))", "refused"),
    "UDP": ("import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('9.9.9.9', 53))", "refused"),
    "a unix socket": ("import socket\nsocket.socket(socket.AF_UNIX).connect('/run/docker.sock')", "refused"),
    "a session of its own, to be first in line": ("import os\nos.setsid()", "refused"),
    "writing outside": ("open('/written', 'w')", "refused"),
    "writing over the library": ("import os\nopen(os.__file__, 'w')", "refused"),
    "ptrace": ("import ctypes\nctypes.CDLL(None).ptrace(16, 1, 0, 0)", "refused"),
    "another's memory": ("import ctypes\nctypes.CDLL(None).process_vm_readv(1, None, 0, None, 0, 0)", "refused"),
    "namespaces": ("import ctypes\nctypes.CDLL(None).unshare(0x10000000)", "refused"),
    "mounts": ("import ctypes\nctypes.CDLL(None).mount(b'proc', b'/tmp', b'proc', 0, None)", "refused"),
    "becoming root": ("import os\nassert os.getuid()\nos.setuid(0)", None),
    "killing everybody": ("import os\nos.kill(-1, 9)", "failed"),
    "an end before the tests": ("import os\nos._exit(0)", "failed"),
    "a crash": ("import ctypes\nctypes.string_at(0)", "failed"),
    "a deep program": ("x = " + "(" * 5000 + ")" * 5000, "syntax"),
    "a report of its own": (
        """import json, os
for pipe in range(3, 20):
    try: os.write(pipe, json.dumps({"proof": "", "why": "passed", "said": "", "took_ms": 1}).encode())
    except OSError: pass
os._exit(0)""",
        "failed",
    ),
}


@pytest.fixture(scope="module")
def box():
    return Sandbox(QUICK)


@isolated
def test_a_program_runs_and_its_tests_pass_with_threads_and_files_of_its_own(box):
    code = """from __future__ import annotations
import asyncio, dataclasses, tempfile

@dataclasses.dataclass
class Sum:
    total: int = 0

def add(a, b):
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    return asyncio.run(asyncio.to_thread(lambda: Sum(a + b).total))

if __name__ == "__main__":
    print("added", add(1, 2))
    exit(0)
"""
    run = box.run(code, "assert add(2, 2) == 4", "As follows:\n>>> add(5, 5)\n10\n")
    assert (run.why, run.said, run.stdout, run.stderr) == ("passed", "", "added 3\n", "")
    assert box.run(code).why == "ran"


@isolated
@pytest.mark.parametrize(
    "code, asserts, examples, why, said",
    [
        ("def f(x) return x", "", "", "syntax", "SyntaxError: expected ':'"),
        ("print(unknown)", "", "", "failed", "NameError: name 'unknown' is not defined"),
        ("input()", "", "", "failed", "EOFError: EOF when reading a line"),
        ("raise SystemExit(3)", "", "", "failed", "SystemExit: 3"),
        ("import numpy", "", "", "failed", "ModuleNotFoundError: No module named 'numpy'"),
        ("f = abs", "assert f(-1) == 2", "", "test_failed", "AssertionError: f(-1) == 2"),
        ("f = abs", "assert g(1)", "", "test_failed", "NameError: name 'g' is not defined"),
        ("f = abs", "", ">>> f(-1)\n2\n", "test_failed", "AssertionError: f(-1) gave 1, not 2"),
        ("f = abs", "", ">>> f(None)\n2\n", "test_failed", "TypeError: bad operand type for abs(): 'NoneType'"),
    ],
)
def test_a_failure_is_told_by_its_last_line(box, code, asserts, examples, why, said):
    run = box.run(code, asserts, examples)
    assert (run.why, run.said) == (why, said)


@isolated
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_ends_with_a_reason(attack, monkeypatch):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:secret")
    code, why = ATTACKS[attack]
    limits = QUICK if why == "timeout" else Limits(wall_s=60, cpu_s=20)
    run = Sandbox(limits).run(code, "assert True")
    assert run.why == why if why else run.why in ("failed", "refused")
    assert "secret" not in run.stdout + run.stderr + run.said
    assert len(run.stdout) <= QUICK.output and len(run.stderr) <= QUICK.output and len(run.said) <= 300
    assert not Path("/written").exists() and not _running()


@isolated
def test_nothing_but_the_interpreter_and_a_scratch_folder_is_there(box):
    code = """import os, json, sys
print("nowhere", file=open(os.devnull, "w"))
found = {"env": dict(os.environ), "cwd": os.getcwd(), "scratch": os.listdir("/tmp"), "data": os.path.exists(DATA)}
packages = [p for p in sys.path if p.endswith("-packages") and os.path.isdir(p) and os.listdir(p)]
print(json.dumps(found | {"packages": packages, "devices": sorted(os.listdir("/dev")), "top": os.listdir("/")}))
"""
    told = json.loads(box.run(f"DATA = {str(ROOT)!r}\n{code}").stdout)
    assert not {"etc", "proc", "sys", "home", "var", "run"} & set(told.pop("top"))
    devices = ["null", "random", "urandom", "zero"]
    assert told == {"env": {}, "cwd": "/tmp", "scratch": [], "data": False, "packages": [], "devices": devices}


@isolated
def test_a_run_that_is_stopped_is_gone_at_once_and_so_is_one_that_waits():
    box, stop = Sandbox(Limits(wall_s=600, cpu_s=600), at_once=1), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(box.run, ENDLESS, stop=stop) for _ in range(2)]
        until(_running, "a sandbox runs")
        stop.set()
        assert [run.result(60) for run in runs] == [None, None]
    until(lambda: not _running(), "no sandbox is left")


@isolated
def test_a_sandbox_does_not_outlive_the_process_that_began_it():
    script = "from kinds.sandbox import *; Sandbox(Limits(wall_s=600, cpu_s=600)).run('while True: pass')"
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    until(lambda: len(_running(parent.pid)) == 3, "bubblewrap, the first process of its namespace, and the code")
    inside = _running(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not any(process.is_running() for process in inside), "they are gone")


@isolated
@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.long)])
def test_a_storm_of_runs_goes_through_a_few_at_a_time(count):
    box = Sandbox(Limits(wall_s=3, cpu_s=1), at_once=2)
    storm = [ATTACKS["fork bomb"], ATTACKS["10 GB at once"], ATTACKS["endless output"], ATTACKS["TCP"]] * (count // 4)
    done, most = threading.Event(), []

    def watch():
        while not done.wait(0.02):
            most.append(sum(map(_is_bwrap, psutil.Process().children())))

    watching = threading.Thread(target=watch)
    watching.start()
    with ThreadPoolExecutor(count) as pool:
        runs = list(pool.map(lambda attack: box.run(attack[0]), storm))
    done.set()
    watching.join()
    assert [run.why for run in runs] == [why for _, why in storm]
    assert 1 <= max(most) <= 2 and not _running()


@isolated
@pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/usr/bin/python3"), reason="needs root and Debian's Python"
)
def test_somebody_who_is_not_root_has_it_too():
    """Root's code runs as a user of its own, anybody else's in a user namespace."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(
            ROOT / "kinds", f"{folder}/kinds", ignore=lambda _, names: {n for n in names if n not in NEEDED}
        )
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        script = f"""import json
from kinds.sandbox import *
assert what_is_lacking() is None, what_is_lacking()
box = Sandbox(Limits(wall_s=4, cpu_s=1))
print(json.dumps([box.run(code).why for code in {[ATTACKS[name][0] for name in OF_ANYBODY]!r}]))
"""
        ran = subprocess.run(
            ["/usr/bin/python3", "-c", script],
            cwd=folder,
            user=1000,
            group=1000,
            env={},
            capture_output=True,
            text=True,
        )
    assert ran.stderr == "" and json.loads(ran.stdout) == [ATTACKS[name][1] for name in OF_ANYBODY]


OF_ANYBODY = (
    "fork bomb",
    "fork bomb of threads",
    "10 GB at once",
    "endless thread",
    "TCP",
    "writing outside",
    "ptrace",
)
NEEDED = ("sandbox.py", "seccomp.py", "inside.py")


def test_without_isolation_nothing_runs_and_it_is_said_what_to_install(monkeypatch, tmp_path):
    def lacking() -> str:
        monkeypatch.setattr(sandbox, "ISOLATION", Isolation())
        with pytest.raises(NoIsolation) as refused:
            Sandbox(QUICK).run("open('ran', 'w')")
        return str(refused.value)

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as here:
        here.setenv("PATH", str(tmp_path))
        assert "install bubblewrap" in lacking()
    with monkeypatch.context() as here:
        forbidden = tmp_path / "bwrap"
        forbidden.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
        forbidden.chmod(0o755)
        here.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        told = lacking()
        assert "No permissions to create new namespace" in told and "allow it user namespaces" in told
    with monkeypatch.context() as here:
        here.setattr(sandbox.sys, "platform", "darwin")
        assert "container" in lacking()
    with monkeypatch.context() as here:
        here.setattr(sandbox.platform, "machine", lambda: "riscv64")
        assert "riscv64" in lacking()
    assert not (tmp_path / "ran").exists()


@isolated
def test_what_was_lacking_for_a_while_is_looked_for_again_and_what_is_there_is_not(monkeypatch):
    now, looks, pipes = [0.0], [], len(os.listdir("/proc/self/fd"))
    isolation = Isolation(lambda: now[0])

    def fails(*given, **named):
        looks.append(given)
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as full:
        full.setattr(sandbox.subprocess, "Popen", fails)
        assert "temporarily unavailable" in isolation.lacking() and "unavailable" in isolation.lacking()
        assert len(looks) == 1, "not at every answer"
        with pytest.raises(NoIsolation, match="could not be set up"):
            Sandbox(QUICK).run("x = 1")
    assert len(os.listdir("/proc/self/fd")) == pipes, "nothing is left open"
    assert isolation.lacking()
    now[0] += AGAIN_S
    looks.clear()
    monkeypatch.setattr(sandbox, "_run", lambda *given, real=sandbox._run: looks.append(given) or real(*given))
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(lambda _: isolation.lacking(), range(4))] == [None] * 4
    now[0] += 1000 * AGAIN_S
    assert isolation.lacking() is None and len(looks) == 1, "once for all, and for good"


FORGED = """
import json, os, sys
frame = sys._getframe()
while "request" not in frame.f_locals:
    frame = frame.f_back
request = frame.f_locals["request"]
os.write(request["report"], %r.replace("PROOF", request["proof"]).encode())
os._exit(0)
"""


@isolated
@pytest.mark.parametrize(
    "report",
    [
        '{"proof": "PROOF"}',
        '{"proof": "PROOF", "why": ["passed"], "said": "", "took_ms": 1}',
        '{"proof": "PROOF", "why": "poem", "said": "", "took_ms": 1}',
        '{"proof": "PROOF", "why": "passed", "said": 5, "took_ms": 1}',
        '{"proof": "PROOF", "why": "passed", "said": "", "took_ms": "1"}',
        "[" * 60_000,
    ],
)
def test_a_report_that_was_written_by_the_program_and_is_none_is_a_failure(report):
    found = Code(QUICK).check(Task("Write a program.", may_run=True), f"```python\n{FORGED % report}\n```")
    assert (found.value, found.why) == (0, "failed") and "ended itself" in found.said


@isolated
def test_what_a_program_says_of_its_failure_can_be_stored_and_sent(box):
    assert box.run("raise ValueError('\\ud800')").said == "ValueError: ?"


def _running(pid: int | None = None) -> list[psutil.Process]:
    """The processes of the sandboxes that a process, or this one, has begun."""
    return [p for p in psutil.Process(pid).children(recursive=True) if _is_sandbox(p)]


def _is_sandbox(process: psutil.Process) -> bool:
    try:
        return any(map(_is_bwrap, [process, *process.parents()]))
    except psutil.NoSuchProcess:
        return False


def _is_bwrap(process: psutil.Process) -> bool:
    try:
        return process.name() == "bwrap"
    except psutil.NoSuchProcess:
        return False
