"""What a kind of task declares; serving and training execute it."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from core.prompt import Prompt, Renderer
from core.records import Message, Passage, Turn

UNSURE = "unsure"
"""What is answered where no choice is likely enough."""
Loss = Literal["binary cross-entropy", "mean squared error"]


@dataclass(frozen=True, slots=True)
class Task:
    """What an instruction asks for: its text, and what its kind was given with it.

    `labels` are those that are known, `schema` is a JSON schema as JSON, `sources` are what the reply may rest on, in
    the order of their marks [1], [2], ... `shown` is what the person sees of the reply, with those marks; None where no
    one was shown anything.
    """

    instruction: str
    labels: Sequence[str] = ()
    schema: str | None = None
    sources: Sequence[str] = ()
    shown: str | None = None
    may_run: bool = False
    """Whether programs may be run for whoever asked."""
    stop: threading.Event | None = field(default=None, compare=False)
    """Set when nobody waits any more for what is found."""

    @classmethod
    def of(cls, turn: Turn) -> "Task":
        """The task that a turn carried out, as the record tells of it."""
        sources = tuple(passage.text for passage in turn.passages)
        return cls(turn.messages[-1].content, turn.labels, turn.schema, sources, turn.reply or None)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of carrying out a reply: `value` in [0, 1], the code of why, and what a person is told, in English.

    `values` are what the sentence of that code holds in other languages (the message `outcome-<code>` of the bot).
    """

    value: float
    why: str
    said: str = ""
    took_ms: int | None = None
    values: Mapping[str, str | int] = field(default_factory=dict)
    observed: bool = True
    """Whether it says something of the reply; False: the person is told, and nothing is recorded."""


class Kind(ABC):
    """One kind of task. `loss` is what the outcome head minimises over its findings."""

    name: str
    measure: str
    loss: Loss = "binary cross-entropy"
    whys: tuple[str, ...] = ()
    """The codes of its findings."""
    asked: bool = True
    """Whether a request may name it."""
    grounded: bool = False
    """Whether a reply rests on passages that are searched, and only what they support is shown of it."""
    alone: bool = False
    """Whether an instruction is carried out without the conversation before it."""
    runs: bool = False
    """Whether a check runs what the reply says: a few at a time, and only for whom that is on (`Task.may_run`)."""
    practised: bool = False
    """Whether its check alone says that an answer works, so that a version may learn from its own answers.

    Not where a check can be satisfied by an answer that is no good, such as an empty report or a copied summary.
    """
    learns_labels: bool = False
    """Whether the labels of a request that names none are those that were approved as answers of this kind."""
    max_tokens: int | None = None
    """How long a reply may be, where a request does not say so and the installation's limit is not meant."""

    @property
    def memory(self) -> str:
        """Kinds of one memory: what is approved as the answer of one is said word for word for another."""
        return self.name

    def ending(self, task: Task) -> str:
        """What is written below the instruction, so that the reply takes the form that is checked; empty: nothing.

        It depends on what the record keeps as it was: instruction, labels and schema.
        """
        return ""

    def schema(self, task: Task) -> str | None:
        """The JSON schema, as JSON, that constrains the reply; None where it is free."""
        return task.schema

    def choices(self, task: Task) -> Sequence[str] | None:
        """The replies of which the likeliest is the answer; None where the reply is written word by word."""
        return None

    def choice_ids(self, renderer: Renderer, task: Task) -> tuple[tuple[int, ...], ...]:
        """The token ids of the replies to choose from, each with its end."""
        return tuple(tuple(renderer.reply_ids(choice)) for choice in self.choices(task) or ())

    def check(self, task: Task, reply: str) -> Finding | None:
        """What comes of carrying out a reply; None where that cannot be observed, and people's feedback is the outcome.

        May take seconds: call it beside an event loop.
        """
        return None

    def repair(self, finding: Finding) -> str | None:
        """What the model is told of an attempt, so that it tries once more; None: that attempt stands."""
        return None

    @abstractmethod
    def score(self, reply: str, reference: str) -> float:
        """How well a reply matches its reference, in [0, 1]."""

    def grade(self, task: Task, reply: str, reference: str) -> float:
        """How good a reply is to a frozen prompt, in [0, 1]: what a check finds, and how well it matches a reference.

        The mean of both, where there are both.
        """
        finding = self.check(replace(task, shown=None), reply)
        if finding is None:
            return self.score(reply, reference)
        return (finding.value + self.score(reply, reference)) / 2 if reference else finding.value

    def taught(self, task: Task, reply: str) -> Task:
        """The task as it is learned together with an approved reply."""
        return task

    def heard(self, messages: Sequence[Message]) -> Sequence[Message]:
        """What of a conversation is read: all of it, or the system text and the last message."""
        return [m for m in messages[:-1] if m.role == "system"] + [messages[-1]] if self.alone else messages

    def render(
        self, renderer: Renderer, messages: Sequence[Message], passages: Sequence[Passage], task: Task
    ) -> Prompt:
        """The prompt of a task of this kind, the same wherever it is asked.

        Raises: PromptTooLong, InvalidInput.
        """
        return renderer.render(self.heard(messages), passages, self.ending(task))
