"""Which adapter versions exist and which one answers: files under their hash, names in Redis that point at them.

`live` is what answers. A promotion sets `incoming`; once every living serving process reports that version installed,
`live` moves to it, by compare-and-set. A rollback goes back at once, to a version that is still installed.
"""

import json
import os
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapters.manifest import WEIGHTS, read_config, read_manifest, read_tensors, version_id
from core import keys
from core.errors import AdapterRefused, AliasMoved, ApprenticeError, DiskFull, FenceLost, InvalidInput, NotFound
from core.records import BASE, GateReport, Manifest, from_json, new_id, now_ms, to_json
from core.store import Store, durable

Status = Literal["live", "incoming", "previous", "candidate", "rejected"]
HEARTBEAT_S = 2
DEAD_AFTER_MS = 3 * HEARTBEAT_S * 1000
FORGOTTEN_AFTER_MS = 3_600_000
ABANDONED_S = 7 * 24 * 3600
"""A draft this old belongs to nobody any more."""

_PUBLISH = """
if ARGV[4] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[4] then return 'fence' end
redis.call('HSET', KEYS[1], 'manifest', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'report', ARGV[3]) end
if ARGV[6] == '1' then redis.call('HSET', KEYS[1], 'rejected', '1') end
redis.call('ZADD', KEYS[2], 'NX', ARGV[5], ARGV[1])
for i = 4, #KEYS do redis.call('SADD', KEYS[i], ARGV[1]) end
return 'ok'
"""

# KEYS: aliases, history, audit, versions. ARGV: now, who, why, versions. What a rollback returns to is never marked.
_MARK = """
local marked = {}
for i = 4, #ARGV do
  if redis.call('HSETNX', KEYS[i], 'marked', ARGV[1]) == 1 then
    local names = redis.call('HGETALL', KEYS[1])
    for n = 1, #names, 2 do
      if names[n] ~= 'live' and names[n + 1] == ARGV[i] then redis.call('HDEL', KEYS[1], names[n]) end
    end
    redis.call('LREM', KEYS[2], 0, ARGV[i])
    redis.call('XADD', KEYS[3], '*', 'who', ARGV[2], 'what', 'mark', 'subject', ARGV[i], 'why', ARGV[3])
    marked[#marked + 1] = ARGV[i]
  end
end
return marked
"""

# KEYS: aliases, history, fence, audit, and the versions live as expected, live as new, incoming as new.
# ARGV: live and incoming as expected, then as new, fence, push or pop, audit
_MOVE = """
if ARGV[5] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[5] then return 'fence' end
local live = redis.call('HGET', KEYS[1], 'live') or 'base'
local incoming = redis.call('HGET', KEYS[1], 'incoming') or ''
if live ~= ARGV[1] or incoming ~= ARGV[2] then return 'moved' end
if ARGV[3] ~= live and redis.call('HEXISTS', KEYS[6], 'marked') == 1 then return 'marked' end
if redis.call('HEXISTS', KEYS[7], 'marked') == 1 then return 'marked' end
if ARGV[3] ~= live then
  if ARGV[6] == 'pop' then redis.call('LPOP', KEYS[2])
  elseif redis.call('HEXISTS', KEYS[5], 'marked') == 1 then redis.call('LREM', KEYS[2], 1, ARGV[3])
  else redis.call('LPUSH', KEYS[2], live) end
  redis.call('HSET', KEYS[1], 'live', ARGV[3])
end
if ARGV[4] == '' then redis.call('HDEL', KEYS[1], 'incoming') else redis.call('HSET', KEYS[1], 'incoming', ARGV[4]) end
local entry = cjson.decode(ARGV[7])
redis.call('XADD', KEYS[4], '*', 'who', entry.who, 'what', entry.what, 'subject', entry.subject, 'why', entry.why)
return 'ok'
"""


@dataclass(frozen=True, slots=True)
class Aliases:
    """Where the names point; `previous` is what a rollback returns to."""

    live: str
    incoming: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """An adapter version with its standing. `refused` is why serving could not use it when it tried last, `marked` when
    (ms) somebody was forgotten whom it learned from."""

    id: str
    status: Status
    manifest: Manifest
    report: GateReport | None
    created_at: int
    refused: str | None = None
    marked: int | None = None


