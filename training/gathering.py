"""Whatever may become an example: what operators decided, what is vouched for without them, what was practised."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from core.records import Review, Turn
from feedback.ratings import preferred_to
from feedback.trust import Vouched
from training.lessons import practised
from training.sources import WEAK, Record, Source, own_words, preferred


def everything(record: Record, vouched: Sequence[Vouched]) -> list[Source]:
    """Whatever may become an example."""
    return [*said(record, vouched), *practised(record)]


def said(record: Record, vouched: Sequence[Vouched]) -> list[Source]:
    """What people say: what operators decided, then what is vouched for without them."""
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
        turn, about = each.turn, each.said
        words = own_words(turn)
        events = [*about.votes, *about.corrections, *about.regenerations]
        source = Source(turn, words, each.split, max(e.created_at for e in events), reviewed=False)
        if about.corrections:
            newest = max(about.corrections, key=lambda c: c.created_at)
            yield preferred(replace(source, reply=newest.text, correctors=(newest.author,)), words)
        elif _thumbs(each) > 0 and turn.id in other:
            yield preferred(source, other[turn.id])
        elif _thumbs(each):
            yield replace(source, objective="desirable" if _thumbs(each) > 0 else "undesirable")
        elif about.regenerations and not accepted & {r.replacement for r in about.regenerations}:
            yield replace(source, objective="undesirable", weight=WEAK)


def _other_answers(record: Record, turns: Mapping[str, Turn], picks: Mapping[str, str | None]) -> dict[str, str]:
    """Of turns, the words that each is preferred to if it is liked: what it was picked over, or was made instead of."""
    wanted = {turn_id: picks.get(turn_id) or turn.regenerates for turn_id, turn in turns.items()}
    found = record.turns.get_many([other for other in wanted.values() if other])
    return {turn_id: own_words(found[other]) for turn_id, other in wanted.items() if other in found}


def _thumbs(vouched: Vouched) -> int:
    return sum(vote.value for vote in vouched.said.votes)


def _correctors(review: Review, record: Record) -> tuple[str, ...]:
    if review.correctors is not None or review.decision != "edit":
        return review.correctors or ()
    return tuple(c.author for c in record.ratings.corrections(review.turn))
