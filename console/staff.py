"""The operators' page: who decides in Telegram, and a one-time link that makes somebody an operator there."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.pages import show
from console.who import needs
from core.settings import Settings
from core.store import connect
from feedback.people import People


class Staff:
    """The page, and what its button calls."""

    def __init__(self, people: People, close: Callable[[], None]):
        self._people = people
        self.close = close

    @classmethod
    def open(cls, settings: Settings) -> "Staff":
        """Over the record that the settings name."""
        store = connect(settings.store_url)
        return cls(People(store), store.close)

    def routes(self) -> list[Route]:
        """The page, and the link."""
        return [
            Route("/operators", self._page, methods=["GET"]),
            Route("/operators/invite", needs("admin", self._invite), methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        return show(request, "operators.html", {"numbers": await self._numbers()})

    async def _invite(self, request: Request) -> Response:
        link = await asyncio.to_thread(self._people.link, "operator")
        return show(request, "operators.html", {"numbers": await self._numbers(), "link": link})

    async def _numbers(self) -> list[str]:
        found = await asyncio.to_thread(self._people.operators)
        return [address.removeprefix("telegram:") for address in found]
