"""How far the next refresh is, in a sentence that every person sees the same."""

from dataclasses import dataclass

from core import keys
from core.records import now_ms
from core.store import Store, durable


@dataclass(frozen=True, slots=True)
class Progress:
    """Newly approved items, how many make a refresh due, and what a running refresh is doing."""

    approved: int
    needed: int
    stage: str | None
    done: int
    total: int
    trial: bool = False
    """Whether a canary runs, for whose end the next refresh waits."""
    run: str | None = None
    """The snapshot that the running refresh learns from."""
    began: int | None = None
    """Since when (ms) it runs."""
    fence: int | None = None
    """The fencing token under which it runs."""

    def __str__(self) -> str:
        if self.stage:
            share = f" ({100 * self.done // self.total} %)" if self.total else ""
            return f"A refresh is running: {self.stage}{share}; your corrections already answer."
        if self.trial:
            return (
                f"A new version is on trial with some chats, and the next refresh waits for its end "
                f"({self.approved} newly approved items so far); your corrections already answer."
            )
        return (
            f"{self.approved} of about {self.needed} approved items until the next refresh can be judged; "
            "your corrections already answer."
        )


def read_progress(store: Store, needed: int) -> Progress:
    """The present progress. What a refresh reports holds as long as its lock does.

    Raises: StoreUnavailable.
    """
    with durable(), store.pipeline() as pipe:
        pipe.hget(keys.REFRESH_LAST, "until")
        pipe.hgetall(keys.REFRESH_PROGRESS)
        pipe.get(keys.REFRESH_LOCK)
        pipe.hexists(keys.ALIASES, "canary")
        until, running, lock, trial = pipe.execute()
        approved = store.zcount(keys.FOR_EVERYONE, f"({until or 0}", "+inf")
    done, total = int(running.get("done", 0)), int(running.get("total", 0))
    if not lock:
        return Progress(approved, needed, None, done, total, bool(trial))
    began, fence = running.get("began"), int(lock.rsplit(":", 1)[1])
    stage, run = running.get("stage"), running.get("run")
    return Progress(approved, needed, stage, done, total, bool(trial), run, int(began) if began else None, fence)


def failed_since(store: Store, since: int) -> str | None:
    """Why the newest finished refresh failed, if it did so after an instant (ms).

    Raises: StoreUnavailable.
    """
    with durable():
        last = store.hgetall(keys.REFRESH_LAST)
    if last.get("outcome") != "failed" or int(last["at"]) < since:
        return None
    return last.get("summary", "")


def begin_progress(store: Store, run: str) -> None:
    """A refresh begins to learn from a snapshot."""
    with durable():
        store.hset(keys.REFRESH_PROGRESS, mapping={"run": run, "began": now_ms()})


def report_progress(store: Store, stage: str, done: int, total: int) -> None:
    """Say what the running refresh is doing."""
    with durable():
        store.hset(keys.REFRESH_PROGRESS, mapping={"stage": stage, "done": done, "total": total})


def clear_progress(store: Store) -> None:
    """No refresh is running."""
    with durable():
        store.delete(keys.REFRESH_PROGRESS)
