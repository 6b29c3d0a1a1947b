"""A question to serving and what comes back: it begins, pieces of it, and how it ended."""

import time
from dataclasses import dataclass, field, replace

from core.records import Choice, Citation, Message, Observation, Origin, Passage, Turn, TurnStatus
from serving.engine import Sampling, TokenLogprob


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks: a conversation that ends in a user's message, and how to answer it.

    `kind` is a kind of task, `labels` are those to choose from, where the kind does not know any itself.
    """

    messages: tuple[Message, ...]
    model: str = "apprentice"
    kind: str = "chat"
    labels: tuple[str, ...] = ()
    chat: str | None = None
    author: str | None = None
    topic: str | None = None
    parent: str | None = None
    regenerates: str | None = None
    beside: str | None = None
    """A turn whose question is answered once more: what the record has of it stands in for what the client sent."""
    system: str | None = None
    """The system text where the messages have none; None: the installation's."""
    passages: tuple[Passage, ...] | None = None
    """What it may rest on; None: what is found."""
    retrieval: bool = True
    record: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    schema: str | None = None
    best_of: int | None = None
    """How many replies are sampled, of which the surest is said; None: as the installation has it."""
    attempt: tuple[Message, ...] = ()
    """An answer that failed, and what is said of it: the model reads them, and the record has them at that answer."""


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins. `turn_id` is None where the turn could not be stored, or was not to be.

    A second attempt begins too, and takes the place of the first.
    """

    turn_id: str | None
    adapter: str
    prompt_tokens: int
    prompt_identity: str = ""
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of the reply, with its tokens' log-probabilities where they were asked for.

    What was checked against passages is no longer the model's tokens, and has none.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    failed: Observation | None = None
    """What came of the attempt before, where the text says just that, in English."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete; `text` is all of it. `turn_id` is None where the turn could not be stored after all.

    `confidence` is the chance that it works, where the model's own words are shown and the version has a head;
    `observation` is what came of it, where its kind can tell; `choices` are what it was chosen from.
    """

    turn_id: str | None
    text: str
    finish_reason: str
    origin: Origin
    citations: tuple[Citation, ...]
    reply_tokens: int
    first_token_ms: int | None = None
    total_ms: int = 0
    confidence: float | None = None
    observation: Observation | None = None
    choices: tuple[Choice, ...] = ()
    repair: str | None = None
    """What the model is to be told of an answer that failed, for another attempt; None: this one stands."""


@dataclass(slots=True)
class Reply:
    """What has been said so far."""

    shown: str = ""
    generated: str = ""
    tokens: int = 0
    finish_reason: str = "stop"
    origin: Origin = "model"
    citations: tuple[Citation, ...] = ()
    choices: tuple[Choice, ...] = ()
    confidence: float | None = None
    first_token_ms: int | None = None
    started: float = field(default_factory=time.monotonic)

    def elapsed_ms(self) -> int:
        return int(1000 * (time.monotonic() - self.started))

    def of(self, turn: Turn, status: TurnStatus) -> Turn:
        """A turn with what was said in it."""
        return replace(
            turn,
            reply=self.shown,
            generated=self.generated if self.generated.strip() != self.shown.strip() else None,
            origin=self.origin,
            citations=self.citations,
            choices=self.choices,
            status=status,
            first_token_ms=self.first_token_ms,
            total_ms=self.elapsed_ms(),
            reply_tokens=self.tokens,
            cut=self.finish_reason == "length",
            confidence=self.confidence,
        )
