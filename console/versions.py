"""The adapters' pages: which versions exist, which one answers, and what the gate found."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.registry import Registry
from console.pages import show
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
        return show(request, "adapters.html", {"versions": await asyncio.to_thread(self._registry.versions)})

    async def _one(self, request: Request) -> Response:
        return show(request, "adapter.html", await asyncio.to_thread(self._facts, request.path_params["version"]))

    def _facts(self, prefix: str) -> dict[str, Any]:
        version = self._registry.get(prefix)
        told: dict[str, Any] = {"version": version, "made_of": list(made_of(version.manifest))}
        if version.report:
            shown = examples(version.report, self._turns, self._reviews)
            told |= {"report": version.report, "facts": list(facts(version.report)), "examples": shown}
        return told
