"""Claims on turns of the queue: a turn that one operator's page shows is given to no other, until a lease expires."""

from collections.abc import Sequence

from core import keys
from core.store import Store, durable

LEASE_S = 120
"""A page renews its claim several times within this; one that was closed without a word is waited for no longer."""

# KEYS: claims. ARGV: operator, seconds, turns. The first turn that is free, or is the operator's already; by the
# database's own clock.
_CLAIM = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local till, who = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(till) > now then held[all[i]] = who else redis.call('HDEL', KEYS[1], all[i]) end
end
for i = 3, #ARGV do
  if held[ARGV[i]] == nil or held[ARGV[i]] == ARGV[1] then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%d %s', now + ARGV[2] * 1000, ARGV[1]))
    return ARGV[i]
  end
end
return false
"""
# KEYS: claims. ARGV: operator, turn.
_GIVE_BACK = """
local claim = redis.call('HGET', KEYS[1], ARGV[2])
if claim and string.match(claim, '^%d+ (.*)$') == ARGV[1] then redis.call('HDEL', KEYS[1], ARGV[2]) end
"""
# KEYS: claims. ARGV: operator.
_OF_OTHERS = """
local now, found = redis.call('TIME')[1] * 1000, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local till, who = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(till) > now and who ~= ARGV[1] then found[#found + 1] = all[i] end
end
return found
"""


class Claims:
    """Leases in Redis, by the operators' names. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._claim = store.register_script(_CLAIM)
        self._give_back = store.register_script(_GIVE_BACK)
        self._of_others = store.register_script(_OF_OTHERS)

    def first_free(self, operator: str, turns: Sequence[str], lease_s: int = LEASE_S) -> str | None:
        """Claim the first of the turns that no other operator has, also again; None: others have them all."""
        if not turns:
            return None
        with durable():
            return self._claim(keys=[keys.CLAIMS], args=[operator, lease_s, *turns])

    def give_back(self, operator: str, turn: str) -> None:
        """Let others have a turn, if it is this operator's."""
        with durable():
            self._give_back(keys=[keys.CLAIMS], args=[operator, turn])

    def of_others(self, operator: str) -> set[str]:
        """The turns that other operators have."""
        with durable():
            return set(self._of_others(keys=[keys.CLAIMS], args=[operator]))
