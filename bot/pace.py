"""How fast Telegram is called: rates and windows in Redis, shared by every bot process."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.commands.core import Script

from bot.parts import outside
from core import keys
from core.errors import StoreUnavailable
from core.identity import Pseudonyms
from core.store import Store, durable

MANY, AT_ONCE_S = 5, 1.0
"""So many chats refused within so long are the bot's own limit, which Telegram does not tell from a chat's."""

AWAY_S = 5.0
"""How long a database that did not answer is not asked again, so that calls do not queue up before it."""

# KEYS: closed and sent of the scope, closed and sent of the bot; ARGV: calls and milliseconds of each.
# {0, 0}: go, and it is counted. Else milliseconds to wait, and whether everybody has to.
_ASK = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for n = 1, 3, 2 do
  local closed = redis.call('PTTL', KEYS[n])
  if closed > 0 then return {closed, n - 1} end
end
for n = 2, 4, 2 do
  local most, window = tonumber(ARGV[n - 1]), tonumber(ARGV[n])
  local reached = most > 0 and redis.call('LINDEX', KEYS[n], most - 1)
  if reached and reached + window > now then return {reached + window - now, n - 2} end
end
for n = 2, 4, 2 do
  if tonumber(ARGV[n - 1]) > 0 then
    redis.call('LPUSH', KEYS[n], now)
    redis.call('LTRIM', KEYS[n], 0, 63)
    redis.call('PEXPIRE', KEYS[n], ARGV[n])
  end
end
return {0, 0}
"""

# KEYS: closed of the scope, closed of the bot, refused; ARGV: milliseconds, scope, how many in how many milliseconds.
_CLOSE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[3], now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
local shut = redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[3]) and 2 or 1
for n = 1, shut do
  if redis.call('PTTL', KEYS[n]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[n], 1, 'PX', ARGV[1]) end
end
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in any stretch of so many seconds. What can be left out may use `passing` of them."""

    calls: int
    window_s: float
    passing: int


PRIVATE, GROUP, EVERYWHERE = Rate(4, 4, 3), Rate(20, 60, 16), Rate(28, 1, 22)
"""Telegram's limits: about one a second in a chat, 20 a minute in a group, 30 a second in all, less two on the way."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A call has to wait. `everywhere`: every other would have to as well."""

    seconds: float
    everywhere: bool


class Pace:
    """Says when a call may go. Without the database it lets every call go, and Telegram's own pauses remain."""

    def __init__(self, store: Store, pseudonyms: Pseudonyms):
        self._pseudonyms = pseudonyms
        self._ask = store.register_script(_ASK)
        self._close = store.register_script(_CLOSE)
        self._ask_again_at = 0.0

    async def ask(self, chat: int | str | None, method: str, rate: Rate | None, passing: bool = False) -> Wait | None:
        """None: the call may go now, and counts. One that names no chat is held up by refusals of its own method.

        Without a rate (what writes nothing) only the windows are kept that Telegram closed.
        """
        scope = self._scope(chat, method)
        rates = (rate, EVERYWHERE) if rate else (Rate(0, 0, 0), Rate(0, 0, 0))
        limits = [n for r in rates for n in (r.passing if passing else r.calls, int(r.window_s * 1000))]
        names = [keys.pace_closed(scope), keys.pace_sent(scope), keys.pace_closed("bot"), keys.pace_sent("bot")]
        answer = await self._run(self._ask, names, limits)
        return Wait(answer[0] / 1000, answer[1] > 0) if answer and answer[0] else None

    async def close(self, chat: int | str | None, method: str, seconds: float) -> None:
        """Telegram asks for a pause: in a chat, and everywhere where it asks in many chats at once."""
        scope = self._scope(chat, method)
        names = [keys.pace_closed(scope), keys.pace_closed("bot"), keys.PACE_REFUSED]
        many = MANY if chat is not None else 2**31
        await self._run(self._close, names, [int(seconds * 1000), scope, many, int(AT_ONCE_S * 1000)])

    def _scope(self, chat: int | str | None, method: str) -> str:
        return method if chat is None else self._pseudonyms.chat(outside(chat))

    async def _run(self, script: Script, names: Sequence[str], values: Sequence[int | str]) -> Any:
        if time.monotonic() < self._ask_again_at:
            return None
        try:
            with durable():
                answer = await asyncio.to_thread(script, names, values)
        except StoreUnavailable as error:
            if not self._ask_again_at:
                log.warning("Telegram is called without shared rates: %s", error)
            self._ask_again_at = time.monotonic() + AWAY_S
            return None
        self._ask_again_at = 0.0
        return answer
