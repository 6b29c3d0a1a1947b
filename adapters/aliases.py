"""The names that point at versions: live, incoming and canary, moved together by compare-and-set."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from core import keys
from core.errors import AliasMoved, FenceLost, InvalidInput
from core.records import BASE, from_json, to_json
from core.store import Store, durable

MARKED = (
    "this version learned from somebody who was forgotten since, and never answers again; promote another, or wait for "
    "the refresh that tunes one without them."
)
RETIRED = "this version was retired and never answers again; promote another."
# KEYS: aliases, history, fence, audit, the versions live as expected, live, incoming and canary as new, reigns, and the
# one to be marked rejected, if any.
# ARGV: live, incoming and canary as expected, then as new, fence, push or pop, audit entries
_MOVE = """
if ARGV[7] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[7] then return 'fence' end
local live = redis.call('HGET', KEYS[1], 'live') or 'base'
local incoming = redis.call('HGET', KEYS[1], 'incoming') or ''
local function trial(text)
  if not text or text == '' then return '' end
  local canary = cjson.decode(text)
  return cjson.encode({canary.version, canary.set_at, canary.share, canary.started_at})
end
local canary = trial(redis.call('HGET', KEYS[1], 'canary'))
if live ~= ARGV[1] or incoming ~= ARGV[2] or canary ~= trial(ARGV[3]) then return 'moved' end
local function is_marked(key) return redis.call('HEXISTS', key, 'marked') == 1 end
for at, alias in pairs({[6] = ARGV[4] ~= live, [7] = true, [8] = true}) do
  if alias and is_marked(KEYS[at]) then return 'marked' end
  if alias and redis.call('HEXISTS', KEYS[at], 'retired') == 1 then return 'retired' end
