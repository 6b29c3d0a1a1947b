"""A stream of refreshes: is each better, and nothing forgotten? Beside no tuning, naive tuning and joint training."""

import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from adapters.base import prepare_base
from bench.arms import OTHERS, Course, measured, shown, summary
from bench.domains import Batch, batches
from bench.figures import Bar
from bench.instance import instance
from bench.learn import accuracy, correction
from bench.machine import describe_machine
from core.records import BASE
from training.statistics import mean_difference

Preset = Literal["quick", "standard", "full"]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """Refreshes, the domains and corrections of each, messages asked of each, and how often all is repeated."""

    refreshes: int
    domains: int
    corrections: int
    asked: int
    seeds: int = 1

    @property
    def reservoir(self) -> int:
        """What a pass may read: 40 % of the stream, so that sampling is what is measured."""
        return int(0.4 * self.refreshes * self.corrections)


REFRESH_S = 6 * 3600
"""Longest training of a refresh: other work on the machine changes the times, and not what is learned."""

SIZES: dict[Preset, Size] = {
    "quick": Size(2, 1, 125, 45),
    "standard": Size(5, 2, 150, 90),
    "full": Size(10, 1, 125, 60, seeds=3),
}


def run(data: Path, preset: Preset, file: Path | None = None, say: Say = lambda line: None) -> dict[str, Any]:
    """Accuracies [after each refresh][batch] of every arm, and what follows from them.

    Each refresh brings corrections of new domains; the labels are not listed in the prompt, so that they are learned.
    Arms: `none`, the base model; `naive`, which tunes the last model on the new batch only; `apprentice`, the product's
    own command over HTTP, with a reservoir of 40 % of the stream; `joint`, one training on everything at the end, which
    has no share of the stream aside to be judged on; and `joint less a fifth`, which has.
    What is done is written to `file` after each arm of each seed, and arms that stand there are not done again. Of an
    arm that was interrupted the product's refreshes are kept as well, in a folder beside the file.

    Raises: InvalidInput where the data is missing.
    """
    size = SIZES[preset]
    runs = _done_before(file, preset) if file else []
    runs += [{"seed": seed} for seed in range(len(runs), size.seeds)]
    about = {"machine": describe_machine(), "preset": preset, "reservoir": size.reservoir}
    for one in runs:
        for arm in [arm for arm in ARMS if arm not in one]:
            stream = batches(data, size.refreshes, size.domains, size.corrections, size.asked, one["seed"])
            with _folder(file, f"{one['seed']}-{arm}") as folder:
                one[arm] = ARMS[arm](folder, stream, size, one["seed"], say)
            if file:
                file.write_text(json.dumps(about | {"runs": runs} | conclusions(runs), indent=2), encoding="utf-8")
    return about | {"runs": runs} | conclusions(runs)


@contextmanager
def _folder(file: Path | None, name: str) -> Iterator[Path]:
    """Where an arm works: with a file, a folder that outlives an interruption of it."""
    if file is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    folder = file.absolute().with_suffix(".parts") / name
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def _done_before(file: Path, preset: Preset) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    known = json.loads(file.read_text(encoding="utf-8"))
    return known["runs"] if known.get("preset") == preset else []


def conclusions(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds that are complete beside the bars, from two on with Student's 95 % intervals of paired
    differences.

    The backward transfer to joint is what joint training at the end makes of what each refresh had reached: a part of
    it is that there are more labels to choose from than there were then.
    """
    runs = [one for one in runs if all(arm in one for arm in ARMS)]
    if not runs:
        return {}
    ours = [one["apprentice"] for one in runs]
    found = {
        "of joint": [mine["average"] / one["joint"]["average"] for mine, one in zip(ours, runs, strict=True)],
        "of joint less a fifth": [
            mine["average"] / one["joint less a fifth"]["average"] for mine, one in zip(ours, runs, strict=True)
        ],
        "backward transfer": [mine["backward_transfer"] for mine in ours],
        "general perplexity over base": [
            math.exp(one["none"]["general"] - mine["general"]) for mine, one in zip(ours, runs, strict=True)
        ],
        "gain of retrieval": [mine["with_retrieval"] - mine["average"] for mine in ours],
    }
    least = {"of joint": 0.95, "backward transfer": -0.02, "gain of retrieval": 0.0}
    most = {"general perplexity over base": 1.02}
    means = {name: sum(values) / len(values) for name, values in found.items()}
    return {
        "bars": [Bar(name, mean, least.get(name), most.get(name)).as_dict() for name, mean in means.items()],
        "intervals": {
            name: [round(end, 4) for end in mean_difference([0.0] * len(values), values)]
            for name, values in found.items()
            if len(values) > 1
        },
        "backward_transfer_to_joint": [
            summary([*mine["accuracies"][:-1], one["joint"]["accuracies"]])["backward_transfer"]
            for mine, one in zip(ours, runs, strict=True)
        ],
    }


def _apprentice(folder: Path, stream: Sequence[Batch], size: Size, seed: int, say: Say) -> dict[str, Any]:
    settings = {
        "APPRENTICE_REFRESH_MIN_ITEMS": "100000",
        "APPRENTICE_RESERVOIR_MAX_ITEMS": str(max(100, size.reservoir)),
        "APPRENTICE_TRAIN_MAX_S": str(REFRESH_S),
    }
    notes = folder / "refreshes.json"
    done = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else []
    with instance(folder, **settings) as running:
        for number, (learn, _) in enumerate(stream[len(done) :], len(done)):
            rows = folder / f"rows-{number}.jsonl"
            if not rows.is_file():
                written = rows.with_suffix(".new")
                written.write_text("".join(json.dumps(correction(*row)) + "\n" for row in learn), encoding="utf-8")
                running.command("feedback", "import", str(written))
                written.rename(rows)
            began = time.monotonic()
            said = running.command("refresh", "--now", timeout_s=2 * REFRESH_S).strip().splitlines()[-1]
            cost = round(time.monotonic() - began, 1)
            (newest, *_) = json.loads(running.command("adapters", "list", "--json"))
            manifest = json.loads(running.command("adapters", "show", newest["id"], "--json"))["manifest"]
            training = manifest["hyperparameters"] | {"items": len(manifest["sources"])}
            running.wait("serving follows", lambda: running.live() is not None, 60)
            found = [accuracy(running, ask) for _, ask in stream]
            say(f"apprentice, refresh {number + 1}: {shown(found)} in {cost:.0f} s; {said}")
            done.append({"accuracies": found, "refresh_s": cost, "outcomes": said, "trainings": training})
            notes.write_text(json.dumps(done), encoding="utf-8")
        with_retrieval = [accuracy(running, ask, retrieval=True) for _, ask in stream]
        live = running.live()
    base = prepare_base(None, folder)
    _, general = measured(base, None if live == BASE else folder / "adapters" / live, [], folder)
    told = {name: [each[name] for each in done] for name in ("accuracies", "refresh_s", "outcomes", "trainings")}
    return (
        told
        | summary(told["accuracies"])
        | {
            "general": general,
            "with_retrieval": sum(with_retrieval) / len(with_retrieval),
        }
    )


def _other(arm: str) -> Callable[[Path, Sequence[Batch], Size, int, Say], dict[str, Any]]:
    return lambda folder, stream, size, seed, say: OTHERS[arm](
        Course(prepare_base(None, folder), stream, folder, seed, say)
    )


ARMS = {arm: _other(arm) for arm in OTHERS} | {"apprentice": _apprentice}
