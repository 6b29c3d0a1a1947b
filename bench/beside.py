"""Serving while a refresh trains on the same cores: the product's own refresh, seen from clients."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from bench.compare import ROUNDS, Say, alternate
from bench.figures import measured, over, summarise
from bench.instance import Instance
from bench.load import Load
from bench.prompts import SEED, Prompts
from bench.subjects import Subject
from feedback.progress import Progress, read_progress
from workers.context import Context, open_context

STREAMS = 8
LEARNING = "learning"
BEGIN_S, END_S = 300, 60


def beside_training(running: Instance, load: Load, prompts: Prompts, subject: Subject, say: Say) -> dict[str, Any]:
    """Tokens/s at 8 streams before, during and after training, and the share that is kept while it trains.

    How many steps the training made meanwhile is told as well: a training that stands still disturbs nobody. The
    refresh is ended when enough was seen.

    Raises: InstanceFailed where the training does not begin.
    """
    context = open_context(running.settings)
    seen = {"before": _measure(load, prompts, subject)}
    running.command("feedback", "import", str(SEED))
    with _refresh(running, context):
        say("a refresh trains")
        begun, began = _progress(context), time.monotonic()
        seen["during"] = _measure(load, prompts, subject)
        ended, seconds = _progress(context), time.monotonic() - began
    seen["after"] = _measure(load, prompts, subject)
    rates = {when: figures["tokens_per_s"] for when, figures in seen.items()}
    return {
        **seen,
        "kept": measured(over(rates["during"], median((rates["before"], rates["after"]))), 4),
        "training_steps": ended.done - begun.done,
        "training_s": round(seconds, 1),
        "trained_throughout": ended.stage == LEARNING,
    }


def _measure(load: Load, prompts: Prompts, subject: Subject) -> dict[str, Any]:
    waves = alternate(load, prompts, [subject], STREAMS, ROUNDS, 2)[subject.name]
    return summarise(STREAMS, waves).as_dict()


def _progress(context: Context) -> Progress:
    return read_progress(context.store, context.settings.refresh_min_items)


@contextmanager
def _refresh(running: Instance, context: Context) -> Iterator[None]:
    """A refresh, from its first training step until it is no longer needed."""
    with (running.log.parent / "refresh.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "apprentice", "refresh", "--now"],
            env=running.environment,
            cwd=running.log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            running.wait("training has begun", lambda: _learns(context, process), BEGIN_S)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _learns(context: Context, process: "subprocess.Popen[bytes]") -> bool:
    progress = _progress(context)
    return process.poll() is None and progress.stage == LEARNING and progress.done > 0
