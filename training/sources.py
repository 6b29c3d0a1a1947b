"""What may become an example, and which of it may be learned from, by whom it is and where it was said."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.records import Split, Turn
from feedback.observations import Observations
from feedback.people import People
from feedback.practice import Practice
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.rows import IMPORTER
from feedback.shown import is_unsure
from feedback.trust import Candidate, Trust, cap, collapse
from feedback.turns import Turns, question, stays_in_chat
from training.examples import Objective

WEAK = 0.5
"""Weight of an answer that somebody had made again, and nobody preferred the second."""


class Record:
    """The parts of the record that a snapshot reads."""

    def __init__(
        self,
        turns: Turns,
        reviews: Reviews,
        ratings: Ratings,
        people: People,
        trust: Trust,
        observations: Observations,
        practice: Practice,
    ):
        self.turns = turns
        self.reviews = reviews
        self.ratings = ratings
        self.people = people
        self.trust = trust
        self.observations = observations
        self.practice = practice


@dataclass(frozen=True, slots=True)
class Source:
    """One turn and what its feedback says: `reply` is to be learned, or is how not to answer; `at` is when (ms)."""

    turn: Turn
    reply: str
    split: Split
    at: int
    objective: Objective = "sft"
    rejected: str = ""
    weight: float = 1.0
    correctors: tuple[str, ...] = ()
    reviewed: bool = True
    checked: bool = False
    """Whether the check of its kind says so, and no person."""
    conversation: tuple[Turn, ...] = ()
    """The turns before this one, oldest first."""


def preferred(source: Source, rejected: str) -> Source:
    """A reply to learn, as one that is preferred to other words where there are any."""
    if not rejected.strip() or rejected.split() == source.reply.split():
        return source
    return replace(source, objective="pair", rejected=rejected)


def opinion(source: Source) -> int:
    """Of a frozen source without an approved answer: 1 where people liked its reply, -1 where they did not.

    It is 0 where that is not said outright: of unreviewed corrections, and of what was merely asked again.
    """
    if source.objective == "undesirable":
        return -1 if source.weight == 1 else 0
    return 0 if source.correctors else 1


def has_answer(source: Source) -> bool:
    """Whether an operator vouches for a source's reply as the answer."""
    return source.reviewed and source.objective != "undesirable"


def why_not(source: Source, consented: Callable[[str], bool]) -> str | None:
    """Why a source is not learned from; None where it may be."""
    conversation = [*source.conversation, source.turn]
    if source.split == "excluded":
        return "between the sets"
    if source.split == "evaluation" and not (source.checked or has_answer(source) or opinion(source)):
        return "of the frozen set, without an approved answer or a thumb"
    if not (source.reply.strip() or source.checked):
        return "without an answer"
    if stays_in_chat(conversation):
        return "of one chat only"
    for past in conversation:
        authors = {m.author for m in past.messages if m.role == "user"}
        if not all(consented(author) if author else past.origin == "import" for author in authors):
            return "without consent"
    return None if all(consented(author) for author in source.correctors) else "without consent"


def allowed(sources: Sequence[Source], record: Record, counts: Counter[str]) -> list[Source]:
    """The sources that may be learned from, each with its conversation; `counts` the others by why not."""
    consents: dict[str, bool] = {}

    def consented(author: str) -> bool:
        if author not in consents:
            consents[author] = record.people.person(author).consent == "yes"
        return consents[author]

    found = []
    for source in sources:
        source = replace(source, conversation=tuple(record.turns.conversation(source.turn.parent)))
        why = why_not(source, consented)
        if why is None:
            found.append(source)
        else:
            counts[why] += 1
    return found


def exempt(record: Record) -> Callable[[str], bool]:
    """Whether an author may have any share: imported rows and the owner may."""
    owner = record.people.owner()
    return lambda author: author in ("", IMPORTER, owner)


def weigh(
    sources: Sequence[Source], share: float, exempt: Callable[[str], bool]
) -> tuple[list[Source], dict[str, int]]:
    """Those that count: each thing said once, nobody with more than a share; and how many others there were."""
    candidates = [
        Candidate(s.turn.id, _speaker(s), question(s.turn), f"{s.objective} {s.reply}", s.at, s.reviewed)
        for s in sources
    ]
    distinct, repeated = collapse(candidates)
    kept, beyond = cap(distinct, share, exempt)
    ids = {candidate.id for candidate in kept}
    return [s for s in sources if s.turn.id in ids], {
        "repeated": len(repeated),
        "beyond one author's share": len(beyond),
    }


def _speaker(source: Source) -> str:
    return (source.correctors or (source.turn.author or "",))[0]


def own_words(turn: Turn) -> str:
    """What the model itself wrote; nothing where memory or a quote answered in its place, or it was unsure."""
    if is_unsure(turn):
        return ""
    if turn.generated is not None:
        return turn.generated
    return turn.reply if turn.origin in ("model", "import", "practice") else ""
