"""Do hostile programs show? Two hundred runs in the sandbox beside streams of answers, and the same streams without."""

import tempfile
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.compare import Say
from bench.figures import Bar, measured, over, summarise
from bench.instance import instance
from bench.load import Load, Wave
from bench.machine import describe_machine
from bench.prompts import Prompts
from bench.subjects import Subject, ours
from core.errors import InvalidInput
from kinds.sandbox import Limits, Run, Sandbox, what_is_lacking

STREAMS, ASKED, TOKENS = 4, 8, 48
BLOCK_S = 20.0
RUNS = 200
LIMITS = Limits(wall_s=3, cpu_s=1)
"""Shorter than in service, so that programs which only wait do not make the storm a calm."""
KEPT, PAUSE_S = 0.5, 1.0
ATTACKS = {
    "fork bomb": "import os\nwhile True: os.fork()",
    "threads": "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,)).start()",
    "10 GB": "held = []\nwhile True: held.append(bytearray(10 * 2**20))",
    "output": "while True: print('x' * 1000)",
    "loop": "while True: pass",
    "/etc/passwd": "print(open('/etc/passwd').read())",
    "socket": "import socket\nsocket.create_connection(('127.0.0.1', 6379))",
    "writing": "open('/written', 'w')",
    "ptrace": "import ctypes\nctypes.CDLL(None).ptrace(16, 1, 0, 0)",
    "honest": "print(sum(range(1000)))",
}


def run(say: Say = lambda line: None) -> dict[str, Any]:
    """Gaps between tokens without and with a storm, and what came of the runs.

    Raises: InvalidInput where nothing can be isolated here.
    """
    if lacking := what_is_lacking():
        raise InvalidInput(lacking)
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder, instance(Path(folder)) as running, Load() as load:
        subject, prompts = ours(running.api, ["apprentice"], "live"), Prompts()
        load.run(subject.url, [script[:1] for script in _scripts(subject, prompts)])
        say("streams without a storm")
        calm = load.run(subject.url, _scripts(subject, prompts), BLOCK_S)
        say(f"streams beside {RUNS} runs")
        storm, runs, seconds = _beside(load, subject, prompts)
    return _result(machine, calm, storm, runs, seconds)


def _scripts(subject: Subject, prompts: Prompts) -> list[list[dict[str, Any]]]:
    scripts = subject.scripts([prompts.take(ASKED) for _ in range(STREAMS)])
    return [[body | {"max_tokens": TOKENS} for body in script] for script in scripts]


def _beside(load: Load, subject: Subject, prompts: Prompts) -> tuple[Wave, list[tuple[str, Run]], float]:
    """The streams while all the runs are asked for at once; and how long these took."""
    sandbox, names, began = Sandbox(LIMITS), list(ATTACKS) * (RUNS // len(ATTACKS)), time.monotonic()
    with ThreadPoolExecutor(RUNS) as pool:
        asked: list[tuple[str, Future[Run | None]]] = [(n, pool.submit(sandbox.run, ATTACKS[n])) for n in names]
        wave = load.run(subject.url, _scripts(subject, prompts), BLOCK_S)
        runs = [(name, run) for name, future in asked if (run := future.result()) is not None]
    return wave, runs, time.monotonic() - began


def _result(
    machine: dict[str, Any], calm: Wave, storm: Wave, runs: list[tuple[str, Run]], seconds: float
) -> dict[str, Any]:
    figures = {"calm": summarise(STREAMS, [calm]), "storm": summarise(STREAMS, [storm])}
    longest = {when: max(g for a in w.answers for g in a.gaps_s) for when, w in (("calm", calm), ("storm", storm))}
    kept = over(figures["storm"].tokens_per_s, figures["calm"].tokens_per_s)
    passed = sum(run.why in ("ran", "passed") for name, run in runs if name != "honest")
    bars = [
        Bar("tokens/s kept beside the storm", kept, least=KEPT),
        Bar("longest pause between two tokens beside the storm (s)", longest["storm"], most=PAUSE_S),
        Bar("answers that broke off", figures["storm"].errors, most=0),
        Bar("attacks that count as having run", passed, most=0),
    ]
    return {
        "machine": machine,
        "runs": len(runs),
        "runs_s": measured(seconds, 1),
        "reasons": {name: dict(Counter(run.why for n, run in runs if n == name)) for name in ATTACKS},
        **{when: figure.as_dict() for when, figure in figures.items()},
        "longest_pause_s": {when: measured(pause, 4) for when, pause in longest.items()},
        "kept": measured(kept, 4),
        "bars": [bar.as_dict() for bar in bars],
    }
