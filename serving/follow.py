"""Follows the aliases: installs what should answer, retires what nobody needs, and says what this process holds."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.aliases import Aliases
from adapters.base import Base
from adapters.manifest import HEAD, WEIGHTS
from adapters.registry import HEARTBEAT_S, Registry
from adapters.verify import verify
from core.errors import AdapterRefused, AliasMoved, Busy, InvalidInput, StoreUnavailable, UnknownModel
from core.prompt import Renderer
from core.records import BASE
from feedback.turns import Turns
from serving.engine import Engine

log = logging.getLogger(__name__)
POLL_S = 0.2
RETRY_S = 5
"""A version that could not be installed, for another reason than its files, is tried again after this."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a version is refused, and which files were looked at: others get another look."""

    why: str
    files: tuple[tuple[int, int] | None, ...]


class Follower:
    """Keeps an engine's installed versions in step with the registry. `live` is what answers when nothing is pinned."""

    def __init__(
        self,
        registry: Registry,
        engine: Engine,
        base: Base,
        renderer: Renderer,
        turns: Turns,
        replica: str,
        slots: int,
    ):
        self._registry = registry
        self._engine = engine
        self._base = base
        self._turns = turns
        self._replica = replica
        self._slots = slots
        self._refused: dict[str, _Refusal] = {}
        self._retry_at: dict[str, float] = {}
        self._renderers = {BASE: renderer}
        self._learned: dict[str, frozenset[str]] = {BASE: frozenset()}
        self._beat_due = 0.0
        self._held: Counter[str] = Counter()
        self._leaving: frozenset[str] = frozenset()
        self._retiring: dict[str, asyncio.Task[None]] = {}
        self._aliases: Aliases | None = None
        self._missed: frozenset[str] = frozenset()
        self._reader = ThreadPoolExecutor(1, "verify")  # only one: each thread keeps what its largest file took
        self.live: str | None = None

    @asynccontextmanager
    async def routed(self, model: str, chat: str | None) -> AsyncIterator[str]:
        """The version that a request's model names, kept installed meanwhile: `apprentice` is live, or for some chats
        the canary; an id is itself.

        The aliases are looked up for every request: every replica has a version before it is routed to, so whoever was
        answered by the new version once is not answered by the old one again, whichever replica is asked.

        Raises: UnknownModel.
        """
        version = await self._version_for(chat) if model == "apprentice" else model
        if version not in self._engine.installed():
            raise UnknownModel(f"there is no model {model!r} here; /v1/models lists those that answer.")
        self._held[version] += 1
        try:
            yield version
        finally:
            self._held[version] -= 1

    def renderer(self, version: str) -> Renderer:
        """What renders prompts as an installed version was tuned on."""
        return self._renderers[version]

    def learned(self, version: str) -> frozenset[str]:
        """The turns that an installed version has learned from."""
        return self._learned[version]

    @property
    def ready(self) -> bool:
        """Whether the versions that should answer can; one that no replica can use, another may stand in for."""
        return self.live in self._engine.installed() and not self._missed

    @property
    def canary_share(self) -> float:
        """The share of the chats that is routed to a version on trial."""
        canary = self._aliases.started_canary if self._aliases else None
        return canary.share if canary else 0.0

    async def run(self) -> None:
        """Follow until cancelled. Whatever goes wrong in a step, the present version goes on answering."""
        while True:
            try:
                await self.step()
            except StoreUnavailable as error:
                log.warning("following the aliases: %s", error)
            except Exception:
                log.exception("following the aliases failed, and is tried again")
            await asyncio.sleep(POLL_S)

    async def step(self) -> None:
        """One look at the registry: install, report, move live if it may, retire."""
        wanted = await asyncio.to_thread(self._registry.wanted, self._slots)
        if self.live not in (None, BASE, *wanted):
            wanted = wanted[: self._slots - 1]  # what still answers has a slot, and must not keep its successor out
        news = self._retire(frozenset(wanted))
        if news or time.monotonic() >= self._beat_due:
            await asyncio.to_thread(self._heartbeat)
        await self._install([v for v in wanted if v not in self._engine.installed()])
        await asyncio.to_thread(self._registry.settle)
        await self._point()

    async def _version_for(self, chat: str | None) -> str:
        """What answers a chat at this moment; what answered last, where that cannot be known or is not here."""
        try:
            version = await asyncio.to_thread(self._registry.route, chat)
        except StoreUnavailable:
            version = self._aliases.route(chat) if self._aliases else BASE
        installed = self._engine.installed()
        if version in installed:
            return version
        return self.live if self.live in installed else BASE

    async def _point(self) -> None:
        """Let the version that the alias names answer, if it is here; where it is refused, another stands in."""
        aliases = await asyncio.to_thread(self._registry.aliases)
        self._missed = await self._missing(aliases)
        answers: str | None = self.live
        if aliases.live in self._engine.installed():
            answers = aliases.live
        elif aliases.live in self._refused:
            if self.live is None:
                answers = aliases.previous if aliases.previous in self._engine.installed() else BASE
                log.error("version %s should answer and is refused here; %s does", aliases.live[:12], answers[:12])
        if answers != self.live and answers is not None:
            log.info("version %s answers now", answers[:12])
            self.live = answers
        self._aliases = aliases

    async def _missing(self, aliases: Aliases) -> frozenset[str]:
        """The versions that are routed to and not here, unless they are refused here and no other replica has them."""
        canary = aliases.started_canary
        routed = {aliases.live, canary.version} if canary else {aliases.live}
        missing = routed - self._engine.installed()
        refused = missing & self._refused.keys()
        if refused:
            refused = refused.difference(*(await asyncio.to_thread(self._registry.living)).values())
        return frozenset(missing - refused)

    async def _install(self, versions: Sequence[str]) -> None:
        """Install what there is room for, and say so; the rest waits until what is being retired has gone."""
        for version in versions:
            refusal = self._refused.get(version)
            if refusal and refusal.files == _files(self._registry.path(version)):
                await self._refuse(version, refusal.why)
            elif self._may_be_tried(version) and await self._try_install(version):
                await asyncio.to_thread(self._heartbeat)

    def _may_be_tried(self, version: str) -> bool:
        room = len(self._engine.installed()) <= self._slots
        return room and version not in self._retiring and time.monotonic() >= self._retry_at.get(version, 0)

    async def _try_install(self, version: str) -> bool:
        folder = self._registry.path(version)
        files = _files(folder)
        try:
            await self._verified_install(version, folder)
        except Busy:
            return False  # a version that is being retired still has its slot
        except AdapterRefused as error:
            self._refused[version] = _Refusal(str(error), files)
            log.error("version %s is refused: %s", version[:12], error)
            await self._refuse(version, str(error))
            return False
        except Exception:
            log.exception("version %s could not be installed, and is tried again", version[:12])
            self._retry_at[version] = time.monotonic() + RETRY_S
            return False
        self._refused.pop(version, None)
        await asyncio.to_thread(self._registry.accept, version)
        return True

    async def _refuse(self, version: str, why: str) -> None:
        """Say why a version cannot be used, and end its promotion if there is one."""
        try:
            await asyncio.to_thread(self._registry.refuse, version, "serving", why)
        except AliasMoved as error:
            log.warning("version %s: %s", version[:12], error)

    async def _verified_install(self, version: str, folder: Path) -> None:
        base, renderer = self._base, self._renderers[BASE]
        manifest = await asyncio.get_running_loop().run_in_executor(
            self._reader, verify, folder, base.name, base.hash, base.shapes(), renderer.identity, version
        )
        try:
            self._renderers[version] = renderer.at(manifest.prompt_identity)
        except InvalidInput as error:
            raise AdapterRefused(str(error)) from error
        self._learned[version] = frozenset(manifest.sources)
        await self._engine.install(version, folder)

    def _retire(self, wanted: frozenset[str]) -> bool:
        """Start retiring what is no longer wanted; each goes when its last generation ends. True where news is due.

        The heartbeat says first that a version goes, and one step later it does if it is still not wanted: a
        promotion must not count on what is about to leave.
        """
        unwanted = self._engine.installed() - wanted - {BASE, self.live}
        for version in unwanted & self._leaving:
            if version not in self._retiring and not self._held[version]:
                task = asyncio.create_task(self._engine.retire(version))
                self._retiring[version] = task
                task.add_done_callback(partial(self._retired, version))
        changed = unwanted != self._leaving
        self._leaving = unwanted
        return changed

    def _retired(self, version: str, task: "asyncio.Task[None]") -> None:
        del self._retiring[version]
        if not task.cancelled() and task.exception():
            log.error("version %s could not be retired", version[:12], exc_info=task.exception())

    def _heartbeat(self) -> None:
        installed = self._engine.installed() - self._leaving
        self._registry.heartbeat(self._replica, sorted(installed), self._engine.leases())
        self._beat_due = time.monotonic() + HEARTBEAT_S
        for turn_id in self._turns.close_orphans(self._registry.living()):
            log.warning("turn %s was left open by a process that died; closed as failed", turn_id)


def _files(folder: Path) -> tuple[tuple[int, int] | None, ...]:
    """What tells a version's files from others in their place."""
    return tuple(_file(folder / name) for name in (WEIGHTS, HEAD))


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
