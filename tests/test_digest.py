"""The operators' daily digest over a real record: what it says to whom, and when it is due."""

from datetime import UTC, datetime

import pytest

from bot.app import open_parts
from bot.operators.digest import DAY_MS, HOUR_MS, due_at, gather, words
from bot.operators.watching import alerts_and_digest
from bot.tongue import speaking
from core import keys
from core.records import BASE, GateReport, Handover, Message, Rating, Turn, new_id, now_ms, to_json
from core.settings import Settings
from tests.test_today import publish

OLD, NEW, BAD = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def parts(store, valkey_url, tmp_path):
    return open_parts(Settings(data_dir=tmp_path, redis_url=valkey_url))


def asked(parts, ago_ms: int, value: int = 0) -> Turn:
    """A question of some time ago, with the thumb that came then."""
    at = now_ms() - ago_ms
    turn = Turn(new_id(), (Message("user", "Hm?"),), chat="c", reply="A.", status="complete", created_at=at)
    parts.turns.open(turn)
    parts.turns.close(turn)
    if value:
        parts.ratings.rate(turn.id, "ann", value)
        parts.store.hset(keys.votes(turn.id), "ann", to_json(Rating(turn.id, "ann", value, None, at)))
    return turn


def test_it_tells_what_waits_what_was_asked_and_what_became_of_ones_own_decisions(parts, store):
    for ago_ms, value in ((HOUR_MS, 1), (2 * HOUR_MS, -1), (3 * HOUR_MS, 0), (30 * HOUR_MS, 1), (47 * HOUR_MS, 1)):
        asked(parts, ago_ms, value)
    mine, hers = asked(parts, HOUR_MS), asked(parts, HOUR_MS)
    for turn, who in ((mine, "olaf"), (hers, "eve")):
        parts.reviews.decide(turn.id, "approve", who, "everyone")
    publish(store, OLD, (), BASE)
    publish(store, NEW, (mine.id, hers.id), OLD)
    publish(store, BAD, (mine.id,), NEW)
    report = GateReport(BAD, NEW, (), ("a",), (), 0.5, (), (), "reject", "worse", now_ms())
    store.hset(keys.version(BAD), "report", to_json(report))
    store.xtrim(keys.REIGNS, maxlen=2, approximate=False)
    store.xadd(keys.AUDIT, {"who": "eve", "what": "rollback", "subject": BAD, "why": ""})
    store.hset(keys.REFRESH_LAST, mapping={"at": now_ms(), "outcome": "failed", "summary": "the disk is full."})
    parts.handovers.begin(Handover("1" * 16, "chat", "somebody", "telegram:42", 7, created_at=now_ms()))

    news = gather(parts, now_ms())
    told = words(parts, news, "olaf").split("\n")
    assert told == [
        "🗓 The last 24 hours",
        "Waiting for review: 4, the oldest since 0 h.",
        "Waiting for a person: 1 chat; /inbox shows them.",
        "Answers: 5 (the day before: 2).",
        "Thumbs: 👍 1, 👎 1 (the day before: 👍 2, 👎 0).",
        f"{NEW[:12]} answers in place of {OLD[:12]}.",
        "It learned from your decisions: 1.",
        f"{BAD[:12]} answers in place of {NEW[:12]}.",
        f"{BAD[:12]} was taken back.",
        f"The gate rejected {BAD[:12]}.",
        "A refresh failed: the disk is full.",
    ]
    assert "your decisions" not in words(parts, news, "somebody who decided nothing")
    with speaking("ru"):
        assert "Она училась на ваших решениях: 1." in words(parts, news, "olaf")
    later = gather(parts, now_ms() + DAY_MS + HOUR_MS)
    assert (later.live, later.taken_back, later.rejected, later.failed) == ((), (), (), None)


def test_where_nothing_happened_and_nothing_waits_nothing_is_said(parts):
    assert words(parts, gather(parts, now_ms()), "olaf") is None
    turn = asked(parts, 30 * HOUR_MS)
    assert words(parts, gather(parts, now_ms()), "olaf") is None, "the day before is no news"
    parts.ratings.rate(turn.id, "ann", -1)
    assert "Waiting for review: 1" in words(parts, gather(parts, now_ms()), "olaf")


def test_it_is_due_once_a_day_and_late_after_sleep_but_not_by_half_a_day():
    def at(day: int, hour: int, minute: int = 0) -> int:
        return int(datetime(2030, 1, day, hour, minute, tzinfo=UTC).timestamp() * 1000)

    assert due_at(at(5, 7), 7) == due_at(at(5, 12), 7) == at(5, 7)
    assert due_at(at(5, 19, 1), 7) is None and due_at(at(6, 6, 59), 7) is None, "tomorrow's is nearer"
    assert due_at(at(9, 8), 7) == at(9, 7), "of the days that were slept through only the newest"
    assert due_at(at(6, 8), 23) == at(5, 23), "a laptop that sleeps at night has its digest in the morning"
    assert due_at(at(5, 0), 0) == at(5, 0)


def test_an_operator_ends_it_for_themselves_alone_and_dismissal_leaves_nothing(parts, store):
    for number in (77, 78):
        parts.people.appoint(parts.pseudonyms.author(f"telegram:{number}"), f"telegram:{number}")
    parts.people.want_digest("telegram:77", False)
    assert parts.people.digest_readers() == ["telegram:78"]
    said, buttons = alerts_and_digest(parts, "telegram:77")
    assert said.endswith("You get no daily digest.") and len(buttons.inline_keyboard) == 2
    parts.people.want_digest("telegram:78", False)
    parts.people.want_digest("telegram:78", True)
    assert parts.people.digest_readers() == ["telegram:78"]
    parts.people.dismiss(parts.pseudonyms.author("telegram:77"), "telegram:77")
    parts.people.want_digest("telegram:78", False)
    parts.forgetting.forget(parts.pseudonyms.author("telegram:78"), "themselves")
    assert not store.exists(keys.DIGEST_OFF)
