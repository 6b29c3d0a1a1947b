"""Approvals with an end: said and learned from until then, kept as long as turns afterwards; and nothing else ends."""

import pytest
from test_examples import context, renderer, served, tokenizer  # noqa: F401
from test_feedback import answered

from core import keys
from core.errors import InvalidInput
from core.records import ApprovedAnswer, now_ms
from feedback import amends as amending
from feedback import reviews as deciding
from feedback import thanks as thanking
from feedback.reviews import NewDecision
from feedback.rows import export_rows
from feedback.thanks import Thanks
from feedback.turns import DAY_S
from retrieval import memory as remembering
from retrieval.memory import Memory
from tests.knowledge import embedder
from training.gathering import decided
from workers.tasks import tick

QUESTION, TEXT = "When does the pool open?", "At seven, until the works begin."


class Clock:
    """What the record and serving's memory take for now."""

    def __init__(self):
        self.ahead = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead

    def pass_days(self, days: int) -> None:
        self.ahead += days * DAY_S * 1000


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (deciding, remembering, amending, thanking):
        monkeypatch.setattr(module, "now_ms", clock)
    return clock


def in_days(days: int) -> int:
    return now_ms() + days * DAY_S * 1000


def approved_for_days(turns, reviews, days: int | None = 1, **fields):
    turn = answered(turns, QUESTION, "At eight.", chat="c1", author="ann", **fields)
    until = None if days is None else in_days(days)
    return turn, reviews.decide(turn.id, "edit", "operator", "everyone", TEXT, until=until)


def test_an_approval_ends_and_lives_as_long_as_turns_from_then_on(store, turns, reviews, clock):
    before = answered(turns, "Is there a pool?", "Yes.", chat="c1")
    turn, review = approved_for_days(turns, reviews, parent=before.id)
    for_good, _ = approved_for_days(turns, reviews, None)
    position, answers, revoked = reviews.answers_since("0")
    assert [answer.until for answer in answers] == [review.until, None] and not revoked
    assert store.ttl(keys.turn(turn.id)) == store.ttl(keys.turn(before.id)) == -1
    assert reviews.expire() == [] and reviews.count_for_everyone() == 2

    clock.pass_days(2)
    assert [r.turn for r in reviews.approved()] == [for_good.id], "at once, before anybody has swept"
    assert [r.turn for r in reviews.newest_approved(0, 5)] == [for_good.id] and not reviews.approved_of([turn.id])
    assert [row["turn"] for row in export_rows(turns, reviews)] == [for_good.id]
    assert reviews.answers_since("0")[2] == [turn.id], "who starts later never hears of it"

    assert reviews.expire() == [turn.id] and reviews.expire() == []
    assert reviews.answers_since(position)[1:] == ([], [turn.id]), "serving is told"
    assert reviews.count_for_everyone() == 1 and not store.exists(keys.EXPIRING)
    for key in (keys.turn(turn.id), keys.turn(before.id), keys.review(turn.id)):
        assert 0 < store.ttl(key) <= 90 * DAY_S
    assert store.ttl(keys.turn(for_good.id)) == -1


def test_a_decision_made_anew_counts_with_its_own_end(store, turns, reviews, clock):
    longer, _ = approved_for_days(turns, reviews)
    for_good, _ = approved_for_days(turns, reviews)
    withdrawn, review = approved_for_days(turns, reviews)
    rejected, _ = approved_for_days(turns, reviews)
    reviews.decide(longer.id, "edit", "operator", "everyone", TEXT, until=in_days(9))
    reviews.decide(for_good.id, "edit", "operator", "everyone", TEXT)
    reviews.undo(withdrawn.id, review.created_at, "operator")
    reviews.decide(rejected.id, "reject", "operator")
    assert store.zrange(keys.EXPIRING, 0, -1) == [longer.id]
    clock.pass_days(2)
    assert reviews.expire() == [] and {r.turn for r in reviews.approved()} == {longer.id, for_good.id}


def test_a_decision_that_is_made_while_one_ends_stays(turns, reviews, clock, monkeypatch):
    turn, _ = approved_for_days(turns, reviews)
    clock.pass_days(2)
    read = reviews.get

    def read_and_decide(turn_id: str):
        found = read(turn_id)
        reviews.decide(turn_id, "edit", "another", "everyone", "At nine.")
        return found

    monkeypatch.setattr(reviews, "get", read_and_decide)
    assert reviews.expire() == []
    assert [review.text for review in reviews.approved()] == ["At nine."]


def test_memory_says_nothing_that_has_ended_even_where_nobody_sweeps(clock):
    memory, until = Memory(embedder()), in_days(1)
    memory.add([ApprovedAnswer("u", QUESTION, "At nine, for good.", "everyone", None, "", 0)])
    memory.add([ApprovedAnswer("t", QUESTION, TEXT, "everyone", None, "", 1, until=until)])
    assert memory.match(QUESTION, None, "").entry.turn == "t"
    assert {answer.turn for answer, _ in memory.nearest(QUESTION, 3, {"t", "u"})} == {"t", "u"}
    clock.pass_days(2)
    assert memory.match(QUESTION, None, "").entry.turn == "u"
    assert [answer.turn for answer, _ in memory.nearest(QUESTION, 3, {"t", "u"})] == ["u"]


def test_training_learns_from_it_until_then_and_nothing_of_it_afterwards(context, renderer, clock):  # noqa: F811
    record = context.record
    turn = served(context, renderer, QUESTION)
    context.ratings.correct(turn.id, "zoe", TEXT)
    context.reviews.decide(turn.id, "edit", "ann", "everyone", TEXT, until=in_days(1))
    assert [(source.turn.id, source.reply) for source in decided(record)] == [(turn.id, TEXT)]
    clock.pass_days(2)
    for _ in range(2):
        assert not list(decided(record)) and not record.trust.vouched("none"), "nor as somebody's correction"
        context.reviews.expire()


def test_nobody_is_sent_or_thanked_for_what_has_ended(store, turns, ratings, reviews, amends, clock):
    turn = answered(turns, QUESTION, "At eight.", chat="c1", author="ann")
    ratings.correct(turn.id, "ann", TEXT)
    amends.note(turn.id, "ann", "telegram:1")
    thanks = Thanks(store, turns, reviews)
    thanks.expect(turn.id, "ann", "c1", "telegram:1")
    reviews.decide(turn.id, "edit", "operator", "everyone", TEXT, until=in_days(1))
    amends.ask(turn.id, "operator")
    clock.pass_days(2)
    assert thanks.due(turn.id) == [] and amends.due(turn.id) is None
    assert "no edited answer is in force" in str(amends.why_not(turn.id))


@pytest.mark.parametrize(("decision", "days"), [("edit", 0), ("approve", -1), ("reject", 1)])
def test_only_an_approval_has_an_end_and_only_in_the_future(turns, reviews, decision, days):
    turn = answered(turns, QUESTION, "At eight.")
    with pytest.raises(InvalidInput, match="only end in the future"):
        reviews.decide_many([NewDecision(turn, decision, "chat", TEXT, until=in_days(days))], "operator")
    assert reviews.get(turn.id) is None


def test_the_schedule_ends_what_is_over(context, store, clock, monkeypatch):  # noqa: F811
    monkeypatch.setattr("workers.tasks.open_context", lambda settings: context)
    turn, _ = approved_for_days(context.turns, context.reviews)
    tick()
    assert store.zscore(keys.FOR_EVERYONE, turn.id)
    clock.pass_days(2)
    tick()
    assert not store.exists(keys.FOR_EVERYONE, keys.EXPIRING)
