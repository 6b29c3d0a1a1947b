"""One refresh over the real record, with training and judging left out: how it begins, ends, and is begun again."""

import pytest

from core import keys
from core.records import Message, Turn, new_id, now_ms
from core.settings import Settings
from feedback.progress import read_progress
from feedback.reviews import NewDecision
from workers import refresh
from workers.context import open_context
from workers.due import refresh_due
from workers.lock import RefreshLock
from workers.refresh import RefreshResult, run_refresh

NOTHING = RefreshResult("not enough evidence", "nothing new.", None, None)


@pytest.fixture
def context(store, valkey_url, tmp_path, base, monkeypatch):
    monkeypatch.setattr(refresh, "prepare_base", lambda model, folder: base)
    monkeypatch.setattr(refresh, "LOW_PRIORITY", 0)
    return open_context(Settings(data_dir=tmp_path, redis_url=valkey_url, refresh_min_items=5))


def approve(context, count: int, scope: str = "everyone") -> None:
    turns = [
        Turn(
            id=new_id(),
            messages=(Message("user", f"q {new_id()}"),),
            reply="a",
            origin="import",
            status="complete",
            created_at=now_ms(),
        )
        for _ in range(count)
    ]
    context.turns.add_closed(turns)
    context.reviews.decide_many([NewDecision(t, "approve", scope, "a") for t in turns], "operator")


def ends(monkeypatch, *results) -> None:
    """What training and judging come to, run after run; an exception is raised."""
    left = list(results)

    def run(*given, **named):
        result = left.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(refresh, "_refresh", run)


def do(context, **how) -> RefreshResult:
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        return run_refresh(context, lock, lambda stage, done, total: None, **how)


def test_approvals_for_one_chat_make_no_refresh_due(context, monkeypatch):
    ends(monkeypatch, NOTHING)
    approve(context, 5, "chat")
    assert refresh_due(context) is None and read_progress(context.store, 5).approved == 0
    approve(context, 5)
    assert refresh_due(context) == "5 newly approved items"
    assert do(context) == NOTHING
    context.store.hset(keys.REFRESH_LAST, "until", 0)
    assert refresh_due(context)
    assert do(context).summary == "this was done before: nothing new."
    assert refresh_due(context) is None, "what was done before is not due again"
