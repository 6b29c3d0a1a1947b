"""The frozen prompts that ship with the package: general ones, and those that are checked by rule."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from core.prompt import Renderer
from core.records import Message
from kinds import KINDS
from training.examples import EvaluationItem, Example
from training.verdict import CHECKED

LEARNED = 8
"""How many of its own training prompts a candidate is asked again."""


@cache
def rows(name: str) -> tuple[dict, ...]:
    """The rows of a slice's file.

    Raises: FileNotFoundError where no such slice ships.
    """
    text = files("training").joinpath("slices", f"{name}.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


def shipped_row(item: str) -> dict | None:
    """The row of a shipped prompt by its id; None of what is no shipped prompt of this release."""
    name, _, number = item.partition(":")
    if name not in (*CHECKED, "general_gate") or int(number) >= len(rows(name)):
        return None
    return rows(name)[int(number)]


def checked_items(renderer: Renderer, system_prompt: str) -> list[EvaluationItem]:
    """The prompts of safety, refusals and format, to be answered; a rule takes the place of a reference."""
    found = []
    for name in CHECKED:
        for number, row in enumerate(rows(name)):
            prompt = renderer.render([Message("system", system_prompt), Message("user", row["prompt"])])
            rule = json.dumps(row["check"])
            found.append(EvaluationItem(f"{name}:{number}", prompt.ids, (), rule, kind="checked", slice=name))
    return found


def learned_items(train: Sequence[Example], renderer: Renderer) -> list[EvaluationItem]:
    """Some of the prompts that a candidate was trained on, with the replies that it should have learned.

    Thumbs say of no reply that it should have been learned.
    """
    return [
        EvaluationItem(
            example.source,
            example.prompt_ids,
            example.reply_ids,
            renderer.tokenizer.decode(example.reply_ids, skip_special_tokens=True),
            example.kind,
            task=example.task,
            choices=KINDS[example.kind].choice_ids(renderer, example.task),
        )
        for example in [e for e in train if e.objective in ("sft", "pair")][:LEARNED]
    ]
