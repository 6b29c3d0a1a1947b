"""Feedback that may become examples: what operators decided, and what is vouched for without them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.records import Review, Split, Turn
from feedback.observations import Observations
from feedback.people import People
from feedback.ratings import Ratings, preferred_to
from feedback.reviews import Reviews
from feedback.rows import IMPORTER
from feedback.shown import is_unsure
from feedback.trust import Candidate, Trust, Vouched, cap, collapse
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
    ):
        self.turns = turns
        self.reviews = reviews
        self.ratings = ratings
        self.people = people
        self.trust = trust
        self.observations = observations


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
    conversation: tuple[Turn, ...] = ()
    """The turns before this one, oldest first."""


def everything(record: Record, vouched: Sequence[Vouched]) -> list[Source]:
    """Whatever may become an example: what operators decided, then what is vouched for without them."""
    return [*decided(record), *vouched_for(record, vouched)]


def decided(record: Record) -> Iterator[Source]:
    """What operators decided for everyone, oldest first."""
    reviews = [*record.reviews.approved(), *record.reviews.rejected()]
    reviews = sorted((r for r in reviews if r.scope == "everyone"), key=lambda r: (r.created_at, r.turn))
    turns = record.turns.get_many([r.turn for r in reviews])
    other = _other_answers(record, turns, record.ratings.preferred_to(list(turns)))
    for review in reviews:
        turn = turns.get(review.turn)
        if turn is None:
            continue
        source = Source(turn, review.text, review.split, review.created_at, correctors=_correctors(review, record))
        if review.decision == "reject":
            yield replace(source, reply=own_words(turn), objective="undesirable")
        elif review.decision == "edit":
            yield preferred(source, own_words(turn))
        else:
            yield preferred(source, other.get(turn.id, ""))


def vouched_for(record: Record, vouched: Sequence[Vouched]) -> Iterator[Source]:
    """What feedback says that no operator decided on."""
    accepted = {v.turn.id for v in vouched if _thumbs(v) > 0}
    picks = {v.turn.id: preferred_to(v.said.votes) for v in vouched}
    other = _other_answers(record, {v.turn.id: v.turn for v in vouched}, picks)
    for each in vouched:
        turn, said = each.turn, each.said
        words = own_words(turn)
        events = [*said.votes, *said.corrections, *said.regenerations]
        source = Source(turn, words, each.split, max(e.created_at for e in events), reviewed=False)
        if said.corrections:
            newest = max(said.corrections, key=lambda c: c.created_at)
            yield preferred(replace(source, reply=newest.text, correctors=(newest.author,)), words)
        elif _thumbs(each) > 0 and turn.id in other:
            yield preferred(source, other[turn.id])
        elif _thumbs(each):
            yield replace(source, objective="desirable" if _thumbs(each) > 0 else "undesirable")
        elif said.regenerations and not accepted & {r.replacement for r in said.regenerations}:
            yield replace(source, objective="undesirable", weight=WEAK)


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
    if source.split == "evaluation" and not has_answer(source) and not opinion(source):
        return "of the frozen set, without an approved answer or a thumb"
    if not source.reply.strip():
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


def _other_answers(record: Record, turns: Mapping[str, Turn], picks: Mapping[str, str | None]) -> dict[str, str]:
    """Of turns, the words that each is preferred to if it is liked: what it was picked over, or was made instead of."""
    wanted = {turn_id: picks.get(turn_id) or turn.regenerates for turn_id, turn in turns.items()}
    found = record.turns.get_many([other for other in wanted.values() if other])
    return {turn_id: own_words(found[other]) for turn_id, other in wanted.items() if other in found}


def own_words(turn: Turn) -> str:
    """What the model itself wrote; nothing where memory or a quote answered in its place, or it was unsure."""
    if is_unsure(turn):
        return ""
    if turn.generated is not None:
        return turn.generated
    return turn.reply if turn.origin in ("model", "import") else ""


def _thumbs(vouched: Vouched) -> int:
    return sum(vote.value for vote in vouched.said.votes)


def _correctors(review: Review, record: Record) -> tuple[str, ...]:
    if review.correctors is not None or review.decision != "edit":
        return review.correctors or ()
    return tuple(c.author for c in record.ratings.corrections(review.turn))
