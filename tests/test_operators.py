"""Operators' alerts, undone decisions and figures, without a bot."""

from io import BytesIO

import pytest
from PIL import Image

from bot.app import open_parts
from bot.operators import phrases, watching
from bot.operators.chart import DOWN, UP, draw
from bot.operators.watching import Watch
from core import keys
from core.records import BASE, Message, Rating, Turn, new_id, now_ms, to_json
from core.settings import Settings
from feedback.audit import AuditLog
from feedback.order import REASONS
from feedback.tallies import Thumbs, tally

DAY_MS = 86_400_000


def test_a_worker_that_falls_silent_is_told_of_once(valkey_url, store, tmp_path, monkeypatch):
    parts, clock = open_parts(Settings(data_dir=tmp_path, redis_url=valkey_url, tick_s=5)), [1000.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])
    watch = Watch(parts)

    def said(after_s: float) -> list[str]:
        clock[0] += after_s
        return [alert.text() for alert in watch.look()[0]]

    assert said(10_000) == [], "no worker ever ran"
    store.hset(keys.WORKERS, "tick", now_ms() - 10 * DAY_MS)
    assert said(1) == [] and said(299) == [], "old, but not yet seen to be silent"
    assert "no sign of life for 5 min" in said(3)[0]
    parts.alerts.note_told("worker", "me")
    assert parts.alerts.told("worker") == {"me"}
    store.hset(keys.WORKERS, "tick", now_ms())
    assert said(400) == [] and parts.alerts.told("worker") == set(), "a silence that ended may come again"


def test_what_happened_before_the_first_bot_is_not_told(valkey_url, store, tmp_path):
    parts = open_parts(Settings(data_dir=tmp_path, redis_url=valkey_url))
    entry = {"who": "canary", "what": "canary rollback", "subject": "a" * 64, "why": ""}
    store.xadd(keys.AUDIT, entry)
    watch = Watch(parts)
    alerts, position = watch.look()
    assert alerts == []
    newest = store.xadd(keys.AUDIT, entry)
    alerts, position = watch.look()
    assert [alert.event for alert in alerts] == [f"audit:{newest}"] and position == newest
    parts.alerts.advance(position)
    assert Watch(parts).look()[0] == []


def test_an_operator_who_is_forgotten_is_told_nothing_more(valkey_url, store, tmp_path):
    parts = open_parts(Settings(data_dir=tmp_path, redis_url=valkey_url))
    author = parts.pseudonyms.author("telegram:77")
    parts.people.appoint(author, "telegram:77")
    parts.alerts.note_told("queue", author)
    parts.walks.skip(author, new_id())
    parts.forgetting.forget(author, "themselves")
    everything = [key for key in store.scan_iter("*") if author in key]
    assert everything == [] and parts.people.operators() == {}
    assert not store.sismember(keys.alerted("queue"), author) and parts.people.person(author).role is None


def test_a_decision_that_is_undone_was_never_made(reviews, ratings, turns, store):
    turn = Turn(new_id(), (Message("user", "Open?", "ann"),), chat="ann", author="ann", reply="No.", status="complete")
    turns.add_closed([turn])
    ratings.correct(turn.id, "ann", "Yes.")
    (before,) = reviews.queue()
    since = store.zscore(keys.QUEUE, turn.id)
    made = reviews.approve(before, "operator", "everyone")
    assert (made.decision, made.text) == ("edit", "Yes.") and store.smembers(keys.approved_of("ann")) == {turn.id}
    position, answers, _ = reviews.answers_since("0-0")
    assert len(answers) == 1 and reviews.queue() == []
    reviews.undo(turn.id, made.created_at, "operator")
    (after,) = reviews.queue()
    assert after == before and store.zscore(keys.QUEUE, turn.id) == since, "it waits where it was"
    assert reviews.answers_since(position)[2] == [turn.id] and reviews.approved() == []
    assert reviews.count_for_everyone() == 0 and not store.exists(keys.approved_of("ann"))
    assert 0 < store.ttl(keys.turn(turn.id)), "it expires again"
    with pytest.raises(LookupError):
        reviews.undo(turn.id, made.created_at, "operator")
    told = [(entry.who, entry.what, entry.subject, entry.why) for entry in AuditLog(store).page()]
    assert told == [("operator", "undo", turn.id, ""), ("operator", "edit", turn.id, "for everyone")]


def test_thumbs_are_counted_by_day_and_version_and_drawn(store, turns, ratings):
    today, shown = now_ms(), [("a" * 64, 0, 1), ("a" * 64, 1, 1), (BASE, 1, -1), (BASE, 2, 0), (BASE, 20, 1)]
    for adapter, days_ago, value in shown:
        turn = Turn(new_id(), (Message("user", "Open?", "ann"),), author="ann", reply="No.", adapter=adapter)
        turns.add_closed([turn])
        ratings.rate(turn.id, "ann", value)
        vote = Rating(turn.id, "ann", value, None, today - days_ago * DAY_MS)
        store.hset(keys.votes(turn.id), "ann", to_json(vote))
    counted = tally(store, turns, ratings)
    assert list(counted.days.values())[-3:] == [Thumbs(), Thumbs(1, 1), Thumbs(1, 0)] and len(counted.days) == 14
    assert counted.versions == {"a" * 64: Thumbs(2, 0), BASE: Thumbs(0, 1)} and counted.thumbs == Thumbs(2, 1)

    def bars(days: dict) -> dict[str, int]:
        picture = Image.open(BytesIO(draw(days))).convert("RGB")
        found = {picture_colour: count for count, picture_colour in picture.getcolors(1 << 20)}
        return {colour: found.get(tuple(bytes.fromhex(colour[1:])), 0) for colour in (UP, DOWN)}

    days = counted.days
    assert bars(days)[UP] > bars(days)[DOWN] > 0
    first = next(iter(days))
    assert bars(days | {first: Thumbs(0, 3)})[DOWN] > bars(days)[DOWN]
    assert bars(dict.fromkeys(days, Thumbs())) == {UP: 0, DOWN: 0}


def test_every_reason_of_the_order_has_words():
    assert all(map(phrases.why_here, REASONS))
