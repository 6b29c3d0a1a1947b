"""Updates that were taken and are not done: kept in Redis in their order, each handled by one replica at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import keys
from core.records import now_ms
from core.store import Store, durable

KEPT_S = 2 * 86_400
"""Telegram delivers an update again for a day; so long, and longer, its number is known."""
LEASE_S = 8
"""A replica that has given no sign of life for so long is dead, and its updates are another's."""
STOPPED_S = 3600

# KEYS: seen, lanes, the lane, the update. ARGV: id, number, now, lane, days (s), fields and values.
_TAKE = """
if redis.call('ZADD', KEYS[1], 'NX', ARGV[3], ARGV[1]) == 0 then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3] - 1000 * ARGV[5])
redis.call('HSET', KEYS[4], 'taken_at', ARGV[3], unpack(ARGV, 6))
redis.call('EXPIRE', KEYS[4], ARGV[5])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('SADD', KEYS[2], ARGV[4])
return 1
"""
# KEYS: lanes, the lane, holder, stopped. ARGV: replica, lease (ms), lane, the start of the updates' keys, what is done.
_NEXT = """
if ARGV[5] ~= '' then
  redis.call('ZREM', KEYS[2], ARGV[5])
  redis.call('DEL', ARGV[4] .. ARGV[5])
end
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[1] then return false end
while true do
  local first = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not first then
    redis.call('DEL', KEYS[3])
    redis.call('SREM', KEYS[1], ARGV[3])
    return false
  end
  if redis.call('HEXISTS', ARGV[4] .. first, 'update') == 1 then
    redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
    redis.call('HINCRBY', ARGV[4] .. first, 'attempts', 1)
    return {first, redis.call('GET', KEYS[4]) or '-1', redis.call('HGETALL', ARGV[4] .. first)}
  end
  redis.call('ZREM', KEYS[2], first)
end
"""
# KEYS: the lane, stopped. ARGV: before which number, lifetime (s).
_STOP = """
if redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1]) == 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return 1
"""
# KEYS: holder. ARGV: replica, lease (ms); a lease of 0 is given back.
_HOLD = """
if (redis.call('GET', KEYS[1]) or ARGV[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """An update that was taken. Where it is to be handled a second time, behind others, it has a second id."""

    id: str
    number: int
    lane: str
    update: str
    notes: dict[str, str] = field(default_factory=dict)
    """What is remembered of its handling."""
    taken_at: int = 0
    attempts: int = 0
    stopped: bool = False


class Ledger:
    """The updates of one bot, for one replica. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, bot: int, replica: str):
        self._store, self._bot, self._replica = store, bot, replica
        self._take, self._next = store.register_script(_TAKE), store.register_script(_NEXT)
        self._stop, self._hold = store.register_script(_STOP), store.register_script(_HOLD)

    def take(self, updates: Sequence[Taken]) -> None:
        """Keep updates, save for those that were taken before."""
        with durable(), self._store.pipeline() as pipe:
            for one in updates:
                where = [
                    keys.updates_seen(self._bot),
                    keys.lanes(self._bot),
                    keys.lane(self._bot, one.lane),
                    keys.update(self._bot, one.id),
                ]
                fields = {"update": one.update, **one.notes}
                pairs = [part for pair in fields.items() for part in pair]
                self._take(where, [one.id, one.number, now_ms(), one.lane, KEPT_S, *pairs], client=pipe)
            pipe.execute()

    def next(self, lane: str, done: str = "") -> Taken | None:
        """The first update of a lane, once another is done. None: there is none, or another replica has the lane."""
        where = [keys.lanes(self._bot), keys.lane(self._bot, lane), *self._of_lane(lane)]
        with durable():
            found = self._next(where, [self._replica, 1000 * LEASE_S, lane, keys.update(self._bot, ""), done])
        return None if found is None else _taken(lane, *found)

    def waiting(self) -> set[str]:
        """The lanes in which anything is not done."""
        with durable():
            return self._store.smembers(keys.lanes(self._bot))

    def stop(self, lane: str, before: int) -> bool:
        """Ask for the end of all that came into a lane before. False: there is nothing."""
        with durable():
            return self._stop([keys.lane(self._bot, lane), keys.lane_stopped(self._bot, lane)], [before, STOPPED_S])

    def stopped(self, lanes: Sequence[str]) -> dict[str, int]:
        """Before which number everything in these lanes is to end."""
        with durable():
            found = self._store.mget([keys.lane_stopped(self._bot, lane) for lane in lanes])
        return {lane: int(number) for lane, number in zip(lanes, found, strict=True) if number is not None}

    def renew(self, lanes: Iterable[str]) -> None:
        """Say that this replica still handles these lanes."""
        self._lease(lanes, 1000 * LEASE_S)

    def hand_on(self, lanes: Mapping[str, str | None]) -> None:
        """Leave lanes to others, each with the update that was begun there and is to be begun again."""
        with durable():
            for begun in lanes.values():
                if begun is not None:
                    self._store.hincrby(keys.update(self._bot, begun), "attempts", -1)
        self._lease(lanes, 0)

    def note(self, update_id: str, notes: Mapping[str, str]) -> None:
        """Remember something of an update's handling, until it is done."""
        with durable():
            self._store.hset(keys.update(self._bot, update_id), mapping=notes)

    def keep_instead(self, update_id: str, update: str) -> None:
        """Keep other words of an update, until it is done."""
        with durable():
            self._store.hset(keys.update(self._bot, update_id), "update", update)

    def is_first(self, what: str, lifetime_s: int, number: int) -> bool:
        """Whether an update is the first, within so long, for which something is to be said once."""
        key = keys.said_once(self._bot, what)
        with durable():
            before = self._store.set(key, number, nx=True, get=True, ex=lifetime_s)
        return before in (None, str(number))

    def _lease(self, lanes: Iterable[str], lease_ms: int) -> None:
        with durable(), self._store.pipeline(transaction=False) as pipe:
            for lane in lanes:
                self._hold([keys.lane_holder(self._bot, lane)], [self._replica, lease_ms], client=pipe)
            pipe.execute()

    def _of_lane(self, lane: str) -> list[str]:
        return [keys.lane_holder(self._bot, lane), keys.lane_stopped(self._bot, lane)]


def _taken(lane: str, update_id: str, stopped: str, flat: list[Any]) -> Taken:
    notes = dict(zip(flat[::2], flat[1::2], strict=True))
    update, taken_at, attempts = notes.pop("update"), int(notes.pop("taken_at")), int(notes.pop("attempts"))
    number = int(update_id.partition(":")[0])
    return Taken(update_id, number, lane, update, notes, taken_at, attempts, number < int(stopped))
