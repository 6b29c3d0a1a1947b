"""Versions that an operator may ask beside live, and how one that serving does not hold comes to answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from adapters.registry import Registry, Version
from console.scripts import Line
from core.client import AWAY
from core.errors import Busy, InvalidInput, ServingUnavailable
from core.records import BASE

SHOWN = 30
"""The newest versions that are offered, beside those that the names point at."""
LOOK_S, PATIENCE_S = 0.2, 60


@dataclass(frozen=True, slots=True)
class Choice:
    """A version that can be asked."""

    id: str
    standing: str
    held: bool

    @property
    def label(self) -> str:
        """What stands in a list of versions."""
        told = [] if self.id == BASE and self.standing == BASE else [self.standing]
        return " · ".join([self.id[:12], *told, *([] if self.held else ["is loaded first"])])


class Candidates:
    """Versions as the registry knows them, and as many as serving has room for."""

    def __init__(self, registry: Registry, slots: int):
        self._registry = registry
        self._slots = slots

    def choices(self) -> list[Choice]:
        """Every version that can be asked: what the names point at first, then base, then the newest others."""
        aliases, held = self._registry.aliases(), self._held()
        named = [aliases.live, aliases.canary.version if aliases.canary else aliases.incoming, aliases.previous, BASE]
        versions = {version.id: version for version in self._registry.versions(0, SHOWN)}
        for name in named:
            if name and name != BASE and name not in versions:
                versions[name] = self._registry.get(name)
        standings = {version.id: version.status for version in versions.values() if _may_answer(version)}
        order = dict.fromkeys([name for name in named if name == BASE or name in standings] + list(standings))
        live = {aliases.live: "live"}
        return [Choice(v, live.get(v) or standings.get(v, BASE), v == BASE or v in held) for v in order]

    def id_of(self, version: str) -> str:
        """The full id of a version that may be asked.

        Raises: NotFound.
        """
        return BASE if version == BASE else self._registry.get(version).id

    async def ready(self, versions: Sequence[str]) -> AsyncIterator[Line]:
        """Wait until every serving process holds versions; a line of type `loading` says which are waited for.

        Raises: InvalidInput where one may never answer again, or is refused; Busy where there is no room for it;
        ServingUnavailable where nobody loads it.
        """
        wanted = [version for version in versions if version != BASE]
        await asyncio.to_thread(self._registry.lend, wanted)
        missing = await asyncio.to_thread(self._missing, wanted)
        if missing and not await asyncio.to_thread(self._registry.living):
            raise ServingUnavailable(AWAY)
        if missing:
            yield {"type": "loading", "versions": [version[:12] for version in missing]}
        for _ in range(int(PATIENCE_S / LOOK_S)):
            if not missing:
                return
            await asyncio.sleep(LOOK_S)
            missing = await asyncio.to_thread(self._missing, wanted)
        if missing:
            raise ServingUnavailable(f"serving has not loaded {_listed(missing)} within a minute; ask once more.")

    def _missing(self, versions: Sequence[str]) -> list[str]:
        """Those of the versions that some serving process does not hold yet.

        Raises: as `ready`.
        """
        missing = [version for version in versions if version not in self._held()]
        kept = self._registry.wanted(self._slots)
        if crowded := [version for version in missing if version not in kept]:
            raise Busy(
                f"serving has no room for {_listed(crowded)}: its {self._slots} adapter slots hold what answers, what "
                "may take its place, or what another operator tries. Choose another version, wait a quarter of an "
                "hour, or raise APPRENTICE_ADAPTER_SLOTS."
            )
        for version in missing:
            if refused := self._registry.get(version).refused:
                raise InvalidInput(f"version {version[:12]} cannot answer: serving refused it, as {refused}")
        return missing

    def _held(self) -> set[str]:
        """The versions that every serving process holds."""
        living = list(self._registry.living().values())
        return set.intersection(*living) if living else set()


def _may_answer(version: Version) -> bool:
    return not (version.marked or version.refused or version.status == "retired")


def _listed(versions: Sequence[str]) -> str:
    return " and ".join(version[:12] for version in versions)
