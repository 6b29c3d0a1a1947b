"""People: whose bot it is, who may use it, and whose words may be learned from."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from core import keys
from core.records import now_ms
from core.store import Store, durable

Role = Literal["owner", "operator", "member"]
Consent = Literal["yes", "no", "ask"]
INVITE_S = 86_400

_REDEEM = """
local role = redis.call('GET', KEYS[1])
if not role then return false end
if role == 'owner' then
  if redis.call('EXISTS', KEYS[2]) == 1 then return false end
  redis.call('SET', KEYS[2], ARGV[1])
  redis.call('SET', KEYS[5], ARGV[3])
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[3], 'role', role)
if role == 'operator' then redis.call('HSET', KEYS[3], 'address', ARGV[3]) end
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
        return Person(found.get("role"), found.get("consent", "ask"), seen, "told" in found)

    def owner(self) -> str | None:
        """The author whose bot it is."""
        with durable():
            return self._store.get(keys.OWNER)

    def owner_address(self) -> str | None:
        """The owner's outside id."""
        with durable():
            return self._store.get(keys.OWNER_ADDRESS)

    def operators(self) -> list[str]:
        """The outside ids of the owner and the operators, at which they are written to."""
        with durable():
            authors = sorted(self._store.smembers(keys.PEOPLE))
            with self._store.pipeline() as pipe:
                for author in authors:
                    pipe.hmget(keys.person(author), "role", "address")
                found = pipe.execute()
            owner = self._store.get(keys.OWNER_ADDRESS)
        addresses = [address for role, address in found if role == "operator" and address]
        return [owner, *addresses] if owner else addresses

    def invite(self, role: Role) -> str:
        """A code that gives the first person to bring it a role. It is valid for a day."""
        code = secrets.token_urlsafe(24)
        with durable():
            self._store.set(keys.invite(_digest(code)), role, ex=INVITE_S)
        return code

    def redeem(self, code: str, author: str, outside_id: str) -> Role | None:
        """Use a code up. None: it is unknown, used, expired, or there is an owner already."""
        invite, person = keys.invite(_digest(code)), keys.person(author)
        with durable():
            return self._redeem(
                keys=[invite, keys.OWNER, person, keys.PEOPLE, keys.OWNER_ADDRESS], args=[author, now_ms(), outside_id]
            )

    def grant(self, author: str, role: Role) -> None:
        """Give an author a role."""
        self._update(author, role=role)

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
