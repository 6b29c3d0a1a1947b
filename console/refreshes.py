"""The refresh's page: the one that runs with its curve, what the next one would contain, and the buttons for both."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.registry import Registry
from console.pages import show
from console.plots import Dot, Line, plot
from console.who import needs, operator
from core import keys
from core.errors import InvalidInput
from core.store import durable
from feedback.archive import Archive
from feedback.curves import Point, read_curve
from feedback.observations import Observations
from feedback.people import People
from feedback.practice import Practice
from feedback.progress import read_progress
from feedback.trust import Trust
from feedback.wishes import ask_for_refresh, ask_to_cancel, refresh_wish, who_cancels
from training.outlook import Outlook, learned_until, look_ahead, why_due
from training.sources import Record

WHY = "confirmed in the console"
TIMES = ("at", "until", "repeated")
"""What is an instant (ms) in the record of the last refresh."""
FIGURES = (
    ("loss", "Loss of each batch", "{:.3f}"),
    ("right", "Watched replies given word for word", "{:.0%}"),
    ("watched", "Loss on watched replies, nats a token", "{:.3f}"),
    ("divergence", "Divergence from base, nats a token", "{:.3f}"),
)
FEW = 30
"""Of so few values each is a dot as well."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure of a training by step: its name, a picture, and the newest value in words."""

    name: str
    picture: Markup
    newest: str


class Refreshes:
    """The page over the record; what is asked for on it, the workers' schedule does."""

    def __init__(self, archive: Archive, registry: Registry):
        self._settings, self._store, self._registry = archive.settings, archive.store, registry
        self._turns, self._ratings, self._reviews = archive.turns, archive.ratings, archive.reviews

    def routes(self) -> list[Route]:
        """The page, the part of it that is asked for again and again, and two requests with their confirmations."""
        return [
            Route("/refresh", self._page, methods=["GET"]),
            Route("/refresh/state", self._state, methods=["GET"]),
            Route("/refresh/outlook", self._outlook, methods=["GET"]),
            Route("/refresh/now", needs("admin", self._shall_i_begin), methods=["GET"]),
            Route("/refresh/now", needs("admin", self._begin), methods=["POST"]),
            Route("/refresh/cancel", needs("admin", self._shall_i_cancel), methods=["GET"]),
            Route("/refresh/cancel", needs("admin", self._cancel), methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        return show(request, "refresh.html", await asyncio.to_thread(self._facts))

    async def _state(self, request: Request) -> Response:
        """What changes while somebody watches."""
        return show(request, "refresh_state.html", await asyncio.to_thread(self._facts))

    async def _outlook(self, request: Request) -> Response:
        facts = {"outlook": await asyncio.to_thread(self._look_ahead)}
        return show(request, "outlook_part.html" if "hx-request" in request.headers else "outlook.html", facts)

    async def _shall_i_begin(self, request: Request) -> Response:
        return show(request, "refresh_now.html", await asyncio.to_thread(self._facts))

    async def _begin(self, request: Request) -> Response:
        await asyncio.to_thread(ask_for_refresh, self._store, operator(request).name, WHY)
        said = f"A refresh is asked for; the schedule begins it within {self._settings.tick_s} seconds or so."
        return show(request, "moved.html", {"said": said, "back": "/refresh"})

    async def _shall_i_cancel(self, request: Request) -> Response:
        facts = await asyncio.to_thread(self._facts)
        if facts["progress"].fence is None:
            raise InvalidInput("no refresh is running; there is nothing to cancel.")
        return show(request, "refresh_cancel.html", facts)

    async def _cancel(self, request: Request) -> Response:
        form = await request.form()
        fence, run = str(form.get("fence", "")), str(form.get("run", ""))
        if not (fence.isascii() and fence.isdigit()):
            raise InvalidInput("this page does not say which refresh is meant; load it again.")
        await asyncio.to_thread(ask_to_cancel, self._store, int(fence), run, operator(request).name, WHY)
        return show(request, "moved.html", {"said": "The refresh ends at its next step.", "back": "/refresh"})

    def _facts(self) -> dict[str, Any]:
        """The refresh that runs, and how far the next one is.

        Raises: StoreUnavailable.
        """
        store, settings = self._store, self._settings
        progress = read_progress(store, settings.refresh_min_items)
        with durable():
            last = store.hgetall(keys.REFRESH_LAST)
            postponed, left_s = store.get(keys.REFRESH_POSTPONED), store.ttl(keys.REFRESH_POSTPONED)
        facts: dict[str, Any] = {"progress": progress, "wish": refresh_wish(store), "postponed": postponed}
        facts |= {"due": why_due(settings, store, self._registry, self._reviews), "minutes": -(-left_s // 60)}
        facts |= {"last": {name: int(at) if name in TIMES else at for name, at in last.items()}}
        if progress.fence is not None:
            points = read_curve(store, progress.run) if progress.run else []
            facts |= {"curves": drawn(points), "cancels": who_cancels(store, progress.fence)}
        return facts

    def _look_ahead(self) -> Outlook:
        people = People(self._store)
        trust = Trust(self._store, self._turns, self._ratings, self._reviews, people)
        observations = Observations(self._store, self._turns)
        practice = Practice(self._store, self._turns, observations)
        record = Record(self._turns, self._reviews, self._ratings, people, trust, observations, practice)
        return look_ahead(record, self._settings, learned_until(self._registry, self._store))


def drawn(points: Sequence[Point]) -> list[Curve]:
    """The figures of a training, each as a picture with its newest value; those never looked at are left out."""
    found = []
    for name, what, form in FIGURES:
        known = [(point.step, getattr(point, name)) for point in points if getattr(point, name) is not None]
        if known:
            (first, begin), (last, end) = known[0], known[-1]
            said = f"{what}: {form.format(begin)} at step {first}, {form.format(end)} at step {last}"
            line = Line(known, name)
            dots = [Dot(step, value, look=name) for step, value in known] if len(known) < FEW else []
            found.append(Curve(what, plot(said, [line], dots, (f"step {first}", f"step {last}")), form.format(end)))
    return found
