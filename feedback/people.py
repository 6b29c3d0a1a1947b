"""People: whose bot it is, who may use it, and whose words may be learned from."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from core import keys
from core.records import now_ms
from core.store import Store, durable

Role = Literal["owner", "member"]
Consent = Literal["yes", "no", "ask"]
INVITE_S = 86_400

_REDEEM = """
local found = redis.call('GET', KEYS[1])
if not found then return false end
local role, uses = string.match(found, '^(%a+):?(%d*)$')
if role == 'member' and redis.call('HEXISTS', KEYS[3], 'role') == 1 then return role end
if role == 'owner' then
  if redis.call('EXISTS', KEYS[2]) == 1 then return false end
  redis.call('SET', KEYS[2], ARGV[1])
  redis.call('SET', KEYS[5], ARGV[3])
end
if (tonumber(uses) or 1) > 1 then
  redis.call('SET', KEYS[1], role .. ':' .. (uses - 1), 'KEEPTTL')
else
  redis.call('DEL', KEYS[1])
end
redis.call('HSET', KEYS[3], 'role', role)
redis.call('HSETNX', KEYS[3], 'first_seen', ARGV[2])
redis.call('SADD', KEYS[4], ARGV[1])
return role
"""


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of an author."""

    role: Role | None = None
    consent: Consent = "ask"
    first_seen: int | None = None
    told: bool = False
    """Whether the author has been told what is stored, for how long, and who reads it."""
    banned: bool = False


class People:
    """Authors' records in Redis. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._store = store
        self._redeem = store.register_script(_REDEEM)

    def person(self, author: str) -> Person:
        """An author's record; an empty one for a stranger."""
        with durable():
            found = self._store.hgetall(keys.person(author))
        first_seen = found.get("first_seen")
        seen = int(first_seen) if first_seen else None
        return Person(found.get("role"), found.get("consent", "ask"), seen, "told" in found, "banned" in found)

    def owner(self) -> str | None:
        """The author whose bot it is."""
        with durable():
            return self._store.get(keys.OWNER)

    def owner_address(self) -> str | None:
        """The owner's outside id."""
        with durable():
            return self._store.get(keys.OWNER_ADDRESS)

    def invite(self, role: Role, uses: int = 1, lifetime_s: int = INVITE_S) -> str:
        """A code that makes the first people to bring it members, or the first one the owner."""
        code = secrets.token_urlsafe(24)
        with durable():
            self._store.set(keys.invite(_digest(code)), f"{role}:{uses}", ex=lifetime_s)
        return code

    def withdraw(self, code: str) -> None:
        """A code is good for nobody any more."""
        with durable():
            self._store.delete(keys.invite(_digest(code)))

    def redeem(self, code: str, author: str, outside_id: str) -> Role | None:
        """Use a code once; who has a role already keeps it, and a code for members with all its uses.

        None: it is unknown, used up, expired, or there is an owner already.
        """
        invite, person = keys.invite(_digest(code)), keys.person(author)
        with durable():
            return self._redeem(
                keys=[invite, keys.OWNER, person, keys.PEOPLE, keys.OWNER_ADDRESS], args=[author, now_ms(), outside_id]
            )

    def grant(self, author: str, role: Role) -> None:
        """Give an author a role."""
        self._update(author, role=role)

    def ban(self, author: str) -> None:
        """An author may do nothing here until that is taken back; their role waits."""
        self._update(author, banned=str(now_ms()))

    def unban(self, author: str) -> bool:
        """Take a ban back. False: there was none."""
        with durable():
            return self._store.hdel(keys.person(author), "banned", "ban_told") > 0

    def banned_of(self, authors: Collection[str]) -> set[str]:
        """Those of some authors who are banned."""
        with durable(), self._store.pipeline(transaction=False) as pipe:
            for author in authors:
                pipe.hexists(keys.person(author), "banned")
            return {author for author, banned in zip(authors, pipe.execute(), strict=True) if banned}

    def is_first_since_ban(self, author: str) -> bool:
        """Whether this is the first time that a banned author is heard of."""
        with durable():
            return self._store.hsetnx(keys.person(author), "ban_told", "yes") == 1

    def authors(self) -> list[str]:
        """Everybody who has a record."""
        with durable():
            return sorted(self._store.smembers(keys.PEOPLE))

    def set_consent(self, author: str, consent: Consent) -> None:
        """Note whether an author's words may be learned from."""
        self._update(author, consent=consent)

    def note_told(self, author: str) -> None:
        """Note that an author has been told what is stored."""
        self._update(author, told="yes")

    def request_access(self, outside_id: str, name: str) -> bool:
        """Keep a stranger's request until somebody decides. False: it waits already."""
        with durable():
            return self._store.hset(keys.ACCESS_REQUESTS, outside_id, name) == 1

    def requests(self) -> dict[str, str]:
        """Outside ids that wait for a decision, with their display names."""
        with durable():
            return self._store.hgetall(keys.ACCESS_REQUESTS)

    def settle_request(self, outside_id: str) -> None:
        """A request has been decided."""
        with durable():
            self._store.hdel(keys.ACCESS_REQUESTS, outside_id)

    def _update(self, author: str, **fields: str) -> None:
        with durable(), self._store.pipeline() as pipe:
            pipe.hset(keys.person(author), mapping=fields)
            pipe.hsetnx(keys.person(author), "first_seen", now_ms())
            pipe.sadd(keys.PEOPLE, author)
            pipe.execute()


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
