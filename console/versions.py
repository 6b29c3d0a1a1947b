"""The adapters' pages: which versions exist, which one answers, what the gate found, and what each learned from."""

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.aliases import Reign
from adapters.registry import Registry, Version
from console.compare import score
from console.moves import Moves
from console.pages import show
from console.plots import Dot, Line, plot
from console.refreshes import Refreshes, drawn
from core.errors import NotFound
from feedback.archive import Archive
from feedback.comparisons import Comparisons
from feedback.curves import read_curve
from feedback.evidence import summary
from feedback.outcomes import Outcomes
from training.lineage import by_kind, words
from training.report import examples, facts, made_of
from training.trends import Trend, trends

VERSIONS = 15
"""Versions on one page, and in its plots."""
PAGE = 50
"""Items of a version's lineage on one page."""
SHOWN = 6
"""Examples of each result on a version's page."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A time during which a version was live, in whose place, and who decided it; it goes on without an end."""

    since: int
    until: int | None
    was: str
    who: str


class Versions:
    """Pages over the registry and the record."""

    def __init__(self, archive: Archive, registry: Registry):
        self._store, self._turns, self._reviews = archive.store, archive.turns, archive.reviews
        self._registry = registry
        self._outcomes = Outcomes(archive.store, archive.turns, archive.ratings)
        self._comparisons = Comparisons(archive.store, archive.ratings)
        self._moves = Moves(registry)
        self._refreshes = Refreshes(archive, registry)

    def routes(self) -> list[Route]:
        """The list, a page for each version, what can be done with them, and the refresh."""
        return [
            Route("/adapters", self._list, methods=["GET"]),
            *self._moves.routes(),
            Route("/adapters/{version}", self._one, methods=["GET"]),
            Route("/adapters/{version}/items/{kind}", self._items, methods=["GET"]),
            *self._refreshes.routes(),
        ]

    async def _list(self, request: Request) -> Response:
        return show(request, "adapters.html", await asyncio.to_thread(self._some, _page(request)))

    async def _one(self, request: Request) -> Response:
        return show(request, "adapter.html", await asyncio.to_thread(self._facts, request.path_params["version"]))

    async def _items(self, request: Request) -> Response:
        version, kind = request.path_params["version"], request.path_params["kind"]
        return show(request, "lineage.html", await asyncio.to_thread(self._lineage, version, kind, _page(request)))

    def _some(self, page: int) -> dict[str, Any]:
        """A page of versions, and how they did in each slice."""
        found = self._registry.versions((page - 1) * VERSIONS, VERSIONS + 1)
        versions = found[:VERSIONS]
        reports = [version.report for version in versions if version.report]
        return {
            "versions": versions,
            "page": page,
            "more": len(found) > VERSIONS,
            "aliases": self._registry.aliases(),
            "answered": _answered(self._registry.reigns()),
            "trends": [(trend, _picture(trend)) for trend in trends(reports)],
        }

    def _facts(self, prefix: str) -> dict[str, Any]:
        version = self._registry.get(prefix)
        manifest = version.manifest
        told: dict[str, Any] = {
            "version": version,
            "made_of": list(made_of(manifest)),
            "answered": _answered(self._registry.reigns())[version.id],
            "kinds": {kind: len(ids) for kind, ids in by_kind(manifest.sources, self._turns, self._reviews).items()},
            "curves": drawn(read_curve(self._store, manifest.snapshot)) if manifest.snapshot else [],
            "trial": self._trial(version),
            "scores": [
                score(row.seen_from(version.id))
                for row in self._comparisons.preferences()
                if version.id in (row.version, row.other)
            ],
        }
        if version.report:
            shown = examples(version.report, self._turns, self._reviews, SHOWN)
            told |= {"report": version.report, "facts": list(facts(version.report)), "examples": shown}
        return told

    def _trial(self, version: Version) -> str | None:
        """What its trial has shown, if there is or was one."""
        evidence = self._outcomes.evidence(version.id)
        return summary(evidence) if version.canary or evidence.windows else None

    def _lineage(self, prefix: str, kind: str, page: int) -> dict[str, Any]:
        version = self._registry.get(prefix)
        found = {str(name): ids for name, ids in by_kind(version.manifest.sources, self._turns, self._reviews).items()}
        if kind == "gone" or kind not in found:
            raise NotFound(f"version {version.id[:12]} learned from no items of this kind.")
        ids = found[kind]
        items = words(ids[(page - 1) * PAGE : page * PAGE], self._turns, self._reviews)
        last = max(1, -(-len(ids) // PAGE))
        return {"version": version, "kind": kind, "count": len(ids), "items": items, "page": page, "last": last}


def _page(request: Request) -> int:
    """The page of a list that is asked for, from 1."""
    number = request.query_params.get("page", "1")
    return max(1, int(number)) if re.fullmatch("[0-9]{1,6}", number) else 1


def _answered(reigns: list[Reign]) -> defaultdict[str, list[Answered]]:
    """When each version was live, oldest time first."""
    found: defaultdict[str, list[Answered]] = defaultdict(list)
    for reign, after in zip_longest(reigns, reigns[1:]):
        found[reign.live].append(Answered(reign.at, after.at if after else None, reign.was, reign.who))
    return found


def _picture(trend: Trend) -> Markup:
    judged = trend.judged
    dots = [Dot(at, j.after, j.low, j.high, j.before, j.outcome.split()[0]) for at, j in enumerate(judged)]
    said = "; ".join(f"{j.version[:8]} {j.before:.3f} before, {j.after:.3f} after" for j in judged)
    line = Line([(at, j.after) for at, j in enumerate(judged)], "faint")
    return plot(
        f"{trend.slice}, {trend.measure}: {said}", [line], dots, (judged[0].version[:8], judged[-1].version[:8])
    )
