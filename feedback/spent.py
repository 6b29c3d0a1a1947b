"""What learning costs: the time that refreshes, practice and the search's lessons took of a machine, by month."""

from dataclasses import dataclass
from datetime import UTC, datetime

from core import keys
from core.store import Store, durable

YEAR_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Spent:
    """Refreshes of a month (UTC) that came to an end, and the seconds that they took, with what is done beside them."""

    refreshes: int = 0
    seconds: int = 0


def note_spent(pipe: Store, ended_ms: int, seconds: int) -> None:
    """Count a refresh that has ended, within a transaction."""
    key = keys.spent(_month(ended_ms))
    pipe.hincrby(key, "refreshes", 1)
    pipe.hincrby(key, "seconds", seconds)
    pipe.expire(key, YEAR_S)


def note_beside(store: Store, began_ms: int, ended_ms: int) -> None:
    """Count the time of something that is learned beside a refresh. Raises: StoreUnavailable."""
    key = keys.spent(_month(ended_ms))
    with durable(), store.pipeline() as pipe:
        pipe.hincrby(key, "seconds", (ended_ms - began_ms) // 1000)
        pipe.expire(key, YEAR_S)
        pipe.execute()


def spent(store: Store, now_ms: int) -> Spent:
    """What this month's refreshes took until now. Raises: StoreUnavailable."""
    with durable():
        found = store.hgetall(keys.spent(_month(now_ms)))
    return Spent(int(found.get("refreshes", 0)), int(found.get("seconds", 0)))


def _month(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m}"
