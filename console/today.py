"""Today's page: what waits, what has changed since an operator's last visit, and which of their decisions went live."""

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.aliases import Reign
from adapters.registry import Registry
from console.health import ago
from console.pages import show
from console.visits import Visits
from console.who import needs, operator
from core.records import Review, now_ms
from feedback.archive import Archive
from feedback.audit import AuditLog
from feedback.credit import credited
from feedback.handovers import Handovers
from feedback.progress import read_progress
from feedback.turns import question
from training.outlook import why_due

LOOKED_AT, ENTRIES = 500, 30
"""Entries of the audit log that are read, and that are shown."""
WENT_LIVE, QUESTIONS = 5, 8
"""Versions whose new turns are looked through, and how many questions of each are shown."""


@dataclass(frozen=True, slots=True)
class Share:
    """What an operator has to do with a version that became live: how many decisions, and some of their questions."""

    reign: Reign
    decisions: int
    asked: tuple[tuple[Review, str], ...]


class Today:
    """The page over the record, the registry and the audit log."""

    def __init__(self, archive: Archive, registry: Registry, audit: AuditLog):
        self._settings, self._store = archive.settings, archive.store
        self._turns, self._reviews = archive.turns, archive.reviews
        self._registry, self._audit = registry, audit
        self._handovers, self._visits = Handovers(archive.store, archive.turns), Visits(archive.store)

    def routes(self) -> list[Route]:
        """The page, which is the front page."""
        return [Route("/", needs("viewer", self._page), methods=["GET"])]

    async def _page(self, request: Request) -> Response:
        return show(request, "today.html", await asyncio.to_thread(self._facts, operator(request).name))

    def _facts(self, name: str) -> dict[str, Any]:
        since, oldest, reigns = self._visits.look(name), self._reviews.oldest(), self._registry.reigns()
        entries = [e for e in self._audit.page(count=LOOKED_AT) if e.at > since and e.who != name]
        return {
            "since": since,
            "asked": self._turns.has_any(),
            "waiting": self._reviews.waiting(),
            "oldest": ago(now_ms() - oldest) if oldest is not None else "",
            "unclaimed": sum(case.holder is None for case in self._handovers.inbox()),
            "due": why_due(self._settings, self._store, self._registry, self._reviews),
            "progress": read_progress(self._store, self._settings.refresh_min_items),
            "live": self._registry.route(),
            "changes": [reign for reign in reversed(reigns) if reign.at > since],
            "entries": entries[:ENTRIES],
            "more": len(entries) > ENTRIES,
            "shares": [self._share(name, reign) for reign in reversed(reigns[-WENT_LIVE:])],
        }

    def _share(self, name: str, reign: Reign) -> Share:
        """Which decisions of an operator a version learned that the one before it had not."""
        learned, known = self._registry.learned(reign.live), self._registry.learned(reign.was)
        mine = credited(self._reviews, name, learned, known)
        turns = self._turns.get_many([review.turn for review in mine[:QUESTIONS]])
        asked = [(review, question(turns[review.turn])) for review in mine if review.turn in turns]
        return Share(reign, len(mine), tuple(asked))