end
local entries = cjson.decode(ARGV[9])
if ARGV[4] ~= live then
  local last = entries[#entries]
  if last then redis.call('XADD', KEYS[9], '*', 'live', ARGV[4], 'was', live, 'who', last.who, 'why', last.why) end
  if ARGV[8] == 'pop' then redis.call('LPOP', KEYS[2])
  elseif is_marked(KEYS[5]) then redis.call('LREM', KEYS[2], 1, ARGV[4])
  else redis.call('LPUSH', KEYS[2], live) end
  redis.call('HSET', KEYS[1], 'live', ARGV[4])
end
for alias, at in pairs({incoming = 5, canary = 6}) do
  if ARGV[at] == '' then redis.call('HDEL', KEYS[1], alias) else redis.call('HSET', KEYS[1], alias, ARGV[at]) end
end
if KEYS[10] then redis.call('HSET', KEYS[10], 'rejected', '1') end
for _, entry in ipairs(entries) do
  redis.call('XADD', KEYS[4], '*', 'who', entry.who, 'what', entry.what, 'subject', entry.subject, 'why', entry.why)
end
return 'ok'
"""


@dataclass(frozen=True, slots=True)
class Canary:
    """A version on trial with a share of the chats, beside the version that was live when the trial was set up."""

    version: str
    share: float
    against: str
    set_at: int
    started_at: int | None = None
    """When every living serving process had it (ms); no chat is routed to it before."""
    earlier: tuple[tuple[int, float], ...] = ()
    """Shares that it was tried with before, oldest first, each with the instant (ms) until which."""
    v: int = 1

    def takes(self, chat: str) -> bool:
        """Whether a chat is among those that the version is tried with: always the same ones."""
        return _is_within(self.share, self._lot(chat))

    def took(self, chat: str, since: int, until: int) -> bool | None:
        """Whether a chat was among those from an instant (ms) to before another; None where it moved in between."""
        shares, lot = self._shares(since, until), self._lot(chat)
        found = {_is_within(share, lot) for share in shares}
        return found.pop() if len(found) == 1 else None

    def with_share(self, share: float, at: int) -> "Canary":
        """The trial with another share from an instant (ms) on: a larger one adds chats, a smaller one removes some."""
        was = ((at, self.share),) if self.started_at is not None else ()
        return replace(self, share=share, earlier=(*self.earlier, *was))

    def _shares(self, since: int, until: int) -> set[float]:
        """The shares that held at any time from an instant to before another."""
        found, began = set(), 0
        for ended, share in (*self.earlier, (until, self.share)):
            if began < until and ended > since:
                found.add(share)
            began = ended
        return found

    def _lot(self, chat: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.version}:{chat}".encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Aliases:
    """Where the names point; `previous` is what a rollback returns to."""

    live: str = BASE
    incoming: str | None = None
    previous: str | None = None
    canary: Canary | None = None

    @property
    def started_canary(self) -> Canary | None:
        """The canary, if chats are routed to it."""
        return self.canary if self.canary and self.canary.started_at is not None else None

    def route(self, chat: str | None) -> str:
        """The version that answers a chat; live where none is named."""
        canary = self.started_canary
        return canary.version if canary and chat and canary.takes(chat) else self.live


@dataclass(frozen=True, slots=True)
class Reign:
    """When (ms) a version became live, in whose place, and who decided it and why."""

    at: int
    live: str
    was: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the audit log."""

    what: str
    subject: str
    who: str
    why: str


class AliasTable:
    """The aliases in Redis. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._store = store
        self._move = store.register_script(_MOVE)

    def read(self) -> Aliases:
        """Where the names point now."""
        with durable(), self._store.pipeline() as pipe:
            pipe.hgetall(keys.ALIASES)
            pipe.lindex(keys.ALIAS_HISTORY, 0)
            names, previous = pipe.execute()
        canary = from_json(Canary, names["canary"]) if "canary" in names else None
        return Aliases(names.get("live", BASE), names.get("incoming"), previous, canary)

    def reigns(self) -> list[Reign]:
        """Each time that another version became live, oldest first."""
        with durable():
            found = self._store.xrange(keys.REIGNS)
        return [Reign(int(entry.split("-")[0]), f["live"], f["was"], f["who"], f["why"]) for entry, f in found]

    def move(
        self,
        seen: Aliases,
        to: Aliases,
        entries: Sequence[Entry],
        fence: int | None = None,
        back: bool = False,
        rejected: str | None = None,
    ) -> None:
        """Point the names elsewhere, if they still point where they were seen, and say so in the audit log.

        What was live is remembered, unless somebody in it was forgotten, or, on the way `back`, the newest such
        memory is dropped. `rejected` is marked as a version that is never promoted by itself again.

        Raises: AliasMoved, FenceLost; InvalidInput where somebody in a version to point at was forgotten, or it was
        retired.
        """
        canary = to.canary.version if to.canary else ""
        versions = [keys.version(version) for version in (seen.live, to.live, to.incoming or "", canary)]
        out = [] if rejected in (None, BASE) else [keys.version(rejected)]
        with durable():
            answer = self._move(
                keys=[keys.ALIASES, keys.ALIAS_HISTORY, keys.REFRESH_FENCE, keys.AUDIT, *versions, keys.REIGNS, *out],
                args=[*_values(seen), *_values(to), "" if fence is None else fence, "pop" if back else "push"]
                + [json.dumps([asdict(entry) for entry in entries])],
            )
        if answer == "fence":
            raise FenceLost("another worker has taken this refresh over; its result is left to that one.")
        if answer == "moved":
            raise AliasMoved("the aliases moved meanwhile; look again and repeat if it is still wanted.")
        if answer == "marked":
            raise InvalidInput(MARKED)
        if answer == "retired":
            raise InvalidInput(RETIRED)


def _is_within(share: float, lot: int) -> bool:
    return lot < share * 2**64


def _values(aliases: Aliases) -> tuple[str, str, str]:
    return aliases.live, aliases.incoming or "", to_json(aliases.canary) if aliases.canary else ""
