"""Which versions learned from whom, and the mark of those that learned from somebody who was forgotten."""

from collections.abc import Collection

from core import keys
from core.records import Manifest, from_json, now_ms
from core.store import Store, durable

# KEYS: aliases, history, audit, versions. ARGV: now, who, why, versions. What a rollback returns to is never marked.
_MARK = """
local function note(what, version)
  redis.call('XADD', KEYS[3], '*', 'who', ARGV[2], 'what', what, 'subject', version, 'why', ARGV[3])
end
local marked = {}
for i = 4, #ARGV do
  local version = ARGV[i]
  if redis.call('HSETNX', KEYS[i], 'marked', ARGV[1]) == 1 then
    if redis.call('HGET', KEYS[1], 'incoming') == version then redis.call('HDEL', KEYS[1], 'incoming') end
    local canary = redis.call('HGET', KEYS[1], 'canary')
    if canary and cjson.decode(canary).version == version then
      redis.call('HDEL', KEYS[1], 'canary')
      note('canary end', version)
    end
    redis.call('LREM', KEYS[2], 0, version)
    note('mark', version)
    marked[#marked + 1] = version
  end
end
return marked
"""


class Marks:
    """Marks in Redis. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._store = store
        self._mark = store.register_script(_MARK)

    def saw(self, turn: str) -> list[str]:
        """The versions that learned from a turn."""
        with durable():
            return sorted(self._store.smembers(keys.seen_by(turn)))

    def since(self, version: str) -> int | None:
        """When (ms) a version was marked; None where it was not."""
        with durable():
            marked = self._store.hget(keys.version(version), "marked")
        return int(marked) if marked else None

    def mark(self, turns: Collection[str], author: str, who: str, why: str) -> list[str]:
        """Mark the versions that learned from these turns or from this author: none of them is promoted again.

        A promotion or trial of one ends. Returns those that were not marked before.
        """
        with durable():
            texts = [self._store.hget(keys.version(v), "manifest") for v in self._store.zrange(keys.VERSIONS, 0, -1)]
            manifests = [from_json(Manifest, text) for text in texts]
            found = [m.id for m in manifests if author in m.source_digests or not set(turns).isdisjoint(m.sources)]
            names = [keys.ALIASES, keys.ALIAS_HISTORY, keys.AUDIT, *map(keys.version, found)]
            return self._mark(keys=names, args=[now_ms(), who, why, *found])
