"""Leases: what one bot is about to say no other says meanwhile; where it dies over it, another does soon after."""

from collections.abc import Mapping

from core import keys
from core.records import new_id
from core.store import Store, durable

LEASE_S = 20
"""A bot that lives renews its lease several times within this."""
NOTED_S = 86_400

# KEYS: the lease. ARGV: who has it, milliseconds; 0 ends it.
_HOLD = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class Leases:
    """The leases of one bot, in Redis. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._store, self._id = store, new_id()
        self._hold = store.register_script(_HOLD)

    def take(self, what: str) -> dict[str, str] | None:
        """What earlier holders noted, for this bot to go on from; None: another is about it."""
        with durable():
            if not self._store.set(keys.lease(what), self._id, nx=True, ex=LEASE_S):
                return None
            return self._store.hgetall(keys.lease_notes(what))

    def renew(self, what: str) -> None:
        """This bot is still about it."""
        with durable():
            self._hold([keys.lease(what)], [self._id, 1000 * LEASE_S])

    def end(self, what: str) -> None:
        """This bot is about it no longer."""
        with durable():
            self._hold([keys.lease(what)], [self._id, 0])

    def note(self, what: str, notes: Mapping[str, str]) -> None:
        """Remember how far it is, until it is done."""
        with durable(), self._store.pipeline() as pipe:
            pipe.hset(keys.lease_notes(what), mapping=notes)
            pipe.expire(keys.lease_notes(what), NOTED_S)
            pipe.execute()

    def done(self, what: str) -> None:
        """Nothing is left to be remembered of it."""
        with durable():
            self._store.delete(keys.lease_notes(what))
