"""What a kind of task declares; serving and training execute it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Loss = Literal["binary cross-entropy", "mean squared error"]


@dataclass(frozen=True, slots=True)
class Task:
    """What an instruction asks for: its text, and what its kind was given with it.

    `labels` are those that are known, `schema` is a JSON schema as JSON, `sources` are what the reply may rest on.
    """

    instruction: str
    labels: Sequence[str] = ()
    schema: str | None = None
    sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of carrying out a reply: `value` in [0, 1], the code of why, and what a person is told, in English."""

    value: float
    why: str
    said: str = ""
    took_ms: int | None = None


class Kind(ABC):
    """One kind of task. `loss` is what the outcome head minimises over its findings."""

    name: str
    measure: str
    loss: Loss = "binary cross-entropy"

    def ending(self, task: Task) -> str:
        """What is written below the instruction, so that the reply takes the form that is checked; empty: nothing."""
        return ""

    def schema(self, task: Task) -> str | None:
        """The JSON schema, as JSON, that constrains the reply; None where it is free."""
        return task.schema

    def check(self, task: Task, reply: str) -> Finding | None:
        """What comes of carrying out a reply; None where that cannot be observed, and people's feedback is the outcome.

        May take seconds: call it beside an event loop.
        """
        return None

    @abstractmethod
    def score(self, reply: str, reference: str) -> float:
        """How well a reply matches its reference, in [0, 1]."""
