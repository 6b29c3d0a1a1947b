"""What came of answers that the model wrote: what operators decided, what was observed, what people said."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.records import Split, Turn
from feedback.trust import Vouched
from kinds import KINDS
from training.calibration import WORKS
from training.examples import Objective
from training.sources import Record, Source, own_words


@dataclass(frozen=True, slots=True)
class Effect:
    """What came of one answer: `value` in [0, 1], and whether that is a mark rather than a chance."""

    source: Source
    value: float

    @property
    def graded(self) -> bool:
        """Whether its kind minimises the squared error."""
        return KINDS[self.source.turn.kind].loss == "mean squared error"


def effects(record: Record, vouched: Sequence[Vouched]) -> list[Effect]:
    """The effects of all answers that have one, whoever may be learned from.

    A decision for everyone stands above an observation, an observation above what people say who are `vouched` for.

    Raises: StoreUnavailable.
    """
    found: dict[str, Effect] = {}
    for effect in (*_said(vouched), *_observed(record), *_decided(record)):
        if effect.source.reply.strip():
            found[effect.source.turn.id] = effect
    return list(found.values())


def _decided(record: Record) -> Iterator[Effect]:
    reviews = [*record.reviews.approved(), *record.reviews.rejected()]
    reviews = [review for review in reviews if review.scope == "everyone"]
    turns = record.turns.get_many([review.turn for review in reviews])
    for review in reviews:
        if turn := turns.get(review.turn):
            words = _words(turn)
            as_it_was = review.decision != "reject" and review.text.split() == words.split()
            works = review.decision == "approve" or as_it_was
            yield _effect(turn, float(works), review.split, review.created_at, review.correctors or ())


def _observed(record: Record) -> Iterator[Effect]:
    """What was observed of turns that no operator decided on."""
    observed = record.observations.all()
    ids = list(observed)
    decided = record.reviews.get_many(ids)
    turns = [turn for turn in record.turns.get_many(ids).values() if turn.id not in decided]
    for turn, split in zip(turns, record.reviews.splits(turns), strict=True):
        yield _effect(turn, observed[turn.id].value, split, observed[turn.id].created_at)


def _said(vouched: Sequence[Vouched]) -> Iterator[Effect]:
    """What people say without a decision: a correction says that it did not work, of thumbs the mean counts."""
    for each in vouched:
        said = each.said
        at = max(event.created_at for event in (*said.votes, *said.corrections, *said.regenerations))
        if said.corrections:
            newest = max(said.corrections, key=lambda c: c.created_at)
            yield _effect(each.turn, 0.0, each.split, at, (newest.author,), False)
        elif said.votes:
            ups = sum(vote.value > 0 for vote in said.votes) / len(said.votes)
            yield _effect(each.turn, ups, each.split, at, (), False)


def _effect(
    turn: Turn, value: float, split: Split, at: int, correctors: tuple[str, ...] = (), reviewed: bool = True
) -> Effect:
    objective: Objective = "desirable" if value >= WORKS else "undesirable"
    source = Source(turn, _words(turn), split, at, objective, correctors=correctors, reviewed=reviewed)
    return Effect(source, value)


def _words(turn: Turn) -> str:
    """What the model wrote; an imported answer is nobody's here."""
    return "" if turn.origin == "import" else own_words(turn)
