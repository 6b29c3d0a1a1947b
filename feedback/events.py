"""The stream of what happened to turns, in order: feedback, and what came of carrying answers out."""

from core import keys
from core.records import Correction, Observation, Rating, Regeneration, now_ms, to_json
from core.store import Store
from feedback.turns import Turns

AS_LONG_AS_THE_TURN = """
local left = redis.call('PTTL', KEYS[2])
if left >= 0 then redis.call('PEXPIRE', KEYS[1], left) else redis.call('PERSIST', KEYS[1]) end
"""
Event = Rating | Correction | Regeneration | Observation


class Events:
    """Events in Redis, each kept as long as its turn; stream and index forget what is older than turns are kept."""

    def __init__(self, store: Store, turns: Turns):
        self._turns = turns
        self._as_long_as_the_turn = store.register_script(AS_LONG_AS_THE_TURN)

    def note(self, pipe: Store, event: Event, record: str) -> None:
        """Add an event to the stream; `record` is the key that holds it, and lives as long as the turn."""
        self._as_long_as_the_turn(keys=[record, keys.turn(event.turn)], client=pipe)
        oldest = now_ms() - 1000 * self._turns.retention_s
        pipe.xadd(keys.EVENTS, {"type": type(event).__name__, "data": to_json(event)}, minid=oldest)
        pipe.zadd(keys.FEEDBACK, {event.turn: event.created_at})
        pipe.zremrangebyscore(keys.FEEDBACK, "-inf", oldest)
