"""When operators were last here, so that a page can say what has changed since."""

from core import keys
from core.records import now_ms
from core.store import Store, durable

REMEMBERED_S = 90 * 86_400
PAUSE_MS = 30 * 60_000
"""After so long without a look another visit begins."""
FIRST_MS = 86_400_000
"""Whoever comes for the first time is told of so long."""


class Visits:
    """Visits in Redis, by the name of the account."""

    def __init__(self, store: Store):
        self._store = store

    def look(self, name: str) -> int:
        """Note that an operator looks now. Returns when (ms) their last visit ended; within a visit it stays the same.

        Raises: StoreUnavailable.
        """
        now, key = now_ms(), keys.console_visit(name)
        with durable():
            known = self._store.hgetall(key)
            since = int(known.get("since", now - FIRST_MS))
            seen = int(known.get("seen", since))
            if known and now - seen > PAUSE_MS:
                since = seen
            with self._store.pipeline() as pipe:
                pipe.hset(key, mapping={"since": since, "seen": now})
                pipe.expire(key, REMEMBERED_S)
                pipe.execute()
        return since
