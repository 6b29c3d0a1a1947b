"""The words on the wire: frozen dataclasses, stored as JSON, read by every later release.

Instants are UTC milliseconds. `author` and `chat` are pseudonyms (see `core.identity`), never a platform's own ids.
"""

import secrets
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

Role = Literal["system", "user", "assistant"]
Scope = Literal["chat", "everyone"]
TurnStatus = Literal["open", "complete", "stopped", "failed"]
Origin = Literal["model", "quote", "approved", "declined", "import", "operator", "practice"]
Decision = Literal["approve", "edit", "reject"]
Verdict = Literal["as suggested", "rewritten", "rejected"]
"""What became of what was suggested to an operator."""
Pick = Literal["a", "b", "both", "neither"]
"""Which of two answers is better, or that both are good, or neither."""
Split = Literal["train", "evaluation", "excluded"]
ReviewPolicy = Literal["all", "flagged", "none"]
Outcome = Literal["promote", "reject", "not enough evidence"]
Signal = Literal["down", "regenerated", "corrected", "failed", "empty", "cut"]
"""What speaks against an answer."""
Reason = Literal["wrong", "not helpful", "too long", "unsafe", "other"]
"""Why somebody says that an answer was not right, in one tap."""
BASE = "base"
"""The version that is no adapter: the base model itself."""
APPROVED_PASSAGE = "approved:"
"""How the id of a passage begins that is an approved answer, not a document."""
AT_CONSOLE = "console:"
"""How the outside id of an operator begins who sits at the console."""
NOTICE = "I found nothing about this in my sources."
"""How an answer begins that no passage supports; what follows it comes after an empty line."""
QUOTES_HEADING = "From the sources:"
"""The line before the quotes that end an answer."""

T = TypeVar("T")


def now_ms() -> int:
    """The present instant in UTC milliseconds."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """128 random bits in hexadecimal."""
    return secrets.token_hex(16)


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def to_json(record: Any) -> str:
    """One record as JSON text."""
    return _adapter(type(record)).dump_json(record).decode()


def from_json(cls: type[T], text: str | bytes) -> T:
    """A record from its JSON text; fields this release does not know are ignored.

    Raises: pydantic.ValidationError where the text is not such a record.
    """
    return _adapter(cls).validate_json(text)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, or an approved answer, as a search found it. `score` is a cosine similarity in [-1, 1]."""

    id: str
    source: str
    title: str
    text: str
    score: float = 0.0
    scope: Scope = "everyone"
    author: str | None = None
    """Who sent the document, where it is a chat's own and somebody did."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that supports a sentence of the reply; `number` is the [n] written in the text."""

    number: int
    passage_id: str
    source: str
    title: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the replies that could be given, and its probability in [0, 1]."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer, with the messages that are new since its parent. History is the walk of parents."""

    id: str
    messages: tuple[Message, ...]
    parent: str | None = None
    regenerates: str | None = None
    chat: str | None = None
    author: str | None = None
    kind: str = "chat"
    system: str = ""
    """The installation's system text, where the conversation brought none of its own."""
    passages: tuple[Passage, ...] = ()
    reply: str = ""
    generated: str | None = None
    """The model's own text, where the person was shown something else (quotes, citation marks, a notice)."""
    origin: Origin = "model"
    citations: tuple[Citation, ...] = ()
    adapter: str = BASE
    prompt_identity: str = ""
    prompt_hash: str = ""
    status: TurnStatus = "open"
    replica: str = ""
    created_at: int = 0
    first_token_ms: int | None = None
    total_ms: int | None = None
    reply_tokens: int = 0
    cut: bool = False
    """Whether the reply ended because it reached its limit of tokens."""
    topic: str | None = None
    """The topic of the chat in which it was asked; each has a history of its own."""
    confidence: float | None = None
    """The chance in [0, 1] that the answer works, as the version's own outcome head put it; None where it has none."""
    labels: tuple[str, ...] = ()
    """The labels that were known when it was asked, in the order in which the prompt names them."""
    schema: str | None = None
    """The JSON schema, as JSON, that the reply was to fit."""
    choices: tuple[Choice, ...] = ()
    """Where the reply was chosen: what it was chosen from, the likeliest first."""
    prompt_tokens: int | None = None
    """None in records of before it was kept, and where no prompt was made."""
    beside: str | None = None
    """The turn whose question it answers once more, for an operator or in practice; the chat does not go on from it."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of carrying out an answer, as its kind checks it: `value` in [0, 1], and the code of why.

    `said` is what the person saw of it, without personal data; `took_ms` how long it took, where something ran;
    `values` are what the sentence of its code holds.
    """

    turn: str
    value: float
    why: str
    said: str = ""
    took_ms: int | None = None
    created_at: int = 0
    values: dict[str, int | str] = field(default_factory=dict)
    v: int = 1


