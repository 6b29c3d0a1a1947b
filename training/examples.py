"""What training and the gate see: examples, frozen items, and the general ones that ship with the package."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from core.prompt import Renderer
from core.records import Message
from kinds.kind import Task

Objective = Literal["sft", "pair", "desirable", "undesirable"]


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: loss on replies only. `source` is the turn, empty for a general one.

    A `pair` has a reply that is preferred to `rejected_ids`; what each objective means is in `training.objectives`.
    `kind` and `task` are what the turn was asked for.
    """

    prompt_ids: tuple[int, ...]
    reply_ids: tuple[int, ...]
    source: str
    author: str = ""
    weight: float = 1.0
    objective: Objective = "sft"
    rejected_ids: tuple[int, ...] = ()
    kind: str = "chat"
    task: Task = Task("")


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """One frozen prompt that no version was ever trained on, with the approved answer.

    Of thumbs and documents it is the log-likelihood of `reply_ids` that counts, with `sign` -1 where they are disliked.
    """

    id: str
    prompt_ids: tuple[int, ...]
    reply_ids: tuple[int, ...]
    reference: str
    kind: str = "chat"
    slice: str = "new"
    sign: int = 1
    task: Task = Task("")
    choices: tuple[tuple[int, ...], ...] = ()
    """Token ids of the replies to choose from, where its kind chooses."""


def general_slice(name: str, renderer: Renderer, system_prompt: str) -> list[EvaluationItem]:
    """A general slice that ships with the package: `general_train` to learn from, `general_gate` to be judged on."""
    lines = files("training").joinpath("slices", f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for number, line in enumerate(lines):
        row = json.loads(line)
        prompt = renderer.render([Message("system", system_prompt), Message("user", row["prompt"])])
        reply = tuple(renderer.reply_ids(row["completion"]))
        found.append(EvaluationItem(f"{name}:{number}", prompt.ids, reply, row["completion"]))
    return found


def as_examples(items: Sequence[EvaluationItem]) -> list[Example]:
    """General items as examples to learn from."""
    return [Example(item.prompt_ids, item.reply_ids, source="") for item in items]
