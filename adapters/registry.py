"""Which adapter versions exist and which one answers: files under their hash, names in Redis that point at them.

`live` is what answers. A promotion sets `incoming`; once every living serving process reports that version installed,
`live` moves to it, by compare-and-set. A rollback goes back at once, to a version that is still installed. A canary
answers a share of the chats beside live, from when every living serving process has it.
"""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from adapters.aliases import MARKED, RETIRED, Aliases, AliasTable, Canary, Entry, Reign
from adapters.manifest import read_config, read_manifest, read_weights, version_id
from adapters.marks import Marks
from adapters.retirement import Retirement
from core import keys
from core.errors import AdapterRefused, AliasMoved, DiskFull, FenceLost, InvalidInput, NotFound
from core.records import BASE, GateReport, Manifest, from_json, new_id, now_ms, to_json
from core.store import Store, durable

Status = Literal["live", "incoming", "canary", "previous", "candidate", "rejected", "retired"]
HEARTBEAT_S = 2
DEAD_AFTER_MS = 3 * HEARTBEAT_S * 1000
FORGOTTEN_AFTER_MS = 3_600_000
BY_HAND = "a promotion by hand ended the trial"
LENT_MS = 15 * 60 * 1000
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


@dataclass(frozen=True, slots=True)
class Version:
    """An adapter version with its standing. `refused` is why serving could not use it when it tried last; `canary` is
    its trial, while it runs; `marked` is when (ms) somebody was forgotten whom it learned from.
    """

    id: str
    status: Status
    manifest: Manifest
    report: GateReport | None
    created_at: int
    refused: str | None = None
    canary: Canary | None = None
    marked: int | None = None


