"""What the HTTP API knows besides answers: the documents of a chat or of everyone, and what an answer learned from."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
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
from retrieval.ingest import Progress
from retrieval.renewal import renew
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

        def add(progress: Progress) -> dict[str, Any]:
            added = sent.add(self.data_dir, name, content, self.embedder, chat, pseudonym, progress)
            return {"document": _shown(added)}

        return StreamingResponse(self._reading(add), media_type="text/event-stream")

    async def renew(self, request: Request) -> Response:
        """POST /v1/index: the files that everyone's documents were read from are read again.

        The response is a stream of events: how far it is, then what it did.
        """

        def read_again(progress: Progress) -> dict[str, Any]:
            return {"renewed": asdict(renew(self.data_dir, self.embedder, progress))}

        return StreamingResponse(self._reading(read_again), media_type="text/event-stream")

    async def _reading(self, read: Callable[[Progress], dict[str, Any]]) -> AsyncIterator[str]:
        """The events of reading documents, which goes on when the client leaves: how far it is, then the last one."""
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def progress(stage: str, done: int, total: int) -> None:
            loop.call_soon_threadsafe(events.put_nowait, {"stage": stage, "done": done, "total": total})

        async def run() -> None:
            try:
                async with self.reading:
                    events.put_nowait(await asyncio.to_thread(read, progress))
            except Exception as error:
                events.put_nowait(broken(error))

        running = asyncio.create_task(run())
        self.running.add(running)
        running.add_done_callback(self.running.discard)
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

    async def document(self, request: Request) -> Response:
        """GET /v1/documents/{document}: one document of a `chat`, or of everyone, with its passages in order."""
        document = request.path_params["document"]
        listed, chunks = await asyncio.to_thread(sent.opened, self.data_dir, document, self._chat(request))
        passages = [{"title": c.title, "text": c.text} for c in chunks]
        return JSONResponse({"document": _shown(listed), "passages": passages})

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

    async def contradictions(self, request: Request) -> Response:
        """GET /v1/contradictions: the turns of approved answers to nearly the same question that differ, in pairs."""
        found = await self.knowledge.contradictions()
        return JSONResponse({"pairs": [asdict(pair) for pair in found]})

    async def disputes(self, request: Request) -> Response:
        """GET /v1/disputes: the approved answers that a document disputes, with both sentences, as far as is known."""
        found, left = await self.knowledge.disputes()
        return JSONResponse({"disputes": [{"turn": t} | asdict(dispute) for t, dispute in found.items()], "left": left})

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
