"""When a refresh is due, and that there is only ever one."""

import time

import pytest

from core import keys
from core.errors import FenceLost
from core.records import Message, Turn, new_id, now_ms
from core.settings import Settings
from feedback.reviews import NewDecision
from workers.context import open_context
from workers.due import refresh_due
from workers.lock import RefreshLock


@pytest.fixture
def context(store, valkey_url, tmp_path):
    settings = Settings(data_dir=tmp_path, redis_url=valkey_url, refresh_min_items=10, refresh_interval_s=3600)
    return open_context(settings)


def approve(context, count: int) -> None:
    turns = [
        Turn(
            id=new_id(), messages=(Message("user", f"q {new_id()}"),), reply="a", status="complete", created_at=now_ms()
        )
        for _ in range(count)
    ]
    context.turns.add_closed(turns)
    context.reviews.decide_many([NewDecision(t, "approve", "everyone", "a") for t in turns], "operator")


def finish_refresh(context, hours_ago: float) -> None:
    at = now_ms()
    context.store.hset(keys.REFRESH_LAST, mapping={"at": int(at - hours_ago * 3_600_000), "until": at})
    time.sleep(0.002)


def test_enough_new_items_make_a_refresh_due(context):
    assert refresh_due(context) is None
    approve(context, 9)
    assert refresh_due(context) is None
    approve(context, 1)
    assert refresh_due(context) == "10 newly approved items"
    finish_refresh(context, hours_ago=0)
    assert refresh_due(context) is None, "they were learned from"


def test_time_makes_a_refresh_due_only_with_something_new(context):
    approve(context, 1)
    assert refresh_due(context) is None, "there never was a refresh; one item is too few for the first"
    finish_refresh(context, hours_ago=2)
    assert refresh_due(context) is None, "time alone starts nothing"
    approve(context, 1)
    assert "2 hours since" in refresh_due(context)


def test_nothing_is_due_while_a_refresh_runs(context):
    approve(context, 10)
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        assert refresh_due(context) is None
    assert refresh_due(context)


def test_there_is_one_refresh_at_a_time_and_fences_grow(context):
    with RefreshLock(context.store, 30) as first:
        assert first.try_acquire()
        with RefreshLock(context.store, 30) as second:
            assert not second.try_acquire()
        first.check()
    with RefreshLock(context.store, 30) as third:
        assert third.try_acquire() and third.fence == first.fence + 1


def test_a_lock_is_renewed_while_its_holder_lives(context):
    with RefreshLock(context.store, 3) as lock:
        lock.try_acquire()
        context.store.pexpire(keys.REFRESH_LOCK, 1500)
        until = time.monotonic() + 3
        while context.store.pttl(keys.REFRESH_LOCK) < 2000 and time.monotonic() < until:
            time.sleep(0.02)
        assert context.store.pttl(keys.REFRESH_LOCK) >= 2000


def test_a_lock_taken_over_ends_the_old_refresh(context):
    with RefreshLock(context.store, 3) as lock:
        lock.try_acquire()
        context.store.set(keys.REFRESH_LOCK, "another:99")
        until = time.monotonic() + 3
        with pytest.raises(FenceLost, match="taken over"):
            while time.monotonic() < until:
                lock.check()
                time.sleep(0.02)
    assert context.store.get(keys.REFRESH_LOCK) == "another:99", "what is not ours is not released"
