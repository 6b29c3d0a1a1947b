"""Does a swap show? Twenty swaps between two versions under load, beside the same load without."""

import math
import random
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from bench.compare import Say
from bench.figures import Bar, measured, over, percentile, summarise
from bench.instance import Instance, instance
from bench.load import Load, Wave
from bench.machine import describe_machine
from bench.prompts import Prompts
from bench.serve import install_two, promote
from bench.subjects import Subject, ours
from workers.context import open_context

STREAMS, BLOCKS, SWAPS = 8, 2, 20
BLOCK_S = 20.0
"""Load without and with swaps alternates in blocks of this length; swaps are spread over their blocks."""
ASKED = 30
"""Requests in each stream's script, which begins anew at its end."""
LENGTHS = (24, 104)
"""New tokens of an answer, from a range, so that streams do not all end at once; 64 on average."""
SETTINGS = {"APPRENTICE_STREAMS": "16", "APPRENTICE_REFRESH_MIN_ITEMS": "100000"}
GAP, FIRST_S = 1.5, 1.0
Swap = tuple[float, str]
"""When a version was promoted (monotonic clock, s), and which."""


def run(say: Say = lambda line: None) -> dict[str, Any]:
    """Gaps between tokens without and with swaps, and how soon a promoted version answers."""
    machine = describe_machine()
    quiet: list[Wave] = []
    swapped: list[Wave] = []
    swaps: list[Swap] = []
    with tempfile.TemporaryDirectory() as folder, instance(Path(folder), **SETTINGS) as running, Load() as load:
        versions = install_two(running)
        promote(running, versions[0])
        subject, prompts = ours(running.api, ["apprentice"], "live"), Prompts()
        load.run(subject.url, [script[:1] for script in _scripts(subject, prompts)])
        for block in range(BLOCKS):
            say(f"block {block + 1} of {BLOCKS}: without swaps, then with")
            quiet.append(_block(running, load, _scripts(subject, prompts), (), swaps))
            swapped.append(_block(running, load, _scripts(subject, prompts), _turns(versions), swaps))
    return _result(machine, quiet, swapped, swaps, set(versions))


def _scripts(subject: Subject, prompts: Prompts) -> list[list[dict[str, Any]]]:
    """New requests for each stream, of lengths that differ, the same in every block."""
    lengths = random.Random(0)
    scripts = subject.scripts([prompts.take(ASKED) for _ in range(STREAMS)])
    return [[body | {"max_tokens": lengths.randint(*LENGTHS)} for body in script] for script in scripts]


def _turns(versions: Sequence[str]) -> list[str]:
    """The versions to promote in a block, beginning with the one that is not live."""
    return [versions[(n + 1) % 2] for n in range(SWAPS // BLOCKS)]


def _block(
    running: Instance, load: Load, scripts: Sequence[Sequence[dict[str, Any]]], turns: Sequence[str], swaps: list[Swap]
) -> Wave:
    """One block of load; `turns` are promoted during it, evenly spread, and noted."""
    registry = open_context(running.settings).registry
    with ThreadPoolExecutor(1) as beside:
        wave = beside.submit(load.run, running.api + "/v1/chat/completions", scripts, BLOCK_S)
        pause_s = BLOCK_S / (len(turns) + 1)
        for version in turns:
            time.sleep(pause_s)
            swaps.append((time.monotonic(), version))
            registry.promote(version, "bench", "a measurement")
        return wave.result()


def first_answers(waves: Sequence[Wave], swaps: Sequence[Swap]) -> list[float]:
    """Seconds from each promotion to the first token of an answer by that version, asked after it; or infinity."""
    found = []
    for at, version in swaps:
        firsts = [
            answer.asked_s + answer.first_s
            for wave in waves
            for answer in wave.answers
            if answer.first_s is not None and answer.asked_s >= at and answer.versions == (version,)
        ]
        found.append(min(firsts, default=math.inf) - at)
    return found


def _result(
    machine: dict[str, Any], quiet: Sequence[Wave], swapped: Sequence[Wave], swaps: Sequence[Swap], versions: set[str]
) -> dict[str, Any]:
    figures = {"without_swaps": summarise(STREAMS, quiet), "with_swaps": summarise(STREAMS, swapped)}
    firsts = first_answers(swapped, swaps)
    answers = [a for wave in (*quiet, *swapped) for a in wave.answers]
    unlike = sum(len(a.versions) != 1 or not set(a.versions) <= versions for a in answers if a.error is None)
    ratio = over(figures["with_swaps"].gap_p999_s, figures["without_swaps"].gap_p999_s)
    errors = sum(f.errors for f in figures.values())
    bars = [
        Bar("p99.9 gap between tokens, with swaps / without", ratio, most=GAP),
        Bar("promote to first token of the new version, slowest (s)", max(firsts), most=FIRST_S),
        Bar("errors", errors, most=0),
        Bar("answers not from one version", unlike, most=0),
    ]
    return {
        "machine": machine,
        "streams": STREAMS,
        "swaps": len(swaps),
        **{name: figure.as_dict() for name, figure in figures.items()},
        "gap_p999_ratio": measured(ratio, 4),
        "promote_to_first_token_s": {
            "median": measured(median(firsts), 4),
            "p90": measured(percentile(firsts, 0.9), 4),
            "unseen": sum(math.isinf(first) for first in firsts),
            "max": measured(max(firsts), 4),
        },
        "errors": errors,
        "failures": [error for wave in (*quiet, *swapped) for error in wave.errors][:5],
        "answers": len(answers),
        "answers_not_from_one_version": unlike,
        "bars": [bar.as_dict() for bar in bars],
    }
