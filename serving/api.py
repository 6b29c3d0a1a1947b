"""The HTTP API: OpenAI-compatible chat completions, feedback, models, health."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from core.errors import ApprenticeError, InvalidInput, StoreUnavailable, Unforeseen
from core.identity import Pseudonyms
from core.settings import LOOPBACK
from core.store import Store
from feedback.progress import read_progress
from feedback.ratings import Ratings
from serving.answer import Answerer
from serving.completion import Completion, Events
from serving.engine import Engine
from serving.exchange import Finished, Piece, Question, Started
from serving.failures import Forbidden, Unauthorized, Unsupported, failure
from serving.follow import Follower
from serving.metrics import Metrics
from serving.uploads import Library
from serving.wire import (
    ChatRequest,
    Defaults,
    EmbeddingsRequest,
    FeedbackRequest,
    SearchRequest,
    embeddings,
    search_results,
    to_question,
)

log = logging.getLogger(__name__)
MAX_BODY = 2 * 2**20
JSON, OCTETS = "application/json", "application/octet-stream"
"""What a web page cannot send to another server without being asked."""
_NO_CACHE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Services:
    """What the API speaks for."""

    answerer: Answerer
    engine: Engine
    follower: Follower
    ratings: Ratings
    pseudonyms: Pseudonyms
    store: Store
    library: Library
    metrics: Metrics
    refresh_min_items: int
    defaults: Defaults
    api_key: str | None
    hosts: tuple[str, ...]


def make_app(services: Services) -> Starlette:
    """The API as an ASGI application."""
    api, library = _Api(services), services.library
    return Starlette(
        routes=[
            Route("/v1/chat/completions", api.guarded(api.chat), methods=["POST"]),
            Route("/v1/embeddings", api.guarded(api.embed), methods=["POST"]),
            Route("/v1/feedback", api.guarded(api.feedback), methods=["POST"]),
            Route("/v1/documents", api.guarded(library.add, OCTETS), methods=["POST"]),
            Route("/v1/documents", api.guarded(library.shelf), methods=["GET"]),
            Route("/v1/documents", api.guarded(library.take_out_all), methods=["DELETE"]),
            Route("/v1/documents/{document}", api.guarded(library.document), methods=["GET"]),
            Route("/v1/documents/{document}", api.guarded(library.take_out), methods=["DELETE"]),
            Route("/v1/index", api.guarded(library.renew), methods=["POST"]),
            Route("/v1/search", api.guarded(api.search), methods=["POST"]),
            Route("/v1/contradictions", api.guarded(library.contradictions), methods=["GET"]),
            Route("/v1/disputes", api.guarded(library.disputes), methods=["GET"]),
            Route("/v1/explanations/{turn}", api.guarded(library.explain), methods=["GET"]),
            Route("/v1/models", api.guarded(api.models), methods=["GET"]),
            Route("/healthz", api.healthz, methods=["GET"]),
            Route("/readyz", api.readyz, methods=["GET"]),
            Route("/metrics", api.metrics, methods=["GET"]),
        ]
    )


Handler = Callable[[Request], Awaitable[Response]]
T = TypeVar("T", bound=BaseModel)


class _Api:
    def __init__(self, services: Services):
        self._s = services

    def guarded(self, handler: Handler, content: str = JSON) -> Handler:
        """A handler behind the checks of key, host and content type, with failures as the OpenAI API words them."""

        async def checked(request: Request) -> Response:
            try:
                self._check(request, content)
                return await handler(request)
            except ApprenticeError as error:
                return failure(error)
            except Exception:
                log.exception("a request failed")
                return failure(Unforeseen("something went wrong on this side; the log has the details."))

        return checked

    def _check(self, request: Request, content: str) -> None:
        key = self._s.api_key
        if key is not None:
            if request.headers.get("authorization") != f"Bearer {key}":
                raise Unauthorized("this API needs its key as `Authorization: Bearer ...`.")
        elif request.url.hostname not in self._s.hosts:
            raise Forbidden(f"the Host header names {request.url.hostname}, which is not this server.")
        content_type = request.headers.get("content-type", "").split(";")[0].strip()
        if request.method == "POST" and content_type != content:
            raise Unsupported(f"send the request with Content-Type: {content}.")

    async def chat(self, request: Request) -> Response:
        body = await _body(request, ChatRequest)
        question = to_question(body, self._s.pseudonyms, self._s.defaults)
        async with AsyncExitStack() as begun:
            answers, started = [], []
            for n in range(body.n or 1):
                answers.append(await begun.enter_async_context(aclosing(self._answer(_nth(question, n)))))
                started.append(await anext(answers[-1]))
            usage = bool((body.stream_options or {}).get("include_usage"))
            completion = Completion(started, bool(body.logprobs), usage, self._progress)
            if not body.stream:
                return await _unless_gone(request, completion.whole(answers))
            begun.pop_all()
        return StreamingResponse(completion.stream(answers), media_type="text/event-stream", headers=_NO_CACHE)

    def _answer(self, question: Question) -> Events:
        return self._timed(self._s.answerer.answer(question), time.monotonic())

    async def _progress(self) -> str | None:
        try:
            return str(await asyncio.to_thread(read_progress, self._s.store, self._s.refresh_min_items))
        except StoreUnavailable:
            return None

    async def _timed(self, events: Events, began: float) -> Events:
        """The events, counted."""
        metrics, started, first, end, origin = self._s.metrics, False, True, "cut", "model"
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Started) and not started:
                        started = True
                        metrics.running.inc()
                    elif isinstance(event, Piece) and first:
                        metrics.first_token.observe(time.monotonic() - began)
                        first = False
                    elif isinstance(event, Finished):
                        end, origin = event.finish_reason, event.origin
                        metrics.generation_tokens.inc(event.reply_tokens)
                    yield event
        finally:
            if started:
                metrics.running.dec()
                metrics.answers.labels(end, origin).inc()

    async def feedback(self, request: Request) -> Response:
        body = await _body(request, FeedbackRequest)
        author = self._s.pseudonyms.author(body.author)
        if body.rating is None and body.correction is None:
            raise InvalidInput("give a `rating` (1, -1 or 0), a `correction`, or both.")
        if body.correction is not None:
            await asyncio.to_thread(self._s.ratings.correct, body.turn_id, author, body.correction)
            self._s.metrics.feedback.labels("correction").inc()
        if body.rating is not None:
            await asyncio.to_thread(self._s.ratings.rate, body.turn_id, author, body.rating, body.reason)
            self._s.metrics.feedback.labels("rating").inc()
        progress = await asyncio.to_thread(read_progress, self._s.store, self._s.refresh_min_items)
        return JSONResponse({"stored": True, "progress": str(progress)})

    async def embed(self, request: Request) -> Response:
        body = await _body(request, EmbeddingsRequest)
        embedder = self._s.library.embedder
        vectors = await asyncio.to_thread(embedder.embed, body.input)
        return JSONResponse(embeddings(vectors, body.encoding_format, embedder.id))

    async def search(self, request: Request) -> Response:
        body = await _body(request, SearchRequest)
        chat = self._s.pseudonyms.chat(body.chat) if body.chat else None
        learned = self._s.follower.learned(self._s.follower.live)
        found, searched = await self._s.library.knowledge.look(body.question, chat, learned)
        return JSONResponse(search_results(found, searched))

    async def models(self, request: Request) -> Response:
        installed = sorted(self._s.engine.installed())
        live = self._s.follower.live
        rows = [{"id": "apprentice", "object": "model", "created": 0, "owned_by": "apprentice", "root": live}]
        rows += [{"id": v, "object": "model", "created": 0, "owned_by": "apprentice"} for v in installed]
        return JSONResponse({"object": "list", "data": rows})

    async def healthz(self, request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        ready = self._s.follower.ready
        return JSONResponse({"ready": ready, "live": self._s.follower.live}, status_code=200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        self._s.metrics.installed.set(len(self._s.engine.installed()))
        self._s.metrics.canary.set(self._s.follower.canary_share)
        return Response(generate_latest(self._s.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _body(request: Request, model: type[T]) -> T:
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BODY:
            raise InvalidInput(f"the request is larger than {MAX_BODY // 2**20} MiB; send less at once.")
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise InvalidInput("the request is not valid JSON.") from None
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"`{where}` cannot be used: {first['msg'].removeprefix('Value error, ')}.") from None


def _nth(question: Question, n: int) -> Question:
    """The n-th of several choices draws numbers of its own."""
    seed = question.sampling.seed
    if not n or seed is None:
        return question
    return replace(question, sampling=replace(question.sampling, seed=seed + n))


async def _unless_gone(request: Request, making: Coroutine[Any, Any, dict[str, Any]]) -> Response:
    """The body that is being made; a client that goes away stops it."""
    made = asyncio.create_task(making)
    gone = asyncio.create_task(_disconnected(request))
    await asyncio.wait({made, gone}, return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if not made.done():
        made.cancel()
        await asyncio.wait({made})
        return Response(status_code=499)
    return JSONResponse(made.result())


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def allowed_hosts(host: str) -> tuple[str, ...]:
    """The Host headers of a server without a key: itself, so that no web page can reach it through another name."""
    return (*LOOPBACK, host)
