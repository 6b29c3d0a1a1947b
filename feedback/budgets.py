"""How much people use: questions in a minute, questions and tokens in a day, counted in Redis for all bot processes."""

from dataclasses import dataclass
from typing import Literal

from core import keys
from core.records import now_ms
from core.settings import Settings
from core.store import Store, durable

Verdict = Literal["yes", "fast", "fast again", "messages", "tokens", "all"]
"""Whether a question may be answered, or which limit it is beyond: the minute's (for the first time in it, or again),
the day's of questions or tokens, or the day's of all people together.
"""
EVERYONE = "all"
DAY_MS, DAY_S, HOUR_S = 86_400_000, 86_400, 3600

# KEYS: the person's minute, the person's day, everyone's day. ARGV: questions in a minute, questions and tokens in a
# day, questions and tokens of all in a day (0: no limit), lifetimes of a minute and of a day (s).
_SPEND = """
local function beyond(used, limit) return limit > 0 and tonumber(used or 0) >= limit end
local minute, per_minute = redis.call('INCR', KEYS[1]) - 1, tonumber(ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[6])
if beyond(minute, per_minute) then return minute == per_minute and 'fast' or 'fast again' end
local mine = redis.call('HMGET', KEYS[2], 'messages', 'tokens')
local all = redis.call('HMGET', KEYS[3], 'messages', 'tokens')
if beyond(mine[1], tonumber(ARGV[2])) then return 'messages' end
if beyond(mine[2], tonumber(ARGV[3])) then return 'tokens' end
if beyond(all[1], tonumber(ARGV[4])) or beyond(all[2], tonumber(ARGV[5])) then return 'all' end
for day = 2, 3 do
  redis.call('HINCRBY', KEYS[day], 'messages', 1)
  redis.call('EXPIRE', KEYS[day], ARGV[7])
end
return 'yes'
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in a day."""

    messages: int = 0
    tokens: int = 0


class Budgets:
    """Counters of the day (UTC), and the limits that the settings name. Methods raise StoreUnavailable."""

    def __init__(self, store: Store, settings: Settings):
        self._store, self._settings = store, settings
        self._spend = store.register_script(_SPEND)

    def spend(self, author: str, written_ms: int, exempt: bool) -> Verdict:
        """Count a question, where it is within every limit. A minute is one of when it was written, since questions may
        wait for each other; a day is one of when it is answered. Who is exempt is counted, too.
        """
        of, day = self._settings, _today()
        limits = (
            of.telegram_minute_messages,
            of.telegram_day_messages,
            of.telegram_day_tokens,
            of.telegram_day_messages_all,
            of.telegram_day_tokens_all,
        )
        where = [keys.minute(written_ms // 60_000, author), keys.used(day, author), keys.used(day, EVERYONE)]
        with durable():
            return self._spend(where, [*((0,) * len(limits) if exempt else limits), HOUR_S, 2 * DAY_S])

    def add_tokens(self, author: str, tokens: int) -> None:
        """Count what an answer took."""
        day = _today()
        with durable(), self._store.pipeline() as pipe:
            for whose in (author, EVERYONE):
                pipe.hincrby(keys.used(day, whose), "tokens", tokens)
                pipe.expire(keys.used(day, whose), 2 * DAY_S)
            pipe.execute()

    def used(self, author: str = EVERYONE) -> Used:
        """What a person used today, or all together."""
        with durable():
            found = self._store.hgetall(keys.used(_today(), author))
        return Used(int(found.get("messages", 0)), int(found.get("tokens", 0)))

    def most(self, count: int) -> list[tuple[str, Used]]:
        """The people who used most tokens today, under their pseudonyms."""
        with durable():
            found = list(self._store.scan_iter(keys.used(_today(), "*"), count=1000))
        authors = [author for author in (key.rpartition(":")[2] for key in found) if author != EVERYONE]
        everyone = [(author, self.used(author)) for author in authors]
        return sorted(everyone, key=lambda one: (-one[1].tokens, -one[1].messages, one[0]))[:count]


def minutes_left() -> int:
    """Minutes until the day ends (UTC)."""
    return -(-(DAY_MS - now_ms() % DAY_MS) // 60_000)


def _today() -> int:
    return now_ms() // DAY_MS
