"""Does the outcome head know? Routing labels right and wrong, one training, and how sure it is on unseen messages."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles
from typing import Any

from adapters.base import Base, prepare_base
from adapters.manifest import HEAD
from adapters.numerics import training_dtype
from bench.arms import items_of
from bench.figures import Bar
from bench.learn import routing_rows
from bench.machine import describe_machine
from bench.outcomes_joint import tune_jointly
from core.settings import Settings
from serving.engine import GenerationRequest, Sampling
from serving.engines import make_engine
from training.calibration import auc, calibration_error, interval
from training.checkpoints import Checkpoints
from training.examples import EvaluationItem, Example, Outcome, as_examples
from training.hyperparameters import Hyperparameters
from training.journal import Journal
from training.material import Material, Means, Trained
from training.statistics import sign_test, tally
from training.train import train

EPOCHS = {"first": 5, "second": 3}
BEGIN, ASKED, UNSEEN = 60, 165, 150
"""Messages that a first version learns from, that it then answers, and that the second version is asked."""
FROZEN = 5
"""One answer in so many is kept from training, as in a refresh."""
CANDIDATES, TEMPERATURE, TOKENS = 4, 0.9, 32
ROUNDS, STREAMS, SPOKEN = 15, 8, 32
"""Rounds in which the same adapter with a head and without one speak in turn, and how much they say in each."""
LEVEL = 0.05
THRESHOLDS = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
LEAST_AUC, MOST_ERROR, LEAST_SPEED = 0.9, 0.1, 0.97
Say = Callable[[str], None]
Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """A sampled answer: whether it is exactly the label, and how sure its version is of it."""

    text: str
    right: bool
    confidence: float | None


def run(data: Path, say: Say = lambda line: None) -> dict[str, Any]:
    """AUC and calibration error of the confidence in unseen answers, and what the best of four gains.

    A version that knows little answers messages to a bank's desk (Banking77, 15 intents) at a temperature; right
    answers are approved, wrong ones corrected. The second version is tuned on all of it, its head on the outcomes, as
    a refresh does. It answers unseen messages four times each, by the engine that serves. Intervals are bootstrapped
    over messages. The best of four against the first of them is tested by the exact one-sided sign test on the messages
    of which one is right and the other wrong (McNemar's). The same adapter speaks in turn with its head and without.
    Last, an adapter that the head's loss flows into answers the same messages.

    Raises: InvalidInput where the data is missing.
    """
    train_rows, test_rows = routing_rows(data, BEGIN + ASKED, UNSEEN)
    first, asked = train_rows[:BEGIN], train_rows[BEGIN:]
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        base = prepare_base(None, folder)
        beginner = as_examples(items_of(base, first))
        _tuned(base, Material(beginner), folder / "first")
        told = [each for (each,) in _answers(base, folder, folder / "first", asked, 1)]
        say(f"the first version gets {sum(each.right for each in told)} of {len(told)} right")
        learned, outcomes = _feedback(base, asked, told)
        frozen = outcomes[::FROZEN]
        kept = [n for n in range(len(asked)) if n % FROZEN]
        examples, outcomes = [*beginner, *(learned[n] for n in kept)], [outcomes[n] for n in kept]
        material = Material(examples, outcomes=outcomes, frozen_outcomes=frozen)
        head = _tuned(base, material, folder / "second").head
        found = _asked(base, folder, "second", test_rows, say)
        speeds = _speeds(base, folder, folder / "second", test_rows)
        say(f"tokens a second with the head, as a share of those without: {speeds}")
        tune_jointly(base, examples, outcomes, replace(Hyperparameters(), epochs=EPOCHS["second"]), folder / "joint")
        joint = _asked(base, folder, "joint", test_rows, say)
    bars = [
        Bar("AUC of confidence in unseen answers", found["auc"], least=LEAST_AUC),
        Bar("calibration error of the same", found["calibration_error"], most=MOST_ERROR),
        Bar("p of the best of four against one", found["p"], most=LEVEL),
        Bar("tokens a second, with head / without", speeds["median"], least=LEAST_SPEED),
    ]
    return {
        "machine": describe_machine(),
        "learned_from": {"worked": head.good if head else 0, "did_not": head.bad if head else 0},
        **found,
        "speed_with_head": speeds,
        "trained_jointly": joint,
        "bars": [bar.as_dict() for bar in bars],
    }


def _asked(base: Base, folder: Path, name: str, rows: Sequence[Row], say: Say) -> dict[str, Any]:
    """The figures of a version's answers to unseen messages."""
    answers = _answers(base, folder, folder / name, rows, CANDIDATES)
    greedy = [each for (each,) in _answers(base, folder, folder / name, rows, 1, 0.0)]
    found = _figures(answers, greedy)
    say(
        f"{name}: AUC {found['auc']:.3f}, calibration error {found['calibration_error']:.3f}; one of {CANDIDATES} "
        f"{found['one_right']:.1%}, the best {found['best_right']:.1%} (p = {found['p']:.2g}), greedy "
        f"{found['greedy_right']:.1%}"
    )
    return found


def _tuned(base: Base, material: Material, draft: Path) -> Trained:
    folder = draft.parent
    device, dtype = training_dtype("cpu", folder)
    with Journal(folder, draft.name, Settings(data_dir=folder), resumes=False) as journal:
        means = Means(device, dtype, draft, Checkpoints(folder, draft.name), journal)
        how = replace(Hyperparameters(), epochs=EPOCHS[draft.name])
        return train(base.folder, material, how, means, lambda stage, done, total: None)


def _feedback(base: Base, rows: Sequence[Row], told: Sequence[Said]) -> tuple[list[Example], list[Outcome]]:
    """What is learned of each answer: itself where it is right, else the label rather than it; and what came of it."""
    items = items_of(base, [(text, said.text) for (text, _), said in zip(rows, told, strict=True)])
    examples, outcomes = [], []
    for item, right, said in zip(items, items_of(base, rows), told, strict=True):
        outcomes.append(Outcome(item.prompt_ids, item.reply_ids, item.id, "", float(said.right)))
        examples.append(
            Example(item.prompt_ids, item.reply_ids, item.id)
            if said.right
            else Example(item.prompt_ids, right.reply_ids, item.id, objective="pair", rejected_ids=item.reply_ids)
        )
    return examples, outcomes


def _answers(
    base: Base, folder: Path, adapter: Path, rows: Sequence[Row], count: int, temperature: float = TEMPERATURE
) -> list[tuple[Said, ...]]:
    """`count` answers of a version to each message, by the engine that serves."""
    items = items_of(base, rows)
    settings = Settings(data_dir=folder, streams=16)

    async def ask() -> list[tuple[Said, ...]]:
        engine = make_engine(settings, base, len(rows) * count, "")
        await engine.start()
        try:
            await engine.install("asked", adapter)

            async def one(number: int, item: EvaluationItem, n: int) -> Said:
                sampling = Sampling(temperature=temperature, seed=1000 * n + number)
                text, confidence = "", None
                async for delta in engine.generate(GenerationRequest(item.prompt_ids, "asked", TOKENS, sampling)):
                    text += delta.text
                    confidence = delta.confidence
                return Said(text.strip(), text.strip() == item.reference, confidence)

            flat = await asyncio.gather(
                *(one(number, item, n) for number, item in enumerate(items) for n in range(count))
            )
        finally:
            await engine.close()
        return [tuple(flat[at : at + count]) for at in range(0, len(flat), count)]

    return asyncio.run(ask())


def _speeds(base: Base, folder: Path, adapter: Path, rows: Sequence[Row]) -> dict[str, float]:
    """Tokens a second with the head, as a share of those without it: the median of rounds, and their quartiles."""
    bare = shutil.copytree(adapter, folder / "bare")
    (bare / HEAD).unlink()
    items = items_of(base, rows)[:STREAMS]

    async def ask() -> list[float]:
        engine = make_engine(Settings(data_dir=folder, streams=STREAMS), base, STREAMS, "")
        await engine.start()
        try:
            for version, where in (("bare", bare), ("headed", adapter)):
                await engine.install(version, where)

            async def wave(version: str) -> float:
                began = time.monotonic()
                await asyncio.gather(*(spoken(version, item) for item in items))
                return time.monotonic() - began

            async def spoken(version: str, item: EvaluationItem) -> None:
                request = GenerationRequest(item.prompt_ids, version, SPOKEN, ignore_eos=True)
                async for _ in engine.generate(request):
                    pass

            found = []
            for number in range(ROUNDS + 1):
                order = ("bare", "headed") if number % 2 else ("headed", "bare")
                took = {version: await wave(version) for version in order}
                found.append(took["bare"] / took["headed"])
            return found[1:]
        finally:
            await engine.close()

    low, middle, high = quantiles(asyncio.run(ask()), n=4)
    return {"median": round(middle, 3), "low": round(low, 3), "high": round(high, 3)}


def _figures(answers: Sequence[Sequence[Said]], greedy: Sequence[Said]) -> dict[str, Any]:
    flat = [(n, said) for n, those in enumerate(answers) for said in those]
    groups = [n for n, _ in flat]
    right = [float(said.right) for _, said in flat]
    chances = [said.confidence or 0.0 for _, said in flat]
    one = [float(those[0].right) for those in answers]
    best = [float(max(those, key=lambda said: said.confidence or 0.0).right) for those in answers]
    likeliest = [float(said.right) for said in greedy]
    won, lost = tally(one, best, 0.5)
    won_greedy, lost_greedy = tally(likeliest, best, 0.5)
    p = sign_test(won, lost)
    return {
        "asked": len(answers),
        "answers": len(flat),
        "auc": auc(right, chances),
        "auc_interval": interval(auc, right, chances, groups),
        "calibration_error": calibration_error(right, chances),
        "calibration_error_interval": interval(calibration_error, right, chances, groups),
        "mean_confidence": sum(chances) / len(chances),
        "below": {str(each): _below(each, right, chances) for each in THRESHOLDS},
        "one_right": sum(one) / len(one),
        "best_right": sum(best) / len(best),
        "any_right": sum(any(said.right for said in those) for those in answers) / len(answers),
        "greedy_right": sum(likeliest) / len(likeliest),
        "won": won,
        "lost": lost,
        "p": p,
        "significant": p <= LEVEL,
        "against_greedy": {"won": won_greedy, "lost": lost_greedy, "p": sign_test(won_greedy, lost_greedy)},
    }


def _below(threshold: float, right: Sequence[float], chances: Sequence[float]) -> dict[str, float | None]:
    """Of answers that are less sure than a threshold: their share of all, how many are right, and what share of all
    wrong answers they are."""
    told = [value for value, chance in zip(right, chances, strict=True) if chance < threshold]
    wrong = len(right) - sum(right)
    return {
        "share": len(told) / len(right),
        "right": sum(told) / len(told) if told else None,
        "of_the_wrong": (len(told) - sum(told)) / wrong if wrong else None,
    }
