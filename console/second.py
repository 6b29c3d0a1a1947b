"""Second opinions: decided answers of the sample, shown to another operator without what the first made of them."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.item import about
from console.pages import show
from console.queue import form
from console.selection import selection
from console.who import needs, operator
from console.worklist import Worklist
from core.errors import InvalidInput


class SecondPages:
    """The next answer of the sample, and what an operator makes of it."""

    def __init__(self, work: Worklist):
        self._work = work

    def routes(self) -> list[Route]:
        """The page, and what its buttons call."""
        return [
            Route("/review/second", needs("reviewer", self._page), methods=["GET"]),
            Route("/review/second/{turn}", needs("reviewer", self._give), methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        facts = await asyncio.to_thread(self._next, operator(request).name)
        return show(request, "second.html", facts)

    def _next(self, me: str) -> dict[str, Any]:
        wanted = self._work.opinions.wanted_from(me)
        turn_id = self._work.claims.first_free(me, wanted)
        if turn_id is None:
            return {"item": None}
        item = self._work.reviews.item(turn_id)
        return about(item) | {"text": item.suggestion, "left": len(wanted), "selected": selection({})}

    async def _give(self, request: Request) -> Response:
        fields, me, turn_id = await form(request), operator(request).name, request.path_params["turn"]
        rejected, text = fields.get("decision") == "reject", fields.get("text", "")
        if not rejected and not text.strip():
            raise InvalidInput("an approved answer cannot be empty; reject it, or write one.", "approved_empty")

        def give() -> None:
            self._work.opinions.give(self._work.reviews.item(turn_id), me, rejected, text)
            self._work.audit.note(me, "second opinion", turn_id)
            self._work.claims.give_back(me, turn_id)

        await asyncio.to_thread(give)
        return RedirectResponse("/review/second", 303)
