"""The queue: what people told first, then where they disagree, then one of each kind, then the rest, each by age."""

import io
from itertools import count

import pytest
from rich.console import Console

from console.review import review_queue
from core import keys
from core.records import Message, Turn, new_id, now_ms
from feedback.order import KINDS, REASONS
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.turns import Turns

TOLD, TORN, NEW, REST = REASONS


@pytest.fixture
def ratings(store, turns, monkeypatch):
    """Whose events are a millisecond apart, as people's are."""
    instants = count(now_ms())
    monkeypatch.setattr("feedback.ratings.now_ms", lambda: next(instants))
    return Ratings(store, turns)


def answered(turns: Turns, question: str, **fields) -> Turn:
    turn = Turn(new_id(), (Message("user", question),), reply="a", status="complete", created_at=now_ms(), **fields)
    turns.add_closed([turn])
    return turn


def queue(reviews: Reviews) -> list[tuple[str, str]]:
    return [(item.turn.messages[0].content, item.why) for item in reviews.queue()]


def test_what_people_told_comes_first_then_disagreement_then_one_of_each_kind(turns, ratings, reviews):
    parcel = answered(turns, "How do I return a broken parcel?")
    parcel_again = answered(turns, "Return a broken parcel, how?")
    opening = answered(turns, "When is the library open?")
    torn = answered(turns, "Who wrote Hamlet?")
    first_try = answered(turns, "Which bridge is longest?")
    second_try = answered(turns, "Which bridge is longest?", regenerates=first_try.id)
    wrong = answered(turns, "What does a ticket cost?")
    corrected = answered(turns, "Where can children play?")
    for turn in (parcel, parcel_again, opening, torn):
        ratings.rate(turn.id, "ann", 1)
    ratings.regenerated(first_try.id, second_try.id, "ann")
    ratings.rate(second_try.id, "ann", 1)
    ratings.rate(torn.id, "bob", -1)
    ratings.rate(wrong.id, "ann", -1, "twice as much")
    ratings.correct(corrected.id, "ann", "In the yard.")
    assert queue(reviews) == [
        ("What does a ticket cost?", TOLD),
        ("Where can children play?", TOLD),
        ("Who wrote Hamlet?", TORN),
        ("Which bridge is longest?", TORN),
        ("How do I return a broken parcel?", NEW),
        ("When is the library open?", NEW),
        ("Return a broken parcel, how?", REST),
    ]
    assert [item.turn.id for item in reviews.queue(2)] == [wrong.id, corrected.id]


def test_a_turn_moves_with_what_is_said_and_keeps_its_age(turns, ratings, reviews):
    first, second, third = (answered(turns, q) for q in ("alpha beta?", "gamma delta?", "epsilon zeta?"))
    for turn in (first, second, third):
        ratings.rate(turn.id, "ann", 1)
    ratings.rate(third.id, "ann", -1, "no")
    ratings.rate(second.id, "ann", -1, "no")
    assert [q for q, _ in queue(reviews)] == ["gamma delta?", "epsilon zeta?", "alpha beta?"], "by age, not by event"
    ratings.rate(second.id, "ann", 1)
    assert [q for q, _ in queue(reviews)] == ["epsilon zeta?", "alpha beta?", "gamma delta?"]


def test_a_kind_that_was_decided_is_not_asked_about_again_before_others(turns, ratings, reviews):
    first = answered(turns, "How do I return a broken parcel?")
    ratings.rate(first.id, "ann", -1)
    reviews.decide(first.id, "reject", "operator")
    for question in ("Return a broken parcel, how?", "When is the library open?"):
        ratings.rate(answered(turns, question).id, "ann", -1)
    assert queue(reviews) == [("When is the library open?", NEW), ("Return a broken parcel, how?", REST)]


def test_only_the_newest_kinds_are_compared(store, turns, ratings, reviews):
    for n in range(KINDS + 5):
        ratings.rate(answered(turns, f"subject{n} matter{n}").id, "ann", 1)
    assert store.zcard(keys.QUEUE_KINDS) == KINDS and reviews.waiting() == KINDS + 5


def test_entries_of_before_there_was_an_order_stand_among_the_rest(store, turns, ratings, reviews):
    old, older = answered(turns, "an old one"), answered(turns, "an older one")
    store.zadd(keys.QUEUE, {old.id: now_ms() - 1000, older.id: now_ms() - 2000})
    ratings.rate(answered(turns, "something new").id, "ann", 1)
    assert queue(reviews) == [("something new", NEW), ("an older one", REST), ("an old one", REST)]
    ratings.rate(old.id, "ann", -1, "no")
    assert queue(reviews)[0] == ("an old one", TOLD)


def test_of_the_rest_what_nobody_looked_at_comes_first_then_the_least_sure_by_age(turns, ratings, reviews):
    ratings.rate(answered(turns, "How do I return a broken parcel?").id, "ann", 1)
    asked = {
        "Return my broken parcel how?": 0.95,
        "Broken parcel, how to return it?": 0.10,
        "Return a broken parcel, how?": None,
        "A broken parcel, return how?": 0.101,
        "How is a broken parcel returned?": 0.4,
    }
    entered = {q: answered(turns, q, confidence=confidence) for q, confidence in asked.items()}
    for turn in entered.values():
        ratings.rate(turn.id, "ann", -1)
    rest = [
        *("Return a broken parcel, how?", "Broken parcel, how to return it?", "A broken parcel, return how?"),
        *("How is a broken parcel returned?", "Return my broken parcel how?"),
    ]
    assert queue(reviews)[1:] == [(question, REST) for question in rest]
    ratings.rate(entered[rest[1]].id, "bob", -1)
    assert [q for q, _ in queue(reviews)][1:] == rest, "more of the same moves nothing"
    assert reviews.oldest() <= now_ms()


def test_an_operator_reads_why_a_turn_comes_now(turns, ratings, reviews, amends):
    class Operator(Console):
        def input(self, *asked, **how):
            return "q"

    ratings.correct(answered(turns, "When?").id, "ann", "At ten.")
    screen = Operator(file=io.StringIO(), width=100)
    review_queue(reviews, amends, "operator", screen)
    assert TOLD in screen.file.getvalue()
