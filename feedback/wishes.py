"""What operators ask of the schedule: a refresh now, or an end of the one that runs. Nothing is queued by who asks."""

from dataclasses import dataclass

from core import keys
from core.errors import InvalidInput
from core.records import now_ms
from core.store import Store, durable

CANCEL_S = 24 * 3600
_CANCEL = """
local lock = redis.call('GET', KEYS[1])
if not lock or string.match(lock, ':(%d+)$') ~= ARGV[1] then return 'ended' end
redis.call('HSET', KEYS[2], 'fence', ARGV[1], 'who', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('XADD', KEYS[3], '*', 'who', ARGV[2], 'what', 'refresh cancel', 'subject', ARGV[4], 'why', ARGV[5])
return 'ok'
"""
_ASK = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 'running' end
if redis.call('HEXISTS', KEYS[2], 'canary') == 1 then return 'trial' end
if redis.call('EXISTS', KEYS[3]) == 1 then return 'asked' end
redis.call('HSET', KEYS[3], 'who', ARGV[1], 'at', ARGV[2])
redis.call('DEL', KEYS[4])
redis.call('XADD', KEYS[5], '*', 'who', ARGV[1], 'what', 'refresh now', 'subject', '', 'why', ARGV[3])
return 'ok'
"""
REFUSED = {
    "running": "a refresh is running already; wait for its end, or cancel it.",
    "trial": "a version is on trial, and the next refresh waits for its end; promote it or take it back first.",
    "asked": "a refresh was asked for already; the schedule starts it in a moment.",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody asked for a refresh, at an instant (ms); `begun` once a worker has taken it up."""

    who: str
    at: int
    begun: bool = False


def ask_for_refresh(store: Store, who: str, why: str) -> None:
    """Have the schedule begin a refresh as soon as it looks, whatever is new and whatever was put off.

    Raises: InvalidInput where one runs, is asked for, or must wait; StoreUnavailable.
    """
    names = [keys.REFRESH_LOCK, keys.ALIASES, keys.REFRESH_ASKED, keys.REFRESH_POSTPONED, keys.AUDIT]
    with durable():
        answer = store.register_script(_ASK)(keys=names, args=[who, now_ms(), why])
    if answer != "ok":
        raise InvalidInput(REFUSED[answer])


def refresh_wish(store: Store) -> Wish | None:
    """What was asked for and has not ended. Raises: StoreUnavailable."""
    with durable():
        found = store.hgetall(keys.REFRESH_ASKED)
    return Wish(found["who"], int(found["at"]), "begun" in found) if "at" in found else None


def take_up(store: Store) -> bool:
    """A worker begins what was asked for, if anything was and none did before. Raises: StoreUnavailable."""
    with durable():
        return bool(store.hexists(keys.REFRESH_ASKED, "at") and store.hsetnx(keys.REFRESH_ASKED, "begun", now_ms()))


def settle_wish(store: Store) -> None:
    """What was asked for has ended, one way or another. Raises: StoreUnavailable."""
    with durable():
        store.delete(keys.REFRESH_ASKED)


def ask_to_cancel(store: Store, fence: int, run: str, who: str, why: str) -> None:
    """Have the refresh that runs under a fence end at its next step, and leave everything as it was.

    Raises: InvalidInput where it has ended; StoreUnavailable.
    """
    names = [keys.REFRESH_LOCK, keys.REFRESH_CANCEL, keys.AUDIT]
    with durable():
        answer = store.register_script(_CANCEL)(keys=names, args=[fence, who, CANCEL_S, run, why])
    if answer != "ok":
        raise InvalidInput("that refresh has ended already; nothing was cancelled.")


def who_cancels(store: Store, fence: int) -> str | None:
    """Who asked for the end of the refresh under this fence; None where nobody did. Raises: StoreUnavailable."""
    with durable():
        found = store.hgetall(keys.REFRESH_CANCEL)
    return found["who"] if found.get("fence") == str(fence) else None
