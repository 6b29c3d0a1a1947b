"""The operators' page: who decides in Telegram, and a one-time link that makes somebody an operator there."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from core.errors import ApprenticeError
from core.settings import Settings
from core.store import connect
from feedback.people import People


class Staff:
    """The page, and what its button calls."""

    def __init__(self, people: People, close: Callable[[], None]):
        self._people = people
        self.close = close
        self._templates = Jinja2Templates(Path(__file__).parent / "templates")

    @classmethod
    def open(cls, settings: Settings) -> "Staff":
        """Over the record that the settings name."""
        store = connect(settings.store_url)
        return cls(People(store), store.close)

    def routes(self) -> list[Route]:
        """The page, and the link."""
        return [
            Route("/operators", self._page, methods=["GET"]),
            Route("/operators/invite", self._invite, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        try:
            found = await asyncio.to_thread(self._people.operators)
        except ApprenticeError as error:
            return self._templates.TemplateResponse(request, "sorry.html", {"error": str(error)}, status_code=503)
        numbers = [address.removeprefix("telegram:") for address in found]
        return self._templates.TemplateResponse(request, "operators.html", {"numbers": numbers})

    async def _invite(self, request: Request) -> Response:
        return JSONResponse({"link": await asyncio.to_thread(self._people.link, "operator")})
