"""People: whose bot it is, who may use it, and whose words may be learned from."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from core import keys
from core.errors import InvalidInput, NotFound
from core.records import now_ms
from core.store import Store, durable

Role = Literal["owner", "operator", "member"]
Consent = Literal["yes", "no", "ask"]
INVITE_S = 86_400

_REDEEM = """
local found = redis.call('GET', KEYS[1])
if not found then return false end
local role, uses = string.match(found, '^(%a+):?(%d*)$')
local rank = {member = 1, operator = 2, owner = 3}
local before = redis.call('HGET', KEYS[3], 'role')
if role == 'owner' then
  if redis.call('EXISTS', KEYS[2]) == 1 then return false end
  redis.call('SET', KEYS[2], ARGV[1])
  redis.call('SET', KEYS[5], ARGV[3])
elseif rank[before] and rank[before] >= rank[role] then
  return before
end
if (tonumber(uses) or 1) > 1 then
  redis.call('SET', KEYS[1], role .. ':' .. (uses - 1), 'KEEPTTL')
else
  redis.call('DEL', KEYS[1])
end
redis.call('HSET', KEYS[3], 'role', role)
if role == 'operator' then redis.call('HSETNX', KEYS[6], ARGV[3], 'yes') end
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
    language: str | None = None
    """The code of the language that they are spoken to in."""

    @property
    def is_operator(self) -> bool:
        """Whether they decide on answers and versions."""
        return self.role in ("owner", "operator")


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
        told, banned = "told" in found, "banned" in found
        return Person(found.get("role"), found.get("consent", "ask"), seen, told, banned, found.get("language"))

    def owner(self) -> str | None:
        """The author whose bot it is."""
        with durable():
            return self._store.get(keys.OWNER)

    def owner_address(self) -> str | None:
        """The owner's outside id."""
        with durable():
            return self._store.get(keys.OWNER_ADDRESS)

    def invite(self, role: Role, uses: int = 1, lifetime_s: int = INVITE_S) -> str:
        """A code that gives the first people to bring it a role."""
        code = secrets.token_urlsafe(24)
        with durable():
            self._store.set(keys.invite(_digest(code)), f"{role}:{uses}", ex=lifetime_s)
        return code

    def withdraw(self, code: str) -> None:
        """A code is good for nobody any more."""
        with durable():
            self._store.delete(keys.invite(_digest(code)))

    def note_bot(self, name: str) -> None:
        """Remember the bot's name in Telegram, for links to it."""
        with durable():
            self._store.set(keys.BOT_NAME, name)

    def link(self, role: Role) -> str:
        """A link that gives the first person to open it a role. It is valid for a day.

        Raises: InvalidInput where no bot has run yet.
        """
        with durable():
            name = self._store.get(keys.BOT_NAME)
        if name is None:
            raise InvalidInput(
                "no bot has run here yet, and its name is not known; set TELEGRAM_BOT_TOKEN and start it."
            )
        return f"https://t.me/{name}?start={self.invite(role)}"

    def redeem(self, code: str, author: str, outside_id: str) -> Role | None:
        """Use a code once; gives the role they have then. Who has that or a higher one keeps it, and the code a use.

        None: it is unknown, used up, expired, or there is an owner already.
        """
        invite, person = keys.invite(_digest(code)), keys.person(author)
        names = [invite, keys.OWNER, person, keys.PEOPLE, keys.OWNER_ADDRESS, keys.OPERATORS]
        with durable():
            role = self._redeem(keys=names, args=[author, now_ms(), outside_id])
        if role is not None:
            self.settle_request(outside_id)
        return role

    def grant(self, author: str, role: Role) -> None:
        """Give an author a role."""
        self._update(author, role=role)

    def ban(self, author: str) -> None:
        """An author may do nothing here until that is taken back; their role waits.

        Raises: InvalidInput where they are the owner.
        """
        if self.person(author).role == "owner":
            raise InvalidInput("the owner of the bot cannot be banned.")
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

    def appoint(self, author: str, outside_id: str) -> None:
        """Make somebody an operator, who is told at this outside id what happens.

        Raises: InvalidInput where they are the owner.
        """
        if self.person(author).role == "owner":
            raise InvalidInput("the owner is an operator already.")
        self.grant(author, "operator")
        self.settle_request(outside_id)
        with durable():
            self._store.hsetnx(keys.OPERATORS, outside_id, "yes")

    def dismiss(self, author: str, outside_id: str) -> None:
        """Make an operator a member again.

        Raises: NotFound where they are none.
        """
        if self.person(author).role != "operator":
            raise NotFound("this is no operator; `apprentice operators list` shows them.")
        self.grant(author, "member")
        with durable():
            self._store.hdel(keys.OPERATORS, outside_id)
            self._store.srem(keys.DIGEST_OFF, outside_id)

    def operators(self) -> dict[str, bool]:
        """The outside ids of the owner and the operators, and whether each wants alerts."""
        with durable():
            owner, wanted = self._store.get(keys.OWNER_ADDRESS), self._store.hgetall(keys.OPERATORS)
        return ({owner: True} if owner else {}) | {address: want == "yes" for address, want in wanted.items()}

    def want_alerts(self, outside_id: str, wanted: bool) -> None:
        """Note whether an operator wants alerts."""
        with durable():
            self._store.hset(keys.OPERATORS, outside_id, "yes" if wanted else "no")

    def digest_readers(self) -> list[str]:
        """The outside ids of those operators who want the daily digest."""
        with durable():
            muted = self._store.smembers(keys.DIGEST_OFF)
        return [address for address in self.operators() if address not in muted]

    def want_digest(self, outside_id: str, wanted: bool) -> None:
        """Note whether an operator wants the daily digest."""
        with durable():
            (self._store.srem if wanted else self._store.sadd)(keys.DIGEST_OFF, outside_id)

    def note_language(self, author: str, code: str) -> None:
        """Remember the language in which somebody is told what they did not ask for just now."""
        self._update(author, language=code)

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
