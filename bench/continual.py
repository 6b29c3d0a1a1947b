"""A stream of refreshes: is each better, and nothing forgotten? Beside no tuning, naive tuning and joint training."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bench.domains import Row, batches
from bench.instance import instance
from bench.learn import SYSTEM, accuracy, correction
from bench.machine import describe_machine

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
        """40 % of the stream, so that sampling is what is measured."""
        return int(0.4 * self.refreshes * self.corrections)


SIZES: dict[Preset, Size] = {
    "quick": Size(2, 1, 125, 45),
    "standard": Size(5, 2, 250, 60),
    "full": Size(10, 1, 125, 60, seeds=3),
}


def run(data: Path, preset: Preset, say: Say = lambda line: None) -> dict[str, Any]:
    """Accuracies [after each refresh][batch] of every arm, and what follows from them.

    Each refresh brings corrections of new domains; the labels are not listed in the prompt, so that they are learned.
    Arms: `none`, the base model; `naive`, which tunes the last model on the new batch only; `apprentice`, the product's
    own command over HTTP, with a reservoir of 40 % of the stream; `joint`, one training on everything at the end.

    Raises: InvalidInput where the data is missing.
    """
    size = SIZES[preset]
    runs = [_one(data, size, seed, say) for seed in range(size.seeds)]
    return {"machine": describe_machine(), "preset": preset, "reservoir": size.reservoir, "runs": runs}


def _one(data: Path, size: Size, seed: int, say: Say) -> dict[str, Any]:
    stream = batches(data, size.refreshes, size.domains, size.corrections, size.asked, seed)
    with tempfile.TemporaryDirectory() as folder:
        apprentice = _apprentice(Path(folder), stream, size, say)
        others = _others(Path(folder) / "others", stream, seed, say)
    return {"seed": seed, "apprentice": apprentice, **others}


def summary(accuracies: Sequence[Sequence[float]]) -> dict[str, float]:
    """Average performance, backward transfer (Lopez-Paz and Ranzato 2017) and forgetting (Chaudhry et al. 2018).

    `accuracies` [refreshes][batches]: row t was measured after refresh t. Backward transfer is the mean over earlier
    batches of the last accuracy less the one right after their own refresh, forgetting of the best ever less the last.
    """
    last, earlier = accuracies[-1], range(len(accuracies) - 1)
    return {
        "average": sum(last) / len(last),
        "backward_transfer": sum(last[b] - accuracies[b][b] for b in earlier) / max(1, len(earlier)),
        "forgetting": sum(max(row[b] for row in accuracies[b:]) - last[b] for b in earlier) / max(1, len(earlier)),
    }


def _apprentice(folder: Path, stream: Sequence[tuple[list[Row], list[Row]]], size: Size, say: Say) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    accuracies, costs, outcomes = [], [], []
    settings = {
        "APPRENTICE_REFRESH_MIN_ITEMS": "100000",
        "APPRENTICE_RESERVOIR_MAX_ITEMS": str(max(100, size.reservoir)),
    }
    with instance(folder, **settings) as running:
        for number, (learn, _) in enumerate(stream):
            rows = folder / "rows.jsonl"
            rows.write_text("".join(json.dumps(correction(*row)) + "\n" for row in learn))
            running.command("feedback", "import", str(rows))
            began = time.monotonic()
            said = running.command("refresh", "--now").strip().splitlines()
            costs.append(round(time.monotonic() - began, 1))
            outcomes.append(said[-1])
            running.wait("serving follows", lambda: running.live() is not None, 60)
            accuracies.append([accuracy(running, ask) for _, ask in stream])
            say(f"apprentice, refresh {number + 1}: {_shown(accuracies[-1])} in {costs[-1]:.0f} s; {said[-1]}")
        with_retrieval = [accuracy(running, ask, retrieval=True) for _, ask in stream]
    return {
        "accuracies": accuracies,
        **summary(accuracies),
        "with_retrieval": sum(with_retrieval) / len(with_retrieval),
        "refresh_s": costs,
        "outcomes": outcomes,
    }


def _others(folder: Path, stream: Sequence[tuple[list[Row], list[Row]]], seed: int, say: Say) -> dict[str, Any]:
    from adapters.base import prepare_base

    base = prepare_base(None, folder)
    every = [row for learn, _ in stream for row in learn]
    none = _accuracies(base, None, stream, folder)
    say(f"none: {_shown(none)}")
    joint = _accuracies(base, _tuned(base, every, folder / "joint", seed), stream, folder)
    say(f"joint: {_shown(joint)}")
    naive, at = [], base
    for number, (learn, _) in enumerate(stream):
        at = _merged(at, _tuned(at, learn, folder / f"naive-{number}", seed), folder / f"model-{number}", folder)
        naive.append(_accuracies(at, None, stream, folder))
        say(f"naive, refresh {number + 1}: {_shown(naive[-1])}")
    return {
        "none": sum(none) / len(none),
        "joint": sum(joint) / len(joint),
        "naive": {"accuracies": naive, **summary(naive)},
    }


def items_of(base: Any, rows: Sequence[Row]) -> list[Any]:
    """Messages with their labels as items to answer, or, as examples, to learn."""
    from adapters.base import load_tokenizer
    from core.prompt import Renderer
    from core.records import Message
    from training.examples import EvaluationItem

    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, 1536)
    found = []
    for number, (text, label) in enumerate(rows):
        prompt = renderer.render([Message("system", SYSTEM), Message("user", text)])
        found.append(EvaluationItem(str(number), prompt.ids, tuple(renderer.reply_ids(label)), label))
    return found


def _tuned(base: Any, rows: Sequence[Row], draft: Path, seed: int) -> Path:
    """An adapter on nothing but these rows, tuned as the product does."""
    from adapters.numerics import training_dtype
    from core.settings import Settings
    from training.checkpoints import Checkpoints
    from training.examples import as_examples
    from training.journal import Journal
    from training.train import Hyperparameters, Material, Means, train

    folder = draft.parent
    device, dtype = training_dtype("cpu", folder)
    how = replace(Hyperparameters(), seed=seed)
    with Journal(folder, draft.name, Settings(data_dir=folder), resumes=False) as journal:
        means = Means(device, dtype, draft, Checkpoints(folder, draft.name), journal)
        train(base.folder, Material(as_examples(items_of(base, rows))), how, means, lambda stage, done, total: None)
    return draft


def _merged(base: Any, adapter: Path, target: Path, folder: Path) -> Any:
    """The base model with an adapter in its weights, as a base of its own."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from adapters.base import prepare_base

    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)
    PeftModel.from_pretrained(model, adapter).merge_and_unload().to(torch.bfloat16).save_pretrained(target)
    AutoTokenizer.from_pretrained(base.folder).save_pretrained(target)
    return prepare_base(str(target), folder)


def _accuracies(
    base: Any, adapter: Path | None, stream: Sequence[tuple[list[Row], list[Row]]], folder: Path
) -> list[float]:
    """Exact matches of a model's answers, batch by batch, by the engine that serves."""
    from core.records import BASE
    from core.settings import Settings
    from workers.judging import open_judge

    version = BASE if adapter is None else "tuned"
    asked = [items_of(base, ask) for _, ask in stream]
    settings = Settings(data_dir=folder, streams=16)

    async def answered() -> list[list[Any]]:
        folders = {version: adapter} if adapter else {}
        async with open_judge(settings, base, folders, sum(map(len, asked))) as judging:
            return [await asyncio.to_thread(judging.generate, version, items) for items in asked]

    return [
        sum(answer.text.strip() == item.reference for answer, item in zip(answers, items, strict=True)) / len(items)
        for answers, items in zip(asyncio.run(answered()), asked, strict=True)
    ]


def _shown(accuracies: Sequence[float]) -> str:
    return " ".join(f"{accuracy:.0%}" for accuracy in accuracies)
