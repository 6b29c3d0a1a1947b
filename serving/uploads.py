"""What the HTTP API knows besides answers: the documents of a chat or of everyone, and what an answer learned from."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from adapters.registry import Registry
from core.errors import DocumentRefused, InvalidInput
from core.identity import Pseudonyms
from core.records import BASE
from feedback.turns import Turns, question
from retrieval import sent
from retrieval.embedder import Embedder
from serving.failures import broken
from serving.knowledge import Knowledge

EXAMPLES = 3
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Library:
    """Documents and explanations; one document is read at a time."""

    data_dir: Path
    max_mb: int
    embedder: Embedder
    knowledge: Knowledge
    turns: Turns
    registry: Registry
    pseudonyms: Pseudonyms
    reading: asyncio.Semaphore
    running: set[asyncio.Task[None]] = field(default_factory=set)
    """Documents that are being read, also when who sent them has left."""

    async def add(self, request: Request) -> Response:
        """POST /v1/documents: the file is the body, `name`, `chat`, `author` and `everyone` stand in the address.

        The response is a stream of events: how far it is, then the document, or why it was refused.
        """
        name = request.query_params.get("name", "")
        chat, author = self._chat(request), request.query_params.get("author")
        if not name or (chat is not None and not author):
            raise InvalidInput("name the document, and the `chat` and `author` it is from, or `everyone=1`.")
        content = await self._content(request, name)
        pseudonym = self.pseudonyms.author(author) if author else None
        return StreamingResponse(self._adding(name, content, chat, pseudonym), media_type="text/event-stream")

    async def _adding(self, name: str, content: bytes, chat: str | None, author: str | None) -> AsyncIterator[str]:
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def progress(stage: str, done: int, total: int) -> None:
            loop.call_soon_threadsafe(events.put_nowait, {"stage": stage, "done": done, "total": total})

        async def add() -> None:
            try:
                async with self.reading:
                    added = await asyncio.to_thread(
                        sent.add, self.data_dir, name, content, self.embedder, chat, author, progress
                    )
                events.put_nowait({"document": _shown(added)})
            except Exception as error:
                events.put_nowait(broken(error))

        adding = asyncio.create_task(add())
        self.running.add(adding)
        adding.add_done_callback(self.running.discard)
        event: dict[str, Any] = {"stage": "waiting"}
        while "stage" in event:
            event = await events.get()
            yield f"data: {json.dumps(event, ensure_ascii=False)}\n\n"

    async def shelf(self, request: Request) -> Response:
        """GET /v1/documents: what a `chat` sees, or with `author` everything that somebody sent, with its text."""
        author = request.query_params.get("author")
        if author:
            whole = await asyncio.to_thread(sent.of_author, self.data_dir, self.pseudonyms.author(author))
            return JSONResponse({"documents": [asdict(document) for document in whole]})
        found = await asyncio.to_thread(sent.listed, self.data_dir, self._chat(request))
        return JSONResponse({"documents": [_shown(document) for document in found]})

    async def take_out(self, request: Request) -> Response:
        """DELETE /v1/documents/{id}: one document of a `chat`, or of everyone."""
        document = request.path_params["document"]
        name = await asyncio.to_thread(sent.take_out, self.data_dir, document, self._chat(request))
        return JSONResponse({"removed": name})

    async def take_out_all(self, request: Request) -> Response:
        """DELETE /v1/documents: everything that an `author` sent to any chat."""
        author = request.query_params.get("author")
        if not author:
            raise InvalidInput("name the `author` whose documents are to go.")
        count = await asyncio.to_thread(sent.take_out_all, self.data_dir, self.pseudonyms.author(author))
        return JSONResponse({"removed": count})

    async def explain(self, request: Request) -> Response:
        """GET /v1/explanations/{turn}: the nearest approved answers for everyone that its version learned from."""
        turn = await asyncio.to_thread(self.turns.get, request.path_params["turn"])
        if turn.adapter == BASE:
            return JSONResponse({"examples": []})
        version = await asyncio.to_thread(self.registry.get, turn.adapter)
        found = await self.knowledge.nearest(question(turn), EXAMPLES, frozenset(version.manifest.sources))
        examples = [{"question": e.question, "answer": e.answer, "similarity": score} for e, score in found]
        return JSONResponse({"examples": examples})

    def _chat(self, request: Request) -> str | None:
        """The pseudonym of the chat that is named; None for everyone.

        Raises: InvalidInput where neither is named, or both are.
        """
        chat, everyone = request.query_params.get("chat"), request.query_params.get("everyone") == "1"
        if bool(chat) == everyone:
            raise InvalidInput("name a `chat`, or `everyone=1`.")
        return self.pseudonyms.chat(chat) if chat else None

    async def _content(self, request: Request, name: str) -> bytes:
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > self.max_mb * MB:
                raise DocumentRefused(
                    f"{name} is larger than {self.max_mb} MB; split it into parts.",
                    "document_too_large",
                    name=name,
                    megabytes=self.max_mb,
                )
        return bytes(content)


def _shown(document: sent.Listed) -> dict[str, Any]:
    """A document as clients see it; who sent it is not theirs to know."""
    return {k: v for k, v in asdict(document).items() if k != "author"}
