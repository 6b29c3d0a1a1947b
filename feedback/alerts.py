"""Operators' alerts: until where the audit log has been told, and which operator heard of which event."""

from core import keys
from core.store import Store, durable

REMEMBERED_S = 7 * 86_400


class Alerts:
    """What was told, in Redis, for all bots together. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._store = store

    def position(self) -> str:
        """The entry of the audit log until which everything was told; the newest one, where nothing ever was."""
        with durable():
            newest = self._store.xrevrange(keys.AUDIT, count=1)
            now = newest[0][0] if newest else "0-0"
            return self._store.set(keys.ALERTS_POSITION, now, nx=True, get=True) or now

    def advance(self, position: str) -> None:
        """Everything was told until this entry of the audit log."""
        with durable():
            self._store.set(keys.ALERTS_POSITION, position)

    def told(self, event: str) -> set[str]:
        """The operators (authors) who were told of an event."""
        with durable():
            return self._store.smembers(keys.alerted(event))

    def note_told(self, event: str, author: str) -> None:
        """An operator was told of an event, or is not there any more."""
        with durable(), self._store.pipeline() as pipe:
            pipe.sadd(keys.alerted(event), author)
            pipe.expire(keys.alerted(event), REMEMBERED_S, nx=True)
            pipe.execute()

    def over(self, event: str) -> None:
        """An event has ended; if it comes again, operators are told again."""
        with durable():
            self._store.delete(keys.alerted(event))
