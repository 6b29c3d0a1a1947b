"""A refresh that an operator cancels: noticed between two of its steps, and undone as if it had not begun."""

from core import keys
from core.errors import ApprenticeError
from core.store import Store, durable
from feedback.wishes import settle_wish, who_cancels

CANCELLED_S = 3600
"""How long no refresh begins by itself after one was cancelled."""


class RefreshCancelled(ApprenticeError, RuntimeError):
    """An operator, `who`, asked for the end of the refresh."""

    def __init__(self, who: str):
        super().__init__(f"{who} cancelled the refresh; nothing of it is left.")
        self.who = who


def check_cancelled(store: Store, fence: int) -> None:
    """Raises: RefreshCancelled where the end of the refresh under this fence is asked for; StoreUnavailable."""
    who = who_cancels(store, fence)
    if who is not None:
        raise RefreshCancelled(who)


def take_back(store: Store, run: str, before: dict[str, str], who: str) -> None:
    """Let the record of a run be what it was before, and nothing be due for a while."""
    with durable(), store.pipeline() as pipe:
        pipe.delete(keys.run(run), keys.REFRESH_CANCEL)
        if before:
            pipe.hset(keys.run(run), mapping=before)
        pipe.set(keys.REFRESH_POSTPONED, f"{who} cancelled the last one", ex=CANCELLED_S)
        pipe.xadd(keys.AUDIT, {"who": "worker", "what": "refresh cancelled", "subject": run, "why": f"as {who} asked"})
        pipe.execute()
    settle_wish(store)
