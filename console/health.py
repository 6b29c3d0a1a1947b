"""The page of the assistant's health: who lives, how fast it answers, what waits, what people think, what it costs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.registry import Registry
from console.pages import show
from console.plots import Dot, Line, plot
from console.pulse import Pulse
from console.who import needs
from core import keys
from core.client import ServingClient
from core.records import now_ms
from core.store import durable
from feedback.archive import Archive
from feedback.budgets import Budgets
from feedback.evidence import LEVEL, PARTS, SIGNALS, not_worse_by, summary, worse_by
from feedback.handovers import Handovers
from feedback.outcomes import Outcomes
from feedback.spent import spent
from feedback.tallies import Thumbs, tally

MINUTE_MS, HOURS, SLOT_MIN = 60_000, 24, 10
"""Answers are counted over so many hours, in slots of so many minutes."""
TICKS = 3
"""So many times the schedule may miss its turn before it counts as silent."""
VERSIONS = 10
READY_S = 2
PROCESSES = {"tick": "worker tick (the schedule)", "train": "worker train", "bot": "bot"}


@dataclass(frozen=True, slots=True)
class Life:
    """A process: its name, whether it lives, and what is known of it."""

    name: str
    lives: bool
    said: str


@dataclass(frozen=True, slots=True)
class Liked:
    """The thumbs of a version."""

    version: str
    thumbs: Thumbs

    @property
    def share(self) -> float:
        """Of thumbs up."""
        return self.thumbs.up / (self.thumbs.up + self.thumbs.down)


class Health:
    """The page over the record, the registry and serving's counters."""

    def __init__(self, archive: Archive, registry: Registry, client: ServingClient):
        store, turns, ratings = archive.store, archive.turns, archive.ratings
        self._settings, self._store, self._client = archive.settings, store, client
        self._turns, self._ratings, self._reviews = turns, ratings, archive.reviews
        self._registry = registry
        self._outcomes, self._budgets = Outcomes(store, turns, ratings), Budgets(store, archive.settings)
        self._handovers = Handovers(store, turns)
        self._pulse = Pulse(client)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at serving again and again."""
        looking = asyncio.create_task(self._pulse.run())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait({looking})

    def routes(self) -> list[Route]:
        """The page, which is asked for again and again while it is open."""
        return [Route("/health", needs("viewer", self._page), methods=["GET"])]

    async def _page(self, request: Request) -> Response:
        ready, facts = await asyncio.gather(self._ready(), asyncio.to_thread(self._facts))
        return show(request, "health.html", facts | self._speed() | {"ready": ready, "chunks": self._pulse.chunks})

    async def _ready(self) -> bool:
        try:
            async with asyncio.timeout(READY_S):
                return await self._client.is_ready()
        except TimeoutError:
            return False

    def _facts(self) -> dict[str, Any]:
        now, used, cases = now_ms(), self._budgets.used(), self._handovers.inbox()
        oldest = self._reviews.oldest()
        return {
            "lives": self._lives(now),
            "replicas": len(self._registry.living()),
            "waiting": self._reviews.waiting(),
            "oldest": ago(now - oldest) if oldest is not None else "",
            "inbox": len(cases),
            "used": used,
            "spent": spent(self._store, now),
            "limits": self._settings,
            **self._answers(now),
            **self._thumbs(),
            **self._trial(),
        }

    def _lives(self, now: int) -> list[Life]:
        with durable():
            signs = self._store.hgetall(keys.WORKERS)
        limit_ms = 1000 * max(self._settings.alert_silent_s, TICKS * self._settings.tick_s)
        found = []
        for process, name in PROCESSES.items():
            if process not in signs:
                found.append(Life(name, False, "never seen"))
                continue
            silent_ms = max(now - int(signs[process]), 0)
            found.append(Life(name, silent_ms <= limit_ms, f"last sign of life {ago(silent_ms)} ago"))
        return found

    def _answers(self, now: int) -> dict[str, Any]:
        """How many answers there were in each slot of the last day."""
        slot_ms = SLOT_MIN * MINUTE_MS
        since = now - HOURS * 60 * MINUTE_MS
        with durable():
            opened = self._store.zrangebyscore(keys.RECENT_TURNS, since, now, withscores=True)
        counts = Counter(int((at - since) // slot_ms) for _, at in opened)
        points = [(slot, counts[slot] / SLOT_MIN) for slot in range(HOURS * 60 // SLOT_MIN)]
        said = f"Answers a minute over the last {HOURS} hours; at most {max(rate for _, rate in points):.1f}"
        return {"answers": len(opened), "answers_plot": plot(said, [Line(points)], ends=(f"{HOURS} h ago", "now"))}

    def _speed(self) -> dict[str, Any]:
        speeds = self._pulse.speeds()
        tokens = [(s.at, s.tokens_s) for s in speeds]
        firsts = [Dot(s.at, s.first_token_s, look="promote") for s in speeds if s.first_token_s is not None]
        ends = (f"{ago(int(1000 * (tokens[-1][0] - tokens[0][0])))} ago", "now") if tokens else ("", "")
        return {
            "median": self._pulse.first_token(0.5),
            "slow": self._pulse.first_token(0.95),
            "tokens": tokens[-1][1] if tokens else None,
            "tokens_plot": plot("Tokens generated a second", [Line(tokens)], ends=ends),
            "first_plot": plot("Mean time to the first token, in seconds", dots=firsts, ends=ends) if firsts else "",
        }

    def _thumbs(self) -> dict[str, Any]:
        """The newest versions that anybody voted on, the oldest of them first."""
        versions = tally(self._store, self._turns, self._ratings).versions
        order = ["base", *(version.id for version in reversed(self._registry.versions()))]
        known = sorted(versions, key=lambda one: order.index(one) if one in order else -1)[-VERSIONS:]
        liked, live = [Liked(version, versions[version]) for version in known], self._registry.route()
        dots = [
            Dot(n, one.share, *one.thumbs.interval, look="promote" if one.version == live else "")
            for n, one in enumerate(liked)
        ]
        said = "Share of thumbs up of each version, with 95 % intervals; the figures are in the table"
        ends = (liked[0].version[:12], liked[-1].version[:12]) if liked else ("", "")
        return {"liked": liked, "live": live, "liked_plot": plot(said, dots=dots, ends=ends)}

    def _trial(self) -> dict[str, Any]:
        """The evidence about a version on trial: each e-value, and which one ends it."""
        canary = self._registry.aliases().canary
        if canary is None:
            return {"canary": None}
        evidence = self._outcomes.evidence(canary.version, canary.set_at)
        rows = [("not worse than live", not_worse_by(evidence), 1 / LEVEL)]
        rows += [(f"worse: {SIGNALS[name]}", value, 1 / PARTS[name]) for name, value in worse_by(evidence).items()]
        return {"canary": canary, "evidence": rows, "trial": summary(evidence)}


def ago(span_ms: int) -> str:
    """A span of time in its largest whole unit."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if span_ms >= size:
            return f"{span_ms // size} {unit}"
    return f"{span_ms // 1000} s"
