"""The HTTP API: OpenAI-compatible chat completions, feedback, models, health."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from core.errors import (
    ApprenticeError,
    Busy,
    InvalidInput,
    NotFound,
    PromptTooLong,
    ServingUnavailable,
    StoreUnavailable,
    UnknownModel,
)
from core.identity import Pseudonyms
from core.settings import LOOPBACK
from core.store import Store
from feedback.progress import read_progress
from feedback.ratings import Ratings
from serving.answer import Answerer, Finished, Piece, Started
from serving.engine import Engine
from serving.follow import Follower
from serving.metrics import Metrics
from serving.wire import ChatRequest, FeedbackRequest, to_question

log = logging.getLogger(__name__)
MAX_BODY = 2 * 2**20

STATUS: dict[type[ApprenticeError], tuple[int, str]] = {
    UnknownModel: (404, "model_not_found"),
    NotFound: (404, "not_found"),
    PromptTooLong: (400, "context_length_exceeded"),
    InvalidInput: (400, "invalid_request"),
    Busy: (429, "busy"),
    StoreUnavailable: (503, "store_unavailable"),
    ServingUnavailable: (503, "engine_unavailable"),
}


@dataclass(frozen=True, slots=True)
class Services:
    """What the API speaks for."""

    answerer: Answerer
    engine: Engine
    follower: Follower
    ratings: Ratings
    pseudonyms: Pseudonyms
    store: Store
    metrics: Metrics
    refresh_min_items: int
    api_key: str | None
    hosts: tuple[str, ...]


def make_app(services: Services) -> Starlette:
    """The API as an ASGI application."""
    api = _Api(services)
    return Starlette(
        routes=[
            Route("/v1/chat/completions", api.guarded(api.chat), methods=["POST"]),
            Route("/v1/feedback", api.guarded(api.feedback), methods=["POST"]),
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

    def guarded(self, handler: Handler) -> Handler:
        """A handler behind the checks of key, host and content type, with failures as the OpenAI API words them."""

        async def checked(request: Request) -> Response:
            try:
                self._check(request)
                return await handler(request)
            except ApprenticeError as error:
                return failure(error)
            except Exception:
                log.exception("a request failed")
                return _error(500, "internal_error", "something went wrong on this side; the log has the details.")

        return checked

    def _check(self, request: Request) -> None:
        key = self._s.api_key
        if key is not None:
            if request.headers.get("authorization") != f"Bearer {key}":
                raise _Unauthorized("this API needs its key as `Authorization: Bearer ...`.")
        elif request.url.hostname not in self._s.hosts:
            raise _Forbidden(f"the Host header names {request.url.hostname}, which is not this server.")
        content_type = request.headers.get("content-type", "").split(";")[0].strip()
        if request.method == "POST" and content_type != "application/json":
            raise _Unsupported("send the request as JSON, with Content-Type: application/json.")

    async def chat(self, request: Request) -> Response:
        body = await _body(request, ChatRequest)
        question = to_question(body, self._s.pseudonyms)
        began = time.monotonic()
        events = self._s.answerer.answer(question)
        started = await anext(events)
        assert isinstance(started, Started)
        completion = _Completion(body, started, self._s)
        timed = self._timed(events, began)
        if body.stream:
            return StreamingResponse(completion.stream(timed), media_type="text/event-stream", headers=_NO_CACHE)
        return await completion.whole(request, timed)

    async def _timed(self, events: AsyncGenerator[Any, None], began: float) -> AsyncIterator[Any]:
        """The events, counted."""
        metrics, first, end, origin = self._s.metrics, True, "cut", "model"
        metrics.streams.inc()
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Piece) and first:
                        metrics.first_text.observe(time.monotonic() - began)
                        first = False
                    elif isinstance(event, Finished):
                        end, origin = event.finish_reason, event.origin
                        metrics.reply_tokens.inc(event.reply_tokens)
                    yield event
        finally:
            metrics.streams.dec()
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
        return Response(generate_latest(self._s.metrics.registry), media_type=CONTENT_TYPE_LATEST)


_NO_CACHE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class _Completion:
    """One answer as the OpenAI API words it."""

    def __init__(self, body: ChatRequest, started: Started, services: Services):
        self._body = body
        self._started = started
        self._s = services
        self._id = f"chatcmpl-{started.turn_id or 'unrecorded'}"
        self._created = int(time.time())

    async def stream(self, events: AsyncGenerator[Any, None]) -> AsyncIterator[str]:
        """Server-sent events: chunks, then usage if asked for, then [DONE]."""
        extra = {"turn_id": self._started.turn_id, "adapter": self._started.adapter}
        yield self._chunk({"role": "assistant", "content": ""}, None, extra)
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Piece):
                        yield self._chunk({"content": event.text}, None)
                    else:
                        yield self._chunk({}, event.finish_reason, await self._extra(event))
                        if (self._body.stream_options or {}).get("include_usage"):
                            yield _sse(
                                self._head("chat.completion.chunk") | {"choices": [], "usage": self._usage(event)}
                            )
        except ApprenticeError as error:
            yield f"data: {bytes(failure(error).body).decode()}\n\n"
        except Exception:
            log.exception("turn %s failed", self._started.turn_id)
            yield _sse(_error_body("internal_error", "the answer broke off; please try again."))
        yield "data: [DONE]\n\n"

    async def whole(self, request: Request, events: AsyncGenerator[Any, None]) -> Response:
        """One JSON answer; a client that goes away stops the generation."""
        collect = asyncio.create_task(_last(events))
        gone = asyncio.create_task(_disconnected(request))
        await asyncio.wait({collect, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not collect.done():
            collect.cancel()
            await asyncio.wait({collect})
            return Response(status_code=499)
        finished = collect.result()
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": finished.text},
            "finish_reason": finished.finish_reason,
            "logprobs": None,
        }
        body = self._head("chat.completion") | {"choices": [choice], "usage": self._usage(finished)}
        return JSONResponse(body | {"apprentice": await self._extra(finished)})

    async def _extra(self, finished: Finished) -> dict[str, Any]:
        try:
            progress = str(await asyncio.to_thread(read_progress, self._s.store, self._s.refresh_min_items))
        except StoreUnavailable:
            progress = None
        return {
            "turn_id": finished.turn_id,
            "adapter": self._started.adapter,
            "citations": [asdict(c) for c in finished.citations],
            "origin": finished.origin,
            "progress": progress,
            "text": finished.text,
        }

    def _chunk(self, delta: dict[str, str], finish_reason: str | None, extra: dict[str, Any] | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        body = self._head("chat.completion.chunk") | {"choices": [choice]}
        return _sse(body | ({"apprentice": extra} if extra else {}))

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._started.adapter}

    def _usage(self, finished: Finished) -> dict[str, int]:
        prompt, reply = self._started.prompt_tokens, finished.reply_tokens
        return {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}


class _Unauthorized(ApprenticeError):
    status, code = 401, "invalid_api_key"


class _Forbidden(ApprenticeError):
    status, code = 403, "wrong_host"


class _Unsupported(ApprenticeError):
    status, code = 415, "not_json"


def failure(error: ApprenticeError) -> JSONResponse:
    """A failure as the OpenAI API words it."""
    status, code = STATUS.get(type(error), (getattr(error, "status", 500), getattr(error, "code", "failed")))
    response = _error(status, code, str(error))
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse(_error_body(code, message), status_code=status)


def _error_body(code: str, message: str) -> dict[str, Any]:
    ours = code in ("internal_error", "store_unavailable", "engine_unavailable")
    kind = "server_error" if ours else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _sse(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


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


async def _last(events: AsyncGenerator[Any, None]) -> Finished:
    async with aclosing(events):
        async for event in events:
            last = event
    return last


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def allowed_hosts(host: str) -> tuple[str, ...]:
    """The Host headers of a server without a key: itself, so that no web page can reach it through another name."""
    return (*LOOPBACK, host)
