"""A turn's question answered once more by any version, beside the answer that was given, and without a trace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.registry import Registry
from console.candidates import Candidates
from console.conversation import OPERATOR
from console.details import of_answer, of_turn
from console.pages import show
from console.scripts import Line, sent, streamed
from console.who import needs
from core.client import Asked, Begun, Said, ServingClient
from feedback.archive import Archive
from feedback.turns import question


class Wanted(BaseModel):
    """POST /replay/{turn}."""

    version: str


class Replay:
    """The page of a turn, and what its button calls."""

    def __init__(self, archive: Archive, registry: Registry, client: ServingClient):
        self._turns, self._client = archive.turns, client
        self._candidates = Candidates(registry, archive.settings.adapter_slots)

    def routes(self) -> list[Route]:
        """The page, and what it calls."""
        return [
            Route("/replay/{turn}", needs("viewer", self._page), methods=["GET"]),
            Route("/replay/{turn}", needs("reviewer", self._answer), methods=["POST"], name="replay"),
        ]

    async def _page(self, request: Request) -> Response:
        def facts() -> dict[str, Any]:
            turn = self._turns.get(request.path_params["turn"])
            return {
                "turn": turn,
                "question": question(turn),
                "conversation": [(question(past), past.reply) for past in self._turns.conversation(turn.parent)],
                "details": of_turn(turn),
                "choices": self._candidates.choices(),
                "chosen": request.query_params.get("version", ""),
            }

        return show(request, "replay.html", await asyncio.to_thread(facts))

    async def _answer(self, request: Request) -> Response:
        wanted, turn_id = await sent(request, Wanted), request.path_params["turn"]
        turn = await asyncio.to_thread(self._turns.get, turn_id)
        version = await asyncio.to_thread(self._candidates.id_of, wanted.version)
        asked = Asked(turn.messages, None, OPERATOR, model=version, beside=turn_id, record=False)
        return await streamed(self._replayed(asked))

    async def _replayed(self, asked: Asked) -> AsyncIterator[Line]:
        async with aclosing(self._candidates.ready([asked.model])) as loading:
            async for line in loading:
                yield line
        async with aclosing(self._client.answer(asked)) as events:
            async for event in events:
                if isinstance(event, Begun):
                    yield {"type": "begun", "version": event.adapter[:12]}
                elif isinstance(event, Said):
                    yield {"type": "said", "text": event.text}
                else:
                    told = {"version": event.adapter[:12], "text": event.text, "origin": event.origin}
                    citations = [asdict(citation) for citation in event.citations]
                    yield {"type": "ended", "citations": citations, "details": of_answer(event)} | told
