"""Routing and classification: the likeliest of the known labels, which feedback adds to."""

from collections.abc import Sequence
from dataclasses import replace

from kinds.kind import UNSURE, Kind, Task


class Label(Kind):
    """The answer is one of the task's labels; people's feedback is the outcome."""

    name = "label"
    measure = "share of right labels"
    alone = True
    learns_labels = True

    def ending(self, task: Task) -> str:
        """The labels, where any are known."""
        return f"Answer with one of these labels and nothing else: {', '.join(task.labels)}." if task.labels else ""

    def schema(self, task: Task) -> str | None:
        """None: a label is no JSON."""
        return None

    def choices(self, task: Task) -> Sequence[str]:
        """The labels."""
        return task.labels

    def score(self, reply: str, reference: str) -> float:
        """1 for the same label, whatever its case, else 0."""
        return float(_plain(reply) == _plain(reference))

    def taught(self, task: Task, reply: str) -> Task:
        """The task with the label that was approved among those that are known."""
        known = [*task.labels]
        if reply in known or reply == UNSURE:
            return task
        return replace(task, labels=sorted([*known, reply]) if known == sorted(known) else [*known, reply])


def _plain(label: str) -> str:
    return " ".join(label.casefold().split())