class Registry:
    """Adapter versions under `folder`, and the aliases. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, folder: Path):
        self._store = store
        self.folder = folder
        self._publish = store.register_script(_PUBLISH)
        self._table = AliasTable(store)
        self.marks = Marks(store)
        self._retirement = Retirement(store)

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
        if answer == "fence":
            raise FenceLost("another worker has taken this refresh over; its result is left to that one.")

    def aliases(self) -> Aliases:
        """Where the names point now."""
        return self._table.read()

    def route(self, chat: str | None = None) -> str:
        """The version that answers a chat now; what is live, where none is named."""
        return self.aliases().route(chat)

    def versions(self, first: int = 0, count: int | None = None) -> list[Version]:
        """Versions, newest first: all, or `count` of them after so many newer ones."""
        aliases = self.aliases()
        with durable():
            ids = self._store.zrevrange(keys.VERSIONS, first, -1 if count is None else first + count - 1)
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

    def learned(self, version: str) -> frozenset[str]:
        """The turns that a version learned from; base, and one that is not known any more, have none."""
        try:
            return frozenset() if version == BASE else frozenset(self.get(version).manifest.sources)
        except NotFound:
            return frozenset()

    def been_live(self) -> list[str]:
        """The version that is live and those before it that nothing was rolled back from, newest first; no base."""
        with durable():
            before = self._store.lrange(keys.ALIAS_HISTORY, 0, -1)
        return [v for v in dict.fromkeys([self.aliases().live, *before]) if v != BASE]

    def reigns(self) -> list[Reign]:
        """Each time that another version became live, oldest first."""
        return self._table.reigns()

    def wanted(self, most: int) -> list[str]:
        """The versions that serving should hold, most needed first: live, what comes, previous, what operators try, the
        newest others.
        """
        aliases = self.aliases()
        coming = aliases.canary.version if aliases.canary else aliases.incoming
        named = [v for v in (aliases.live, coming, aliases.previous) if v and v != BASE]
        with durable():
            guests = self._store.zrevrangebyscore(keys.GUESTS, "+inf", now_ms())
            newest = self._store.zrevrange(keys.VERSIONS, 0, most)
            guests = [v for v in guests if not any(self._store.hmget(keys.version(v), "marked", "retired"))]
            out = {v for v in newest if any(self._store.hmget(keys.version(v), "rejected", "marked", "retired"))}
        spare = [v for v in newest if v not in out]
        return list(dict.fromkeys([*named, *guests, *spare]))[:most]

    def lend(self, versions: Sequence[str]) -> None:
        """Have serving hold versions for a quarter of an hour, where live and what may take its place leave it room.

        Raises: NotFound; InvalidInput where one may never answer again, or serving cannot use it.
        """
        found = [self.get(version) for version in versions]
        for version in found:
            if version.marked:
                raise InvalidInput(MARKED)
            if version.status == "retired":
                raise InvalidInput(RETIRED)
            if version.refused:
                raise InvalidInput(f"version {version.id[:12]} cannot answer: serving refused it, as {version.refused}")
        with durable(), self._store.pipeline() as pipe:
            pipe.zremrangebyscore(keys.GUESTS, "-inf", now_ms())
            for version in found:
                pipe.zadd(keys.GUESTS, {version.id: now_ms() + LENT_MS})
            pipe.execute()

    def promote(
        self,
        version: str,
        who: str,
        why: str,
        fence: int | None = None,
        against: str | None = None,
        seen: Aliases | None = None,
    ) -> None:
        """Make a version (or `base`) the one that answers, as soon as every living serving process has it installed.

        With a fence (an automatic promotion) a rejected version is refused, `against`, the version it was judged
        against, must still be live, and no canary may run. Any other promotion ends a canary. A marked or retired
        version is refused to everybody. Where the names were `seen` before, they must still point there.

        Raises: NotFound, InvalidInput, AliasMoved, FenceLost.
        """
        aliases = seen or self.aliases()
        if version != BASE:
            version = self._promotable(version, aliases, fence is not None, against)
        to = self._coming(aliases, version)
        self._table.move(aliases, to, [*_cut_short(aliases, who, BY_HAND), Entry("promote", version, who, why)], fence)

    def start_canary(
        self,
        version: str,
        share: float,
        who: str,
        why: str,
        fence: int | None,
        against: str,
        seen: Aliases | None = None,
    ) -> None:
        """Try a version with a share of the chats in (0, 1), as soon as every living serving process has it installed.

        It must be neither rejected, marked nor retired, `against`, the version it was judged against, must still be
        live, and no other version may be on its way. Where the names were `seen` before, they must still point there.

        Raises: NotFound, InvalidInput, AliasMoved, FenceLost.
        """
        aliases = seen or self.aliases()
        version = self._promotable(version, aliases, True, against)
        if aliases.incoming:
            raise AliasMoved(f"version {aliases.incoming[:12]} is about to be live.")
        at = now_ms()
        canary = Canary(version, share, aliases.live, at, at if self._everywhere(version) else None)
        self._table.move(aliases, replace(aliases, canary=canary), [Entry("canary", version, who, why)], fence)

    def share_canary(self, share: float, who: str, why: str, seen: Aliases | None = None) -> None:
        """Try the version on trial with another share of the chats in (0, 1), at once; its trial goes on.

        Where the names were `seen` before, they must still point there.

        Raises: InvalidInput where none is on trial, or the share is none or is it already; AliasMoved.
        """
        aliases = seen or self.aliases()
        canary = aliases.canary
        if canary is None:
            raise InvalidInput("no version is on trial; `apprentice adapters list` shows which there are.")
        if not 0 < share < 1:
            raise InvalidInput("the share must be more than 0 and less than 1; 0.2 is a fifth of the chats.")
        if share == canary.share:
            raise InvalidInput(f"{canary.version[:12]} is tried with {share:.0%} of the chats already.")
        entry = Entry("canary share", canary.version, who, f"from {canary.share:.0%} to {share:.0%}. {why}".rstrip())
        to = replace(aliases, canary=canary.with_share(share, now_ms()))
        self._table.move(aliases, to, [entry])

    def end_canary(self, canary: Canary, outcome: Literal["promote", "rollback", "expire"], who: str, why: str) -> None:
        """End a canary: its version becomes live, is marked rejected, or is left a candidate without a verdict.

        Raises: AliasMoved where it has ended already.
        """
        aliases = self.aliases()
        if aliases.canary != canary:
            raise AliasMoved(f"the canary {canary.version[:12]} has ended already.")
        ended = replace(aliases, canary=None)
        to = self._coming(ended, canary.version) if outcome == "promote" else ended
        rejected = canary.version if outcome == "rollback" else None
        self._table.move(aliases, to, [Entry(f"canary {outcome}", canary.version, who, why)], rejected=rejected)

    def settle(self) -> bool:
        """Move live to incoming, or start the canary, if every living serving process has it. True where it did."""
        aliases = self.aliases()
        canary = aliases.canary
        if aliases.incoming and self._everywhere(aliases.incoming):
            what, to = "live", self._coming(aliases, aliases.incoming)
            subject = aliases.incoming
        elif canary and canary.started_at is None and self._everywhere(canary.version):
            what, to = "canary start", replace(aliases, canary=replace(canary, started_at=now_ms()))
            subject = canary.version
        else:
            return False
        try:
            self._table.move(aliases, to, [Entry(what, subject, "serving", "installed everywhere")])
        except AliasMoved:
            return False
        return True

    def refuse(self, version: str, who: str, why: str) -> None:
        """Keep why serving cannot use a version. A promotion or trial of it ends, and it is marked rejected.

        Raises: AliasMoved.
        """
        aliases = self.aliases()
        with durable():
            known = self._store.hget(keys.version(version), "refused") == why
            self._store.hset(keys.version(version), "refused", why)
        to = replace(
            aliases,
            incoming=None if aliases.incoming == version else aliases.incoming,
            canary=None if aliases.canary and aliases.canary.version == version else aliases.canary,
        )
        if to != aliases:
            self._table.move(aliases, to, [Entry("refuse", version, who, why)], rejected=version)
        elif not known:
            with durable():
                self._store.xadd(keys.AUDIT, {"who": who, "what": "refuse", "subject": version, "why": why})

    def accept(self, version: str) -> None:
        """Serving can use a version, whatever it said before."""
        with durable():
            self._store.hdel(keys.version(version), "refused")

    def rollback(self, who: str, why: str, seen: Aliases | None = None) -> str:
        """Take back what came last, at once, and mark it rejected: a running canary, or else the version that is live,
        for the one that was live before. Returns what is live then. Where the names were `seen` before, they must
        still point there.

        Raises: InvalidInput where there is nothing to go back to; AliasMoved.
        """
        aliases = seen or self.aliases()
        if aliases.canary:
            self.end_canary(aliases.canary, "rollback", who, why)
            return aliases.live
        if aliases.previous is None:
            raise InvalidInput("there is no earlier version to go back to.")
        to = replace(aliases, live=aliases.previous, incoming=None)
        entry = Entry("rollback", aliases.live, who, why)
        self._table.move(aliases, to, [entry], back=True, rejected=aliases.live)
        return aliases.previous

    def retire(self, version: str, who: str, why: str) -> None:
        """Put a version away for good and remove its files; it must be neither live, previous nor on its way.

        Raises: NotFound; InvalidInput where it is in use or retired already; DiskFull where its files stay.
        """
        found = self.get(version)
        self._retirement.enter(found.id, who, why)
        leftover = self.folder / f".draft-retired-{new_id()}"
        try:
            os.replace(self.path(found.id), leftover)
        except FileNotFoundError:
            return
        except OSError as error:
            raise DiskFull(f"{found.id[:12]} is retired, but its files stay: {error.strerror}.") from error
        shutil.rmtree(leftover, ignore_errors=True)

    def marked_live(self) -> tuple[str, int] | None:
        """The live version and since when (ms) it is marked; None where it is not."""
        live = self.route()
        since = self.marks.since(live)
        return (live, since) if since is not None else None

    def leave_marked(self, who: str, why: str) -> str | None:
        """Let live fall from a marked version to the newest that was live before and is not rejected, or to base.

        Nothing is done while another version is about to be live; a trial beside the marked one ends. Returns where
        it falls to.

        Raises: AliasMoved.
        """
        aliases = self.aliases()
        if aliases.incoming or self.marks.since(aliases.live) is None:
            return None
        with durable():
            before = self._store.lrange(keys.ALIAS_HISTORY, 0, -1)
            fit = [v for v in before if not any(self._store.hmget(keys.version(v), "rejected", "refused", "marked"))]
        to = fit[0] if fit else BASE
        entries = [*_cut_short(aliases, who, why), Entry("fall back", aliases.live, who, why)]
        self._table.move(aliases, self._coming(aliases, to), entries)
        return to

    def reject(self, version: str) -> None:
        """Mark a version as one that is never promoted by itself again."""
        with durable():
            self._store.hset(keys.version(version), "rejected", "1")

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

    def audit_after(self, entry: str) -> list[tuple[str, dict[str, str]]]:
        """The entries of the audit log after one, oldest first, each with its id."""
        with durable():
            return self._store.xrange(keys.AUDIT, min=f"({entry}")

    def _everywhere(self, version: str) -> bool:
        return version == BASE or all(version in installed for installed in self.living().values())

    def _promotable(self, version: str, aliases: Aliases, by_itself: bool, against: str | None) -> str:
        """The id of a version that may be promoted."""
        found = self.get(version)
        if found.marked:
            raise InvalidInput(MARKED)
        if found.status == "retired":
            raise InvalidInput(RETIRED)
        if by_itself and found.status == "rejected":
            raise InvalidInput(f"version {found.id[:12]} was rejected and is not promoted by itself.")
        if by_itself and aliases.canary:
            raise AliasMoved(
                f"version {aliases.canary.version[:12]} is on trial, and nothing else is promoted meanwhile."
            )
        if against is not None and aliases.live != against:
            raise AliasMoved(f"live is {aliases.live[:12]} now, and the version was judged against {against[:12]}.")
        return found.id

    def _coming(self, aliases: Aliases, version: str) -> Aliases:
        """The aliases with a version live, or incoming until it is installed everywhere, and no canary."""
        if self._everywhere(version):
            return replace(aliases, live=version, incoming=None, canary=None)
        return replace(aliases, incoming=version, canary=None)

    def _read(self, version: str, aliases: Aliases) -> Version:
        with durable():
            record = self._store.hgetall(keys.version(version))
        manifest = from_json(Manifest, record["manifest"])
        report = from_json(GateReport, record["report"]) if "report" in record else None
        canary = aliases.canary if aliases.canary and aliases.canary.version == version else None
        status: Status = "candidate"
        if version == aliases.live:
            status = "live"
        elif version == aliases.incoming:
            status = "incoming"
        elif canary:
            status = "canary"
        elif "retired" in record:
            status = "retired"
        elif "rejected" in record:
            status = "rejected"
        elif version == aliases.previous:
            status = "previous"
        marked = int(record["marked"]) if "marked" in record else None
        return Version(version, status, manifest, report, manifest.created_at, record.get("refused"), canary, marked)

    def _abandoned(self) -> list[Path]:
        """Drafts whose writers were killed long ago."""
        oldest = time.time() - ABANDONED_S
        return [draft for draft in self.folder.glob(".draft-*") if draft.stat().st_mtime < oldest]


def _is_whole(folder: Path, version: str) -> bool:
    """Whether a folder holds a version as its id says."""
    try:
        read_config(folder)
        manifest = read_manifest(folder)
        return manifest is not None and version_id(manifest, read_weights(folder)) == version
    except AdapterRefused:
        return False


def _cut_short(aliases: Aliases, who: str, why: str) -> list[Entry]:
    """What the audit log says of a canary that ends because live goes elsewhere."""
    return [Entry("canary end", aliases.canary.version, who, why)] if aliases.canary else []


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
