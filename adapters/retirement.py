"""Versions that were put away for good: no promotion, no trial and no rollback comes to them again."""

from core import keys
from core.errors import InvalidInput
from core.records import now_ms
from core.store import Store, durable

# KEYS: version, aliases, history, audit. ARGV: version, now, who, why.
_RETIRE = """
local names = redis.call('HMGET', KEYS[2], 'live', 'incoming', 'canary')
local canary = names[3] and cjson.decode(names[3]).version
local previous = redis.call('LINDEX', KEYS[3], 0)
for _, used in ipairs({names[1] or '', names[2] or '', canary or '', previous or ''}) do
  if used == ARGV[1] then return 'used' end
end
if redis.call('HSETNX', KEYS[1], 'retired', ARGV[2]) == 0 then return 'retired' end
redis.call('LREM', KEYS[3], 0, ARGV[1])
redis.call('XADD', KEYS[4], '*', 'who', ARGV[3], 'what', 'retire', 'subject', ARGV[1], 'why', ARGV[4])
return 'ok'
"""


class Retirement:
    """Retired versions in Redis. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._retire = store.register_script(_RETIRE)

    def enter(self, version: str, who: str, why: str) -> None:
        """Note that a version of the record is retired, in one step with the look at where the names point.

        Raises: InvalidInput where it answers, may answer soon, is what a rollback returns to, or is retired already.
        """
        with durable():
            answer = self._retire(
                keys=[keys.version(version), keys.ALIASES, keys.ALIAS_HISTORY, keys.AUDIT],
                args=[version, now_ms(), who, why],
            )
        if answer == "used":
            raise InvalidInput(
                f"version {version[:12]} is live, on its way or what a rollback returns to; promote another one first."
            )
        if answer == "retired":
            raise InvalidInput(f"version {version[:12]} is retired already.")
