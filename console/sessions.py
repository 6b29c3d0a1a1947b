"""Who is logged in where: sessions under random ids, and how often a password may be tried."""

import hashlib
import secrets

from console.accounts import Account, Accounts
from console.who import SOLE, Operator
from core import keys
from core.errors import Busy
from core.records import now_ms
from core.store import Store, durable

IDLE_S = 12 * 3600
LONGEST_MS = 7 * 86_400_000
"""After this long somebody logs in again, however busy their pages are."""
WINDOW_S = 900
TRIES = {"name": 10, "address": 50}
"""Logins within a window, for a name only failed ones, after which more wait for its end."""


class Sessions:
    """Sessions in Redis, by the hash of their id. Methods raise StoreUnavailable where it is away."""

    def __init__(self, store: Store, accounts: Accounts, alone: bool):
        """`alone`: whether this machine alone reaches the console, and nobody logs in before there are accounts."""
        self._store, self._accounts, self._alone = store, accounts, alone

    def begin(self, account: Account) -> str:
        """A new session's id."""
        session = secrets.token_urlsafe(32)
        with durable():
            self._store.set(_key(session), f"{account.name}:{account.stamp}:{now_ms()}", ex=IDLE_S)
        return session

    def end(self, session: str) -> None:
        """Log out."""
        with durable():
            self._store.delete(_key(session))

    def operator(self, session: str) -> Operator | None:
        """Who is logged in; the session lives on for a while. None: nobody."""
        with durable(), self._store.pipeline() as pipe:
            pipe.getex(_key(session), ex=IDLE_S)
            pipe.hlen(keys.CONSOLE_ACCOUNTS)
            found, accounts = pipe.execute()
        if not accounts:
            return SOLE if self._alone else None
        if found is None:
            return None
        name, stamp, begun = found.split(":")
        account = self._accounts.get(name)
        if account is None or account.stamp != stamp or now_ms() - int(begun) > LONGEST_MS:
            return None
        return Operator(name, account.role)

    def count_try(self, name: str, address: str) -> None:
        """A password is about to be tried.

        Raises: Busy where it was tried too often, for this name or from this address.
        """
        for kind, value in (("name", name), ("address", address)):
            with durable(), self._store.pipeline() as pipe:
                pipe.set(_tries(kind, value), 0, ex=WINDOW_S, nx=True)
                pipe.incr(_tries(kind, value))
                pipe.ttl(_tries(kind, value))
                _, count, left_s = pipe.execute()
            if count > TRIES[kind]:
                minutes = -(-left_s // 60)
                raise Busy(f"there were too many logins; try again in {minutes} min.", retry_after_s=left_s)

    def forgive(self, name: str) -> None:
        """The password was right."""
        with durable():
            self._store.delete(_tries("name", name))


def _key(session: str) -> str:
    return keys.console_session(hashlib.sha256(session.encode()).hexdigest())


def _tries(kind: str, value: str) -> str:
    return keys.console_tries(kind, hashlib.sha256(value.encode()).hexdigest())