@dataclass(frozen=True, slots=True)
class Rating:
    """One author's thumb about a turn: 1, -1, or 0 (taken back). The last one wins."""

    turn: str
    author: str
    value: Literal[-1, 0, 1]
    reason: str | None = None
    created_at: int = 0
    against: str | None = None
    """The turn that this one was preferred to, where both answered the same prompt."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions' answers to one prompt, as turns, in the order in which an operator sees them, blind."""

    id: str
    turns: tuple[str, str]
    versions: tuple[str, str]
    created_at: int = 0
    v: int = 1


@dataclass(frozen=True, slots=True)
class Correction:
    """What an author says the answer should have been. The last one wins; an empty one takes it back."""

    turn: str
    author: str
    text: str
    created_at: int = 0
    v: int = 1


@dataclass(frozen=True, slots=True)
class Draft:
    """A correction that its author was shown, and has not sent yet."""

    turn: str
    text: str
    v: int = 1


@dataclass(frozen=True, slots=True)
class Regeneration:
    """An author asked for another answer: `turn` was answered again by `replacement`."""

    turn: str
    replacement: str
    author: str
    created_at: int = 0
    v: int = 1


@dataclass(frozen=True, slots=True)
class Review:
    """An operator's decision on a turn. `text` is the approved answer (scrubbed), empty for a rejection."""

    turn: str
    decision: Decision
    scope: Scope
    text: str
    reviewer: str
    why: str = ""
    correctors: tuple[str, ...] | None = None
    """Authors of the corrections that an edit was made with in view; None in records of before they were kept."""
    split: Split = "train"
    created_at: int = 0
    until: int | None = None
    """When (ms) an approval ends: nobody is answered with it from then on, and nothing learns from it; None: never."""
    v: int = 1

    def is_over(self, at: int) -> bool:
        """Whether it has ended by an instant (ms)."""
        return self.until is not None and self.until <= at


@dataclass(frozen=True, slots=True)
class Comment:
    """What an operator wrote about an answer, for the others."""

    operator: str
    text: str
    created_at: int = 0
    v: int = 1


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a second operator would have decided, who was not told what the first had."""

    turn: str
    operator: str
    verdict: Verdict
    first_operator: str
    first: Verdict
    created_at: int = 0
    v: int = 1


@dataclass(frozen=True, slots=True)
class Handover:
    """Somebody asks for a person. `address` is the chat's outside id, `message` the one in which they asked."""

    id: str
    chat: str
    author: str
    address: str
    message: int
    turn: str | None = None
    """What the conversation had come to then: what a person is to answer, if nothing is written afterwards."""
    topic: str | None = None
    created_at: int = 0
    v: int = 1


@dataclass(frozen=True, slots=True)
class Holder:
    """The operator who has a handover. `address` is the outside id at which they are written to."""

    operator: str
    address: str
    name: str
    taken_at: int = 0
    v: int = 1

    @property
    def at_console(self) -> bool:
        """Whether they sit at the console, and are not written to."""
        return self.address.startswith(AT_CONSOLE)


