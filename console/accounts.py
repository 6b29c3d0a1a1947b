"""The operators' accounts: made by one-time links, with passwords that are kept as argon2id hashes."""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from functools import cache
from threading import BoundedSemaphore
from typing import get_args

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from console.who import Role
from core import keys
from core.errors import InvalidInput, NotFound
from core.records import from_json, now_ms, to_json
from core.store import Store, durable

INVITE_S = 86_400
SHORTEST, LONGEST = 12, 1000
"""Characters of a password."""
TELLING = 4
"""A name of so many characters is no part of a password by chance."""
TAKEN_BY_US = frozenset({"bot", "canary", "gate", "operator", "schedule", "serving", "worker"})
"""What the audit log calls others."""
USED = "this link was used already, or is more than a day old; ask for another."

# KEYS: the invitation, the accounts. ARGV: name, the account.
_JOIN = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 'used' end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then return 'taken' end
redis.call('DEL', KEYS[1])
return 'joined'
"""
# KEYS: the accounts. ARGV: name.
_REMOVE = """
local found, admins = redis.call('HGET', KEYS[1], ARGV[1]), 0
if not found then return 'none' end
for _, account in ipairs(redis.call('HVALS', KEYS[1])) do
  if cjson.decode(account).role == 'admin' then admins = admins + 1 end
end
if admins == 1 and cjson.decode(found).role == 'admin' then return 'last' end
redis.call('HDEL', KEYS[1], ARGV[1])
return 'removed'
"""
# KEYS: the accounts. ARGV: name, the account as it was, as it shall be.
_REPLACE = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
_hasher = PasswordHasher()
_hashing = BoundedSemaphore(2)
"""Each hashing takes 64 MiB."""


@dataclass(frozen=True, slots=True)
class Account:
    """An operator's account. A session ends when `stamp` is another: with the account, and with each new password."""

    name: str
    role: Role
    password: str
    """Its argon2id hash, with salt and parameters."""
    stamp: str
    created_at: int
    v: int = 1


class Accounts:
    """Accounts and invitations in Redis. Methods raise StoreUnavailable where it is away."""

    def __init__(self, store: Store):
        self._store = store
        self._join = store.register_script(_JOIN)
        self._remove = store.register_script(_REMOVE)
        self._replace = store.register_script(_REPLACE)

    def all(self) -> list[Account]:
        """Every account, by name."""
        with durable():
            found = self._store.hgetall(keys.CONSOLE_ACCOUNTS)
        return [from_json(Account, found[name]) for name in sorted(found)]

    def get(self, name: str) -> Account | None:
        """One account."""
        with durable():
            found = self._store.hget(keys.CONSOLE_ACCOUNTS, name)
        return from_json(Account, found) if found else None

    def has_admin(self) -> bool:
        """Whether anybody can invite others."""
        return any(account.role == "admin" for account in self.all())

    def invite(self, role: str) -> str:
        """A code that makes one account of a role, for a day.

        Raises: InvalidInput where there is no such role, or nobody yet who could invite again.
        """
        if role not in get_args(Role):
            raise InvalidInput(f"there is no role {role}; a console has {', '.join(get_args(Role))}.")
        if role != "admin" and not self.has_admin():
            raise InvalidInput("the first account must be an admin's; invite an admin first.")
        code = secrets.token_urlsafe(24)
        with durable():
            self._store.set(keys.console_invite(_digest(code)), role, ex=INVITE_S)
        return code

    def invited(self, code: str) -> Role:
        """The role that a code gives.

        Raises: NotFound where it gives none any more.
        """
        with durable():
            role = self._store.get(keys.console_invite(_digest(code)))
        if role is None:
            raise NotFound(USED)
        return role

    def join(self, code: str, name: str, password: str) -> Account:
        """Make an account, and use the code up.

        Raises: NotFound as `invited`; InvalidInput where name or password cannot be used.
        """
        role = self.invited(code)
        if not re.fullmatch(r"[a-z][a-z0-9._-]{1,31}", name) or name in TAKEN_BY_US:
            raise InvalidInput("choose a name of 2 to 32 small letters, digits, dots and dashes, such as ann.")
        account = Account(name, role, _hashed(password, name), secrets.token_hex(16), now_ms())
        with durable():
            made = self._join([keys.console_invite(_digest(code)), keys.CONSOLE_ACCOUNTS], [name, to_json(account)])
        if made == "used":
            raise NotFound(USED)
        if made == "taken":
            raise InvalidInput(f"{name} is taken; choose another name.")
        return account

    def verified(self, name: str, password: str) -> Account | None:
        """The account of a name, where this is its password; an unknown name takes as long as a wrong password."""
        account = self.get(name)
        right = _fits(account.password if account else _nobodys(), password)
        return account if right else None

    def change_password(self, name: str, old: str, new: str) -> Account:
        """Set another password; every session of the account ends.

        Raises: InvalidInput where the old one is wrong, or the new one cannot be used.
        """
        account = self.verified(name, old)
        if account is None:
            raise InvalidInput("the present password is not right.")
        changed = replace(account, password=_hashed(new, name), stamp=secrets.token_hex(16))
        with durable():
            done = self._replace([keys.CONSOLE_ACCOUNTS], [name, to_json(account), to_json(changed)])
        if not done:
            raise InvalidInput("the account was changed meanwhile; log in again.")
        return changed

    def remove(self, name: str) -> None:
        """Remove an account; its sessions end at once.

        Raises: NotFound where there is none; InvalidInput where it is the last admin's.
        """
        with durable():
            done = self._remove([keys.CONSOLE_ACCOUNTS], [name])
        if done == "none":
            raise NotFound(f"nobody is called {name}.")
        if done == "last":
            raise InvalidInput(f"{name} is the only admin; invite another one first.")


def _hashed(password: str, name: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"choose a password of at least {SHORTEST} characters; a sentence is easy to remember.")
    if len(name) >= TELLING and name in password.lower():
        raise InvalidInput("choose a password that does not hold your name.")
    with _hashing:
        return _hasher.hash(password)


def _fits(hashed: str, password: str) -> bool:
    if len(password) > LONGEST:
        return False
    with _hashing:
        try:
            return _hasher.verify(hashed, password)
        except VerifyMismatchError:
            return False


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_hex())


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