class Registry:
    """Adapter versions under `folder`, and the aliases. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, folder: Path):
        self._store = store
        self.folder = folder
        self._publish = store.register_script(_PUBLISH)
        self._move = store.register_script(_MOVE)
        self._mark = store.register_script(_MARK)

    def path(self, version: str) -> Path:
        """The folder of a version's files."""
        return self.folder / version

    def draft(self, name: str) -> Path:
        """An empty folder beside the versions, to be published by renaming it into place."""
        draft = self.folder / f".draft-{name}"
        for leftover in [draft, *self._abandoned()]:
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            draft.mkdir(parents=True)
        except OSError as error:
            raise DiskFull(f"{draft} cannot be made: {error.strerror}.") from error
        return draft

    def publish(
        self,
        draft: Path,
        manifest: Manifest,
        report: GateReport | None = None,
        fence: int | None = None,
        rejected: bool = False,
    ) -> None:
        """Rename a sealed draft into place and enter it into the record. Publishing a version twice changes nothing,
        unless its files were damaged since.

        Raises: FenceLost, DiskFull.
        """
        target = self.path(manifest.id)
        try:
            for file in draft.iterdir():
                _sync(file)
            if _is_whole(target, manifest.id):
                shutil.rmtree(draft)
            else:
                if target.exists():
                    os.replace(target, self.folder / f".draft-damaged-{new_id()}")
                os.replace(draft, target)
            _sync(self.folder)
        except OSError as error:
            raise DiskFull(f"version {manifest.id[:12]} could not be written: {error.strerror}.") from error
        with durable():
            answer = self._publish(
                keys=[keys.version(manifest.id), keys.VERSIONS, keys.REFRESH_FENCE]
                + [keys.seen_by(source) for source in dict.fromkeys(manifest.sources) if source],
                args=[
                    manifest.id,
                    to_json(manifest),
                    to_json(report) if report else "",
                    "" if fence is None else fence,
                    manifest.created_at,
                    int(rejected),
                ],
            )
        _raise(answer)

    def aliases(self) -> Aliases:
        """Where the names point now."""
        with durable(), self._store.pipeline() as pipe:
            pipe.hgetall(keys.ALIASES)
            pipe.lindex(keys.ALIAS_HISTORY, 0)
            names, previous = pipe.execute()
        return Aliases(names.get("live", BASE), names.get("incoming"), previous)

    def route(self) -> str:
        """The version that answers now."""
        return self.aliases().live

    def versions(self) -> list[Version]:
        """Every version, newest first."""
        aliases = self.aliases()
        with durable():
            ids = self._store.zrevrange(keys.VERSIONS, 0, -1)
        return [self._read(version, aliases) for version in ids]

    def get(self, prefix: str) -> Version:
        """The version whose id begins with a prefix.

        Raises: NotFound where none or several do.
        """
        with durable():
            matches = [v for v in self._store.zrange(keys.VERSIONS, 0, -1) if v.startswith(prefix)]
        if len(matches) != 1:
            found = "no version begins" if not matches else f"{len(matches)} versions begin"
            raise NotFound(f"{found} with {prefix}; `apprentice adapters list` shows them.")
        return self._read(matches[0], self.aliases())

    def wanted(self, most: int) -> list[str]:
        """The versions that serving should hold, most needed first: live, incoming, previous, the newest others."""
        aliases = self.aliases()
        named = [v for v in (aliases.live, aliases.incoming, aliases.previous) if v and v != BASE]
        with durable():
            newest = self._store.zrevrange(keys.VERSIONS, 0, most)
            out = {v for v in newest if any(self._store.hmget(keys.version(v), "rejected", "marked"))}
        spare = [v for v in newest if v not in out]
        return list(dict.fromkeys([*named, *spare]))[:most]

    def promote(self, version: str, who: str, why: str, fence: int | None = None, against: str | None = None) -> None:
        """Make a version (or `base`) the one that answers, as soon as every living serving process has it installed.

        With a fence (an automatic promotion) a rejected version is refused, and `against`, the version it was judged
        against, must still be live. A marked version is refused to everybody.

        Raises: NotFound, InvalidInput, AliasMoved, FenceLost.
        """
        aliases = self.aliases()
        if version != BASE and fence is not None and self.get(version).status == "rejected":
            raise InvalidInput(f"version {version[:12]} was rejected and is not promoted by itself.")
        if against is not None and aliases.live != against:
            raise AliasMoved(f"live is {aliases.live[:12]} now, and the version was judged against {against[:12]}.")
        if version != BASE:
            found = self.get(version)
            _raise("marked" if found.marked else "ok")
            version = found.id
        self._go_to(version, aliases, fence, ("promote", version, who, why))

    def settle(self) -> bool:
        """Move live to incoming if every living serving process has it. True where it moved."""
        aliases = self.aliases()
        if not aliases.incoming or not self._everywhere(aliases.incoming):
            return False
        try:
            entry = ("live", aliases.incoming, "serving", "installed everywhere")
            self._compare_and_move(aliases, aliases.incoming, "", None, "push", entry)
        except AliasMoved:
            return False
        return True

    def refuse(self, version: str, who: str, why: str) -> None:
        """Keep why serving cannot use a version. A promotion of it ends, and it is marked rejected.

        Raises: AliasMoved.
        """
        aliases = self.aliases()
        with durable():
            known = self._store.hget(keys.version(version), "refused") == why
            self._store.hset(keys.version(version), "refused", why)
        if aliases.incoming == version:
            self._compare_and_move(aliases, aliases.live, "", None, "push", ("refuse", version, who, why))
            self.reject(version)
        elif not known:
            with durable():
                self._store.xadd(keys.AUDIT, {"who": who, "what": "refuse", "subject": version, "why": why})

    def accept(self, version: str) -> None:
        """Serving can use a version, whatever it said before."""
        with durable():
            self._store.hdel(keys.version(version), "refused")

    def rollback(self, who: str, why: str) -> str:
        """Return to the version that was live before, at once; the one left is marked rejected. Returns the new live.

        Raises: InvalidInput where there is nothing to go back to; AliasMoved.
        """
        aliases = self.aliases()
        if aliases.previous is None:
            raise InvalidInput("there is no earlier version to go back to.")
        self._compare_and_move(aliases, aliases.previous, "", None, "pop", ("rollback", aliases.live, who, why))
        if aliases.live != BASE:
            self.reject(aliases.live)
        return aliases.previous

    def reject(self, version: str) -> None:
        """Mark a version as one that is never promoted by itself again."""
        with durable():
            self._store.hset(keys.version(version), "rejected", "1")

    def saw(self, turn: str) -> list[str]:
        """The versions that learned from a turn."""
        with durable():
            return sorted(self._store.smembers(keys.seen_by(turn)))

    def mark(self, turns: Collection[str], author: str, who: str, why: str) -> list[str]:
        """Mark the versions that learned from these turns or from this author: none of them is promoted again.

        Returns those that were not marked before.
        """
        with durable():
            texts = [self._store.hget(keys.version(v), "manifest") for v in self._store.zrange(keys.VERSIONS, 0, -1)]
            manifests = [from_json(Manifest, text) for text in texts]
            found = [m.id for m in manifests if author in m.source_digests or not set(turns).isdisjoint(m.sources)]
            names = [keys.ALIASES, keys.ALIAS_HISTORY, keys.AUDIT, *map(keys.version, found)]
            return self._mark(keys=names, args=[now_ms(), who, why, *found])

    def marked_live(self) -> tuple[str, int] | None:
        """The live version and since when (ms) it is marked; None where it is not."""
        live = self.route()
        with durable():
            marked = self._store.hget(keys.version(live), "marked")
        return (live, int(marked)) if marked else None

    def leave_marked(self, who: str, why: str) -> str | None:
        """Let live fall from a marked version to the newest that was live before and is not rejected, or to base.

        Nothing is done while another version is on its way. Returns where it falls to.

        Raises: AliasMoved.
        """
        aliases = self.aliases()
        if aliases.incoming or self.marked_live() is None:
            return None
        with durable():
            before = self._store.lrange(keys.ALIAS_HISTORY, 0, -1)
            fit = [v for v in before if not any(self._store.hmget(keys.version(v), "rejected", "refused", "marked"))]
        to = fit[0] if fit else BASE
        self._go_to(to, aliases, None, ("fall back", aliases.live, who, why))
        return to

    def heartbeat(self, replica: str, installed: Sequence[str], leases: dict[str, int]) -> None:
        """A serving process says that it lives, what it has installed, and what is in use."""
        with durable(), self._store.pipeline() as pipe:
            pipe.hset(
                keys.replica(replica),
                mapping={"installed": json.dumps(sorted(installed)), "leases": json.dumps(leases)},
            )
            pipe.pexpire(keys.replica(replica), DEAD_AFTER_MS)
            pipe.zadd(keys.REPLICAS, {replica: now_ms()})
            pipe.zremrangebyscore(keys.REPLICAS, "-inf", now_ms() - FORGOTTEN_AFTER_MS)
            pipe.execute()

    def depart(self, replica: str) -> None:
        """A serving process ends in good order."""
        with durable(), self._store.pipeline() as pipe:
            pipe.zrem(keys.REPLICAS, replica)
            pipe.delete(keys.replica(replica))
            pipe.execute()

    def living(self) -> dict[str, set[str]]:
        """Serving processes whose last heartbeat has not expired, and what each has installed."""
        with durable():
            names = self._store.zrange(keys.REPLICAS, 0, -1)
            found = {name: self._store.hget(keys.replica(name), "installed") for name in names}
        return {name: set(json.loads(text)) for name, text in found.items() if text}

    def audit(self, limit: int = 50) -> list[dict[str, str]]:
        """The newest entries of the audit log."""
        with durable():
            entries = self._store.xrevrange(keys.AUDIT, count=limit)
        return [{"at": entry.split("-")[0], **fields} for entry, fields in entries]

    def _go_to(self, version: str, seen: Aliases, fence: int | None, entry: tuple[str, str, str, str]) -> None:
        """Move live to a version, at once where every living serving process has it, else as soon as they do."""
        live, incoming = (version, "") if self._everywhere(version) else (seen.live, version)
        self._compare_and_move(seen, live, incoming, fence, "push", entry)

    def _everywhere(self, version: str) -> bool:
        return version == BASE or all(version in installed for installed in self.living().values())

    def _compare_and_move(
        self, seen: Aliases, live: str, incoming: str, fence: int | None, history: str, entry: tuple[str, str, str, str]
    ) -> None:
        audit = dict(zip(("what", "subject", "who", "why"), entry, strict=True))
        with durable():
            answer = self._move(
                keys=[keys.ALIASES, keys.ALIAS_HISTORY, keys.REFRESH_FENCE, keys.AUDIT]
                + [keys.version(seen.live), keys.version(live), keys.version(incoming)],
                args=[seen.live, seen.incoming or "", live, incoming, "" if fence is None else fence, history]
                + [json.dumps(audit)],
            )
        _raise(answer)

    def _read(self, version: str, aliases: Aliases) -> Version:
        with durable():
            record = self._store.hgetall(keys.version(version))
        manifest = from_json(Manifest, record["manifest"])
        report = from_json(GateReport, record["report"]) if "report" in record else None
        status: Status = "candidate"
        if version == aliases.live:
            status = "live"
        elif version == aliases.incoming:
            status = "incoming"
        elif "rejected" in record:
            status = "rejected"
        elif version == aliases.previous:
            status = "previous"
        marked = int(record["marked"]) if "marked" in record else None
        return Version(version, status, manifest, report, manifest.created_at, record.get("refused"), marked)

    def _abandoned(self) -> list[Path]:
        """Drafts whose writers were killed long ago."""
        oldest = time.time() - ABANDONED_S
        return [draft for draft in self.folder.glob(".draft-*") if draft.stat().st_mtime < oldest]


def _is_whole(folder: Path, version: str) -> bool:
    """Whether a folder holds a version as its id says."""
    try:
        read_config(folder)
        manifest = read_manifest(folder)
        return manifest is not None and version_id(manifest, read_tensors(folder / WEIGHTS)) == version
    except AdapterRefused:
        return False


def _raise(answer: str) -> None:
    failures: dict[str, ApprenticeError] = {
        "fence": FenceLost("another worker has taken this refresh over; its result is left to that one."),
        "moved": AliasMoved("the aliases moved meanwhile; look again and repeat if it is still wanted."),
        "marked": InvalidInput(
            "this version learned from somebody who was forgotten since, and never answers again; promote another, or "
            "wait for the refresh that tunes one without them."
        ),
    }
    if answer in failures:
        raise failures[answer]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
