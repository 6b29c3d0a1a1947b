"""The adapters' pages: which versions exist, which one answers, and what the gate found."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from adapters.registry import Registry
from core.errors import ApprenticeError, NotFound
from core.identity import Pseudonyms
from core.settings import Settings
from core.store import connect
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.turns import Turns
from training.report import examples, facts, made_of


class Versions:
    """Pages over the registry and the record, to look at."""

    def __init__(self, registry: Registry, turns: Turns, reviews: Reviews, close: Callable[[], None]):
        self._registry = registry
        self._turns = turns
        self._reviews = reviews
        self.close = close
        self._templates = Jinja2Templates(Path(__file__).parent / "templates")
        self._templates.env.filters["day"] = _day

    @classmethod
    def open(cls, settings: Settings) -> "Versions":
        """Over the record that the settings name."""
        store = connect(settings.store_url)
        turns = Turns(store, settings.turn_retention_days)
        reviews = Reviews(store, turns, Ratings(store, turns), Pseudonyms.of_installation(settings.data_dir))
        return cls(Registry(store, settings.data_dir / "adapters"), turns, reviews, store.close)

    def routes(self) -> list[Route]:
        """The list, and a page for each version."""
        return [
            Route("/adapters", self._list, methods=["GET"]),
            Route("/adapters/{version}", self._one, methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        return await self._page(request, "adapters.html", lambda: {"versions": self._registry.versions()})

    async def _one(self, request: Request) -> Response:
        return await self._page(request, "adapter.html", lambda: self._facts(request.path_params["version"]))

    def _facts(self, prefix: str) -> dict[str, Any]:
        version = self._registry.get(prefix)
        told: dict[str, Any] = {"version": version, "made_of": list(made_of(version.manifest))}
        if version.report:
            shown = examples(version.report, self._turns, self._reviews)
            told |= {"report": version.report, "facts": list(facts(version.report)), "examples": shown}
        return told

    async def _page(self, request: Request, template: str, read: Callable[[], dict[str, Any]]) -> Response:
        """A page of what is read; what went wrong is a sentence in its place."""
        try:
            told = await asyncio.to_thread(read)
        except ApprenticeError as error:
            status = 404 if isinstance(error, NotFound) else 503
            return self._templates.TemplateResponse(request, "sorry.html", {"error": str(error)}, status_code=status)
        return self._templates.TemplateResponse(request, template, told)


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
