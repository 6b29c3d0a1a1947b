"""Follows the aliases: installs what should answer, retires what nobody needs, and says what this process holds."""

import asyncio
import logging
import time
from pathlib import Path

from adapters.base import Base
from adapters.registry import HEARTBEAT_S, Registry
from adapters.verify import verify
from core.errors import AdapterRefused, AliasMoved, Busy, InvalidInput, StoreUnavailable, UnknownModel
from core.prompt import Renderer
from core.records import BASE
from feedback.turns import Turns
from serving.engine import Engine

log = logging.getLogger(__name__)
POLL_S = 0.2


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
        self._refused: dict[str, str] = {}
        self._renderers = {BASE: renderer}
        self._beat_due = 0.0
        self._retiring: dict[str, asyncio.Task[None]] = {}
        self.live: str | None = None

    def route(self, model: str) -> str:
        """The version that a request's model names: `apprentice` is whatever is live, an id is itself.

        Raises: UnknownModel.
        """
        if model == "apprentice":
            return self.live if self.live in self._engine.installed() else BASE
        if model in self._engine.installed():
            return model
        raise UnknownModel(f"there is no model {model!r} here; /v1/models lists those that answer.")

    def renderer(self, version: str) -> Renderer:
        """What renders prompts as an installed version was tuned on."""
        return self._renderers[version]

    @property
    def ready(self) -> bool:
        """Whether the version that should answer can."""
        return self.live is not None and self.live in self._engine.installed()

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
        self._retire(set(wanted))
        changed = await self._install([v for v in wanted if v not in self._engine.installed()])
        if changed or time.monotonic() >= self._beat_due:
            await asyncio.to_thread(self._heartbeat)
        await asyncio.to_thread(self._registry.settle)
        live = await asyncio.to_thread(self._registry.route)
        if live != self.live and live in self._engine.installed():
            log.info("version %s answers now", live[:12])
            self.live = live
        elif self.live is None and live in self._refused:
            log.error("the live version %s was refused here; base answers instead", live[:12])
            self.live = BASE

    async def _install(self, versions: list[str]) -> bool:
        """Install what there is room for; the rest waits until what is being retired has gone."""
        changed = False
        for version in versions:
            if version in self._refused:
                await self._give_up(version)
            elif version not in self._retiring and len(self._engine.installed()) <= self._slots:
                changed |= await self._try_install(version)
        return changed

    async def _try_install(self, version: str) -> bool:
        try:
            await self._verified_install(version, self._registry.path(version))
        except Busy:
            return False  # a version that is being retired still has its slot
        except AdapterRefused as error:
            self._refused[version] = str(error)
            log.error("version %s is refused: %s", version[:12], error)
            await self._give_up(version)
            return False
        return True

    async def _give_up(self, version: str) -> None:
        """End the promotion of a version that was refused here, if there is one."""
        try:
            await asyncio.to_thread(self._registry.abandon_incoming, version, "serving", self._refused[version])
        except AliasMoved as error:
            log.warning("version %s: %s", version[:12], error)

    async def _verified_install(self, version: str, folder: Path) -> None:
        base, renderer = self._base, self._renderers[BASE]
        manifest = await asyncio.to_thread(
            verify, folder, base.name, base.hash, base.shapes(), renderer.identity, version
        )
        try:
            self._renderers[version] = renderer.at(manifest.prompt_identity)
        except InvalidInput as error:
            raise AdapterRefused(str(error)) from error
        await self._engine.install(version, folder)

    def _retire(self, wanted: set[str]) -> None:
        """Start retiring what is no longer wanted; each goes when its last generation ends."""
        for version in self._engine.installed() - wanted - {BASE, self.live}:
            if version not in self._retiring:
                task = asyncio.create_task(self._engine.retire(version))
                self._retiring[version] = task
                task.add_done_callback(lambda _, version=version: self._retiring.pop(version))

    def _heartbeat(self) -> None:
        self._registry.heartbeat(self._replica, sorted(self._engine.installed()), self._engine.leases())
        self._beat_due = time.monotonic() + HEARTBEAT_S
        for turn_id in self._turns.close_orphans(self._registry.living()):
            log.warning("turn %s was left open by a process that died; closed as failed", turn_id)
