"""Servers side by side: each wave is sent to one after the other, so that whatever disturbs, disturbs all."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.figures import measured, over, summarise
from bench.load import Load, Wave
from bench.machine import wait_until_quiet
from bench.prompts import Messages, Prompts
from bench.subjects import NEW_TOKENS, OURS, Subject

STREAMS = (1, 8, 16)
WAVES = 3
"""Waves in which all streams begin together, each with one request."""
ROUNDS = 3
"""Requests that each stream asks one after the other, in one further run."""
Row = dict[str, Any]
Say = Callable[[str], None]


def compare(
    load: Load, prompts: Prompts, subjects: Sequence[Subject], say: Say, counts: Sequence[int] = STREAMS
) -> list[Row]:
    """Figures of every subject at each number of streams, as `wave` and as `rounds`, measured alternately."""
    rows = []
    for count in counts:
        run_all(load, prompts, subjects, count, 1, warm_up=True)
        waves = alternate(load, prompts, subjects, count, 1, WAVES)
        rounds = alternate(load, prompts, subjects, count, ROUNDS, 1)
        for subject in subjects:
            rows.append(_row(subject, "wave", count, waves[subject.name]))
            rows.append(_row(subject, "rounds", count, rounds[subject.name]))
            say(f"{subject.name}: {rows[-2]['tokens_per_s']:.0f} tokens/s in a wave of {count}")
    return rows


def _row(subject: Subject, mode: str, count: int, waves: Sequence[Wave]) -> Row:
    row = {"subject": subject.name, "engine": subject.engine, "adapter": subject.adapter, "mode": mode}
    return row | summarise(count, waves).as_dict() | {"failures": failures(waves)}


def alternate(
    load: Load, prompts: Prompts, subjects: Sequence[Subject], count: int, rounds: int, times: int
) -> dict[str, list[Wave]]:
    """Waves of `count` streams, of each subject in turn, so many times; by the subjects' names."""
    found: dict[str, list[Wave]] = {subject.name: [] for subject in subjects}
    for _ in range(times):
        for name, wave in run_all(load, prompts, subjects, count, rounds).items():
            found[name].append(wave)
    return found


def run_all(
    load: Load, prompts: Prompts, subjects: Sequence[Subject], count: int, rounds: int, warm_up: bool = False
) -> dict[str, Wave]:
    """One wave for each subject, when all is quiet.

    Other servers are asked what our first one is; the rest of ours something new.
    """
    shared: list[list[Messages]] | None = None
    found = {}
    for subject in subjects:
        talks = shared
        if talks is None or subject.engine == OURS:
            talks = [prompts.take(rounds) for _ in range(count)]
        shared = shared or talks
        wait_until_quiet()
        found[subject.name] = load.run(subject.url, subject.scripts(talks, 8 if warm_up else NEW_TOKENS))
    return found


def failures(waves: Sequence[Wave]) -> list[str]:
    """The first few things that went wrong."""
    return [error for wave in waves for error in wave.errors][:3]


def ratios(rows: Sequence[Row]) -> list[Row]:
    """Each of our figures over each other server's at the same number of streams, measured in the same run.

    Of throughput more is better for us, of time to first token less.
    """
    found = []
    for mine in rows:
        for theirs in rows:
            same = (mine["mode"], mine["streams"]) == (theirs["mode"], theirs["streams"])
            if mine["engine"] != OURS or theirs["engine"] == OURS or not same:
                continue
            if (mine["adapter"] == "none") != (theirs["adapter"] == "none"):
                continue
            found.append(
                {
                    "ours": mine["subject"],
                    "theirs": theirs["subject"],
                    "engine": theirs["engine"],
                    "adapter": mine["adapter"],
                    "mode": mine["mode"],
                    "streams": mine["streams"],
                    "tokens_per_s": measured(over(mine["tokens_per_s"], theirs["tokens_per_s"]), 3),
                    "first_median_s": measured(over(mine["first_median_s"], theirs["first_median_s"]), 3),
                }
            )
    return found
