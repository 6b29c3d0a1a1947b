"""What the product is compared with: no tuning, tuning of the last model on what is new, and joint training."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters.base import Base, prepare_base, renderer_of
from adapters.numerics import training_dtype
from bench.domains import Batch, Row, batches
from bench.learn import SYSTEM
from core.prompt import Renderer
from core.records import BASE, GateReport, Message
from core.settings import Settings
from training.checkpoints import Checkpoints
from training.examples import EvaluationItem, as_examples, general_slice
from training.gate import judge
from training.hyperparameters import Hyperparameters
from training.journal import Journal
from training.material import Material, Means
from training.train import train
from workers.judging import open_judge

PROMPT_TOKENS = 1536
LEARNED = 0.8
"""The share of what is approved that a refresh learns from; the gate judges by the rest."""


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


def shown(accuracies: Sequence[float]) -> str:
    """Accuracies for a line of progress."""
    return " ".join(f"{accuracy:.0%}" for accuracy in accuracies)


@dataclass(frozen=True, slots=True)
class Course:
    """A stream that the other arms go through: the base model, a folder to work in, and who hears how far they are."""

    base: Base
    stream: Sequence[Batch]
    folder: Path
    seed: int
    say: Callable[[str], None]

    def joint(self, share: float, name: str) -> dict[str, Any]:
        """One training at the end on a share of each batch."""
        lots = random.Random(self.seed)
        rows = [row for learn, _ in self.stream for row in lots.sample(learn, round(share * len(learn)))]
        accuracies, general = measured(
            self.base, tuned(self.base, rows, self.folder / name, self.seed), self.stream, self.folder
        )
        return self._said(name, {"average": sum(accuracies) / len(accuracies), "accuracies": accuracies}, general)

    def none(self) -> dict[str, Any]:
        """The base model."""
        accuracies, general = measured(self.base, None, self.stream, self.folder)
        return self._said("none", {"average": sum(accuracies) / len(accuracies), "accuracies": accuracies}, general)

    def naive(self) -> dict[str, Any]:
        """Each batch alone tunes the model that the batch before has left."""
        found, at, general = [], self.base, 0.0
        for number, (learn, _) in enumerate(self.stream):
            draft = tuned(at, learn, self.folder / f"naive-{number}", self.seed)
            at = _merged(at, draft, self.folder / f"model-{number}", self.folder)
            accuracies, general = measured(at, None, self.stream, self.folder)
            found.append(accuracies)
            self.say(f"naive, refresh {number + 1}: {shown(accuracies)}")
        return {"accuracies": found, **summary(found), "general": general}

    def _said(self, name: str, found: dict[str, Any], general: float) -> dict[str, Any]:
        self.say(f"{name}: {shown(found['accuracies'])}")
        return found | {"general": general}


OTHERS: dict[str, Callable[[Course], dict[str, Any]]] = {
    "none": Course.none,
    "joint": lambda course: course.joint(1.0, "joint"),
    "joint less a fifth": lambda course: course.joint(LEARNED, "joint less a fifth"),
    "naive": Course.naive,
}
"""The other arms by their names: accuracies of each batch, their average, and the log-likelihood of the general slice.

`joint` learns everything; `joint less a fifth` has as much of it to learn from as the product, whose gate keeps the
rest aside.
"""


def items_of(base: Base, rows: Sequence[Row]) -> list[EvaluationItem]:
    """Messages with their labels as items to answer, or, as examples, to learn."""
    renderer = _renderer(base)
    found = []
    for number, (text, label) in enumerate(rows):
        prompt = renderer.render([Message("system", SYSTEM), Message("user", text)])
        found.append(EvaluationItem(str(number), prompt.ids, tuple(renderer.reply_ids(label)), label))
    return found


def tuned(base: Base, rows: Sequence[Row], draft: Path, seed: int) -> Path:
    """An adapter on nothing but these rows, tuned as the product does, in the folder `draft`."""
    folder = draft.parent
    device, dtype = training_dtype("cpu", folder)
    how = replace(Hyperparameters(), seed=seed)
    with Journal(folder, draft.name, Settings(data_dir=folder), resumes=False) as journal:
        means = Means(device, dtype, draft, Checkpoints(folder, draft.name), journal)
        train(base.folder, Material(as_examples(items_of(base, rows))), how, means, lambda stage, done, total: None)
    return draft


def measured(base: Base, adapter: Path | None, stream: Sequence[Batch], folder: Path) -> tuple[list[float], float]:
    """Exact matches of a model's answers, batch by batch, by the engine that serves; and the mean log-likelihood of the
    general slice's answers (nats a token)."""
    version = BASE if adapter is None else "measured"
    asked = [items_of(base, ask) for _, ask in stream]
    settings = Settings(data_dir=folder, streams=16)
    general = general_slice("general_gate", _renderer(base), settings.system_prompt)

    async def ask() -> tuple[list[list[Any]], list[float]]:
        folders = {version: adapter} if adapter else {}
        async with open_judge(settings, base, folders, sum(map(len, asked)) + len(general)) as judging:
            answers = [await asyncio.to_thread(judging.generate, version, items) for items in asked]
            return answers, await asyncio.to_thread(judging.score, version, general)

    answers, likelihoods = asyncio.run(ask())
    right = [
        sum(answer.text.strip() == item.reference for answer, item in zip(given, items, strict=True)) / len(items)
        for given, items in zip(answers, asked, strict=True)
    ]
    return right, sum(likelihoods) / len(likelihoods)


def _renderer(base: Base) -> Renderer:
    return renderer_of(base, PROMPT_TOKENS)


def _merged(base: Base, adapter: Path, target: Path, folder: Path) -> Base:
    """The base model with an adapter in its weights, as a base of its own."""
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)
    PeftModel.from_pretrained(model, adapter).merge_and_unload().to(torch.bfloat16).save_pretrained(target)
    AutoTokenizer.from_pretrained(base.folder).save_pretrained(target)
    return prepare_base(str(target), folder)


def equal_pair(data: Path, folder: Path) -> GateReport:
    """Two adapters of one training that differ by their seeds, judged as a candidate and what is live.

    They learn one message of each of 60 intents and are asked 240 others, so that each is often wrong, and not at the
    same.

    Raises: InvalidInput where the data is missing.
    """
    ((learn, ask),) = batches(data, 1, 4, 60, 240, 0)
    base = prepare_base(None, folder)
    folders = {name: tuned(base, learn, folder / name, seed) for seed, name in enumerate(("one", "other"))}
    settings = Settings(data_dir=folder, streams=16)
    general = general_slice("general_gate", _renderer(base), settings.system_prompt)

    async def judged() -> GateReport:
        async with open_judge(settings, base, folders, len(ask)) as judging:
            return await asyncio.to_thread(
                judge, "other", "one", items_of(base, ask), general, judging.generate, judging.score
            )

    return asyncio.run(judged())
