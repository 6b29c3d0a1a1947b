"""What the search learned: the record of tuned embedders, their figures, and the mark of those that must go."""

from collections.abc import Collection

from core import keys
from core.errors import FenceLost
from core.records import EmbedderVersion, from_json, now_ms, to_json
from core.store import Store, durable

# KEYS: fence, versions, version, audit. ARGV: fence, id, at, version, outcome, summary. Whoever is forgotten takes the
# fence first, so that what is added here is either refused or found by the marking.
_ADD = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('HSET', KEYS[3], 'version', ARGV[4])
redis.call('HDEL', KEYS[3], 'marked')
redis.call('XADD', KEYS[4], '*', 'who', 'gate', 'what', ARGV[5], 'subject', ARGV[2], 'why', ARGV[6])
return 1
"""


class Embedders:
    """Tuned embedders in Redis; their files lie elsewhere. Every method raises StoreUnavailable."""

    def __init__(self, store: Store):
        self._store = store
        self._add = store.register_script(_ADD)

    def add(self, version: EmbedderVersion, fence: int) -> None:
        """Keep a version that was judged, and say so in the audit log.

        Raises: FenceLost where the refresh that tuned it was taken over, or somebody was forgotten meanwhile.
        """
        names = [keys.REFRESH_FENCE, keys.RETRIEVAL_VERSIONS, keys.retrieval_version(version.id), keys.AUDIT]
        what = f"search {version.report.outcome}"
        args = [fence, version.id, version.created_at, to_json(version), what, version.report.summary]
        with durable():
            if not self._add(keys=names, args=args):
                raise FenceLost("another worker has taken this refresh over; what the search learned is dropped.")

    def all(self) -> list[EmbedderVersion]:
        """Every version, newest first."""
        with durable():
            ids = self._store.zrevrange(keys.RETRIEVAL_VERSIONS, 0, -1)
        found = [self.get(version) for version in ids]
        return [version for version in found if version]

    def get(self, version: str) -> EmbedderVersion | None:
        """A version by its id."""
        with durable():
            text = self._store.hget(keys.retrieval_version(version), "version")
        return from_json(EmbedderVersion, text) if text else None

    def marked(self, version: str) -> int | None:
        """When (ms) somebody was forgotten whom a version learned from; None where nobody was."""
        with durable():
            at = self._store.hget(keys.retrieval_version(version), "marked")
        return int(at) if at else None

    def mark(self, turns: Collection[str], author: str, who: str) -> list[str]:
        """Mark the versions that learned from these turns or from this author; returns those newly marked."""
        gone, found = set(turns), []
        for version in self.all():
            if author not in version.source_digests and gone.isdisjoint(version.sources):
                continue
            why = "the search learned from somebody who was forgotten"
            with durable():
                new = self._store.hsetnx(keys.retrieval_version(version.id), "marked", now_ms())
            if new:
                self.note(who, "search mark", version.id, why)
                found.append(version.id)
        return found

    def drop(self, version: str) -> None:
        """Keep nothing of a version."""
        with durable(), self._store.pipeline() as pipe:
            pipe.zrem(keys.RETRIEVAL_VERSIONS, version)
            pipe.delete(keys.retrieval_version(version))
            pipe.execute()

    def note(self, who: str, what: str, version: str, why: str) -> None:
        """Tell the audit log."""
        with durable():
            self._store.xadd(keys.AUDIT, {"who": who, "what": what, "subject": version, "why": why})

    def last(self) -> dict[str, str]:
        """The newest tuning: `at` (ms), `material`, `pairs` and `outcome`; empty before the first."""
        with durable():
            return self._store.hgetall(keys.RETRIEVAL_LAST)

    def tuned(self, material: str, pairs: int) -> None:
        """Note what was tuned on: the digest of all pairs, and how many were learned."""
        with durable():
            self._store.hset(keys.RETRIEVAL_LAST, mapping={"material": material, "pairs": pairs})

    def ended(self, outcome: str, summary: str) -> None:
        """A tuning has ended, and what was asked for until now is answered, unless it failed."""
        with durable(), self._store.pipeline() as pipe:
            pipe.hset(keys.RETRIEVAL_LAST, mapping={"at": now_ms(), "outcome": outcome, "summary": summary})
            if outcome != "failed":
                pipe.delete(keys.RETRIEVAL_ASKED)
            pipe.execute()

    def ask(self) -> None:
        """Have the search learn as soon as the schedule looks, however little is new."""
        with durable():
            self._store.set(keys.RETRIEVAL_ASKED, now_ms())

    def asked(self) -> bool:
        """Whether that was asked for and has not ended."""
        with durable():
            return bool(self._store.exists(keys.RETRIEVAL_ASKED))