@dataclass(frozen=True, slots=True)
class Errand:
    """What the bot is to say in a handed-over chat for an operator at the console: that they are here, their answer, or
    that the chat is the model's again."""

    id: str
    handover: Handover
    what: Literal["taken", "answer", "back"]
    text: str = ""
    """The answer as it was written, and as it is sent."""
    turn: str = ""
    """The turn that holds the answer."""
    question: int | None = None
    """The message that is answered."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class ApprovedAnswer:
    """What shared memory holds of a review: a question, the approved answer, and who may hear it."""

    turn: str
    question: str
    answer: str
    scope: Scope
    chat: str | None
    system: str
    created_at: int
    follows: bool = False
    """Whether the question was asked within a conversation, and may lean on it."""
    until: int | None = None
    """When (ms) it ends; None: never."""
    kind: str = "chat"
    """The kind of task that it is the answer of."""


@dataclass(frozen=True, slots=True)
class HeadReport:
    """How a version's outcome head tells answers that work from others: `good` and `bad` are how many it learned from.

    The figures are of `items` frozen answers that no version learns from, None where there are too few of either sign.
    """

    good: int
    bad: int
    why: str = ""
    """Why there is no head; empty where there is one."""
    items: int = 0
    auc: float | None = None
    """The chance that an answer that works is thought surer than one that does not."""
    ece: float | None = None
    """The expected calibration error: by how much its chances differ from what came (mean over equal bins)."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """One adapter version. `id` is the hash of what it computes; see `adapters.manifest.version_id`."""

    id: str
    parent: str
    base_model: str
    base_hash: str
    prompt_identity: str
    method: str
    rank: int
    alpha: float
    targets: tuple[str, ...]
    sources: tuple[str, ...] = ()
    """Turn ids of the training examples."""
    source_digests: tuple[str, ...] = ()
    """Keyed hashes of the same items' authors, one for each source (empty where it has none)."""
    snapshot: str = ""
    hyperparameters: dict[str, float | int | str] = field(default_factory=dict)
    created_at: int = 0
    chunks: int = 0
    """How many passages of documents it learned from before anything else."""
    head: HeadReport | None = None
    """Of its outcome head; None in manifests of before there were any."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class ItemScore:
    """One frozen prompt's score under the version compared with, and under the candidate."""

    id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class SliceScore:
    """A slice's mean score before and after, with a 95 % interval of the difference."""

    name: str
    items: int
    measure: str
    before: float
    after: float
    low: float
    high: float
    likelihood: float | None = None
    """By how much the log-likelihood of the reference answers changed (mean, nats a token); None where not measured."""
    scores: tuple[ItemScore, ...] = ()
    """Each prompt's scores; empty in reports of before they were kept."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """Whether a candidate answers better than what is live. Ids only; texts are looked up.

    `wins`, `losses` and `ties` are of the new slice.
    """

    version: str
    against: str
    wins: tuple[str, ...]
    losses: tuple[str, ...]
    ties: tuple[str, ...]
    p: float
    slices: tuple[SliceScore, ...]
    vetoes: tuple[str, ...]
    outcome: Outcome
    summary: str
    created_at: int = 0
    frozen: str = ""
    """SHA-256 of the sorted ids of every frozen prompt."""
    divergence: float | None = None
    """KL(base || candidate) on general prompts, as its training measured it at its end (nats a token)."""
    learned: int = 0
    """Training prompts that were asked again to which base does not give the approved answer."""
    learned_changed: int = 0
    """How many of those the candidate answers otherwise than base."""
    rebuild: bool = False
    """Whether it replaces a version that must go, so that being no worse is enough."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Whether a tuned embedder finds better than what is in use: figures over frozen questions, and no text or id.

    Of each pair of figures the first is of what was in use. `first` and `among` are the shares of questions whose
    passage comes first, or among those that are given; `reciprocal` is the mean reciprocal rank. `kept` is the share
    whose passage is given and near enough to be used, `turned_away` the share to which nothing is near enough where
    their document is taken out.
    """

    items: int
    wins: int
    losses: int
    p: float
    first: tuple[float, float]
    among: tuple[float, float]
    reciprocal: tuple[float, float]
    kept: tuple[float, float]
    turned_away: tuple[float, float]
    outcome: Outcome
    summary: str
    v: int = 1


@dataclass(frozen=True, slots=True)
class EmbedderVersion:
    """What the search learned, by the id of the tuned embedder; `base` is the id of what it was tuned from.

    `against` is the embedder that it was compared with, and that a rollback returns to. `sources` and
    `source_digests` are as an adapter's: turns, and the pseudonyms of their authors.
    """

    id: str
    base: str
    against: str
    pairs: int
    report: RetrievalReport
    sources: tuple[str, ...] = ()
    source_digests: tuple[str, ...] = ()
    hyperparameters: dict[str, float | int | str] = field(default_factory=dict)
    created_at: int = 0
    v: int = 1
