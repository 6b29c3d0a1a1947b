"""From approved turns to what training and the gate see: a deterministic snapshot, named by its hash."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from core.errors import PromptTooLong
from core.privacy import scrub
from core.prompt import Renderer
from core.records import APPROVED_PASSAGE, BASE, Message, Review, Turn
from feedback.people import People
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.turns import Turns, messages, stays_in_chat

MAX_REPLY_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: loss on `reply_ids` only. `source` is the turn, empty for a general one."""

    prompt_ids: tuple[int, ...]
    reply_ids: tuple[int, ...]
    source: str
    author: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """One frozen prompt that no version was ever trained on, with the approved answer."""

    id: str
    prompt_ids: tuple[int, ...]
    reply_ids: tuple[int, ...]
    reference: str
    kind: str = "chat"
    slice: str = "new"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one refresh learns from and is judged on. `until` is the newest decision in it (ms)."""

    hash: str
    train: tuple[Example, ...]
    evaluation: tuple[EvaluationItem, ...]
    until: int
    counts: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items())) or "nothing left out"
        return f"{len(self.train)} examples to learn from, {len(self.evaluation)} to be judged on ({told})"


class Record:
    """The parts of the record that a snapshot reads."""

    def __init__(self, turns: Turns, reviews: Reviews, ratings: Ratings, people: People):
        self.turns = turns
        self.reviews = reviews
        self.ratings = ratings
        self.people = people


def snapshot_hash(
    used: Iterable[Review], identity: str, system_prompt: str, base_hash: str, hyperparameters: dict
) -> str:
    """The name of a refresh: what it learns from, rendered how, on which base, trained how. Holds nobody's text."""
    decisions = sorted((r.turn, r.created_at, r.split) for r in used)
    facts = [identity, system_prompt, base_hash, hyperparameters, decisions]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def build(record: Record, renderer: Renderer, system_prompt: str, base_hash: str, hyperparameters: dict) -> Snapshot:
    """Everything approved for everyone, rendered under the present identity.

    A turn of another identity is re-rendered and counted; one of the same identity whose prompt comes out different is
    dropped and counted, as are those whose authors have not consented, those too long, and those of a conversation that
    used what is one chat's own. Of several approvals of one
    prompt the newest counts.
    """
    approvals = [r for r in record.reviews.approved() if r.scope == "everyone"]
    counts: Counter[str] = Counter()
    consents: dict[str, bool] = {}

    def consented(author: str) -> bool:
        if author not in consents:
            consents[author] = record.people.person(author).consent == "yes"
        return consents[author]

    by_prompt: dict[tuple[str, tuple[int, ...]], tuple[Review, Example | EvaluationItem]] = {}
    turns = record.turns.get_many([r.turn for r in approvals])
    for review in approvals:
        turn = turns.get(review.turn)
        if turn is None:
            counts["missing"] += 1
        elif review.split == "excluded":
            counts["between the sets"] += 1
        elif stays_in_chat(record.turns.conversation(turn.id)):
            counts["of one chat only"] += 1
        elif not _may_train(turn, review, record, consented):
            counts["without consent"] += 1
        else:
            item = _item(turn, review, record, renderer, system_prompt, counts)
            if item is not None:
                by_prompt[(review.split, item.prompt_ids)] = review, item
    items = [item for _, item in by_prompt.values()]
    used = [review for review, _ in by_prompt.values()]
    return Snapshot(
        hash=snapshot_hash(used, renderer.identity, system_prompt, base_hash, hyperparameters),
        train=tuple(sorted((i for i in items if isinstance(i, Example)), key=lambda e: e.source)),
        evaluation=tuple(sorted((i for i in items if isinstance(i, EvaluationItem)), key=lambda e: e.id)),
        until=max((r.created_at for r in approvals), default=0),
        counts=dict(counts),
    )


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


def _may_train(turn: Turn, review: Review, record: Record, consented: Callable[[str], bool]) -> bool:
    """Whether all whose words an example holds have agreed; rows of an import have no authors."""
    conversation = [*record.turns.conversation(turn.parent), turn]
    for past in conversation:
        authors = {m.author for m in past.messages if m.role == "user"}
        if not all(consented(author) if author else past.origin == "import" for author in authors):
            return False
    correctors = review.correctors
    if correctors is None and review.decision == "edit":
        correctors = tuple(c.author for c in record.ratings.corrections(turn.id))
    return all(consented(author) for author in correctors or ())


def _item(
    turn: Turn, review: Review, record: Record, renderer: Renderer, system_prompt: str, counts: Counter[str]
) -> Example | EvaluationItem | None:
    chat = [*messages(record.turns.conversation(turn.parent)), *turn.messages]
    try:
        if turn.prompt_identity == renderer.identity:
            as_served = renderer.render(_with_system(chat, turn.system), turn.passages)
            if as_served.hash != turn.prompt_hash:
                counts["not reproducible"] += 1
                return None
        elif turn.adapter == BASE or turn.prompt_identity:
            counts["re-rendered"] += 1
        scrubbed = [Message(m.role, scrub(m.content)) for m in _with_system(chat, system_prompt)]
        documents = [p for p in turn.passages if not p.id.startswith(APPROVED_PASSAGE)]
        prompt = renderer.render(scrubbed, documents)
    except PromptTooLong:
        counts["too long"] += 1
        return None
    reply = tuple(renderer.reply_ids(review.text))
    if len(reply) > MAX_REPLY_TOKENS:
        counts["too long"] += 1
        return None
    if review.split == "evaluation":
        return EvaluationItem(turn.id, prompt.ids, reply, review.text, turn.kind)
    return Example(prompt.ids, reply, turn.id, turn.author or "")


def _with_system(chat: list[Message], system: str) -> list[Message]:
    return chat if chat[0].role == "system" or not system else [Message("system", system), *chat]
