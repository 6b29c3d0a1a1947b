"""The playground: one page to chat, and the endpoints that it calls."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from console.conversation import CONSENT_QUESTION, Conversations, Event, PastTurn, draft_correction, first_contact
from console.pages import show
from console.who import needs, visit
from core.client import Begun, Said
from core.errors import ApprenticeError, InvalidInput
from core.records import Choice as Label
from core.records import Citation, Origin, new_id
from feedback.turns import DAY_S, question
from kinds import asked_kinds

COOKIE = "apprentice_chat"
MAX_BODY = 2**20
MAX_CHOICES = 3
"""Labels that are shown under an answer."""

T = TypeVar("T", bound=BaseModel)


class Question(BaseModel):
    """POST /ask. `kind` is a kind of task; None: the installation's."""

    text: str
    kind: str | None = None


class Again(BaseModel):
    """POST /again."""

    turn_id: str


class Thumb(BaseModel):
    """POST /rate."""

    turn_id: str
    value: Literal[-1, 0, 1]
    reason: str | None = Field(None, max_length=500)


class Fix(BaseModel):
    """POST /correct."""

    turn_id: str
    text: str


class Choice(BaseModel):
    """POST /consent."""

    consent: Literal["yes", "no"]


class Playground:
    """The page of one installation. A chat is a random id in a cookie of the browser."""

    def __init__(self, chats: Conversations, retention_days: int):
        self._chats = chats
        self._retention_days = retention_days

    def routes(self) -> list[Route]:
        """The page and what it calls."""
        return [
            Route("/", self._page, methods=["GET"]),
            Route("/conversation", self._history, methods=["GET"]),
            Route("/ask", needs("reviewer", self._ask), methods=["POST"]),
            Route("/again", needs("reviewer", self._again), methods=["POST"]),
            Route("/rate", needs("reviewer", self._rate), methods=["POST"]),
            Route("/correct", needs("reviewer", self._correct), methods=["POST"]),
            Route("/consent", needs("reviewer", self._consent), methods=["POST"]),
            Route("/reset", needs("reviewer", self._reset), methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        facts = {
            "first_contact": first_contact(self._retention_days),
            "consent_question": CONSENT_QUESTION,
            "kinds": asked_kinds(),
        }
        page = show(request, "playground.html", facts)
        chat = request.cookies.get(COOKIE, "")
        if not re.fullmatch("[0-9a-f]{32}", chat):
            chat = new_id()
        lives_s, secure = self._retention_days * DAY_S, visit(request).secure
        page.set_cookie(COOKIE, chat, max_age=lives_s, httponly=True, samesite="strict", secure=secure)
        return page

    async def _history(self, request: Request) -> Response:
        chat = _chat(request)

        def read() -> dict[str, Any]:
            turns = [_past(past) for past in self._chats.history(chat)]
            return {"turns": turns, "consent": self._chats.consent(), "progress": self._chats.progress()}

        return JSONResponse(await asyncio.to_thread(read))

    async def _ask(self, request: Request) -> Response:
        body = await _body(request, Question)
        return await _streamed(self._chats.ask(_chat(request), body.text, body.kind))

    async def _again(self, request: Request) -> Response:
        body = await _body(request, Again)
        return await _streamed(self._chats.ask_again(_chat(request), body.turn_id))

    async def _rate(self, request: Request) -> Response:
        body = await _body(request, Thumb)
        await asyncio.to_thread(self._chats.rate, body.turn_id, body.value, body.reason)
        return await self._stored()

    async def _correct(self, request: Request) -> Response:
        body = await _body(request, Fix)
        await asyncio.to_thread(self._chats.correct, body.turn_id, body.text)
        return await self._stored()

    async def _consent(self, request: Request) -> Response:
        body = await _body(request, Choice)
        await asyncio.to_thread(self._chats.set_consent, body.consent)
        return await self._stored()

    async def _reset(self, request: Request) -> Response:
        await asyncio.to_thread(self._chats.reset, _chat(request))
        return await self._stored()

    async def _stored(self) -> Response:
        return JSONResponse({"progress": await asyncio.to_thread(self._chats.progress)})


def _chat(request: Request) -> str:
    chat = request.cookies.get(COOKIE)
    if not chat:
        raise InvalidInput("this page's cookie is missing; allow cookies for this address and load the page again.")
    return f"playground:{chat}"


async def _body(request: Request, model: type[T]) -> T:
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BODY:
            raise InvalidInput("the message is too long; send it in parts.")
    try:
        return model.model_validate_json(raw)
    except ValidationError:
        raise InvalidInput("the console did not understand this page; load it again.") from None


async def _streamed(events: AsyncIterator[Event]) -> Response:
    """One JSON object a line, from the moment the answer begins.

    Raises: what the first event raises.
    """
    first = await anext(events)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_lines(first, events), media_type="application/x-ndjson", headers=headers)


async def _lines(first: Event, events: AsyncIterator[Event]) -> AsyncIterator[str]:
    async with aclosing(events):
        yield _line(_shown(first))
        try:
            async for event in events:
                yield _line(_shown(event))
        except ApprenticeError as error:
            yield _line({"type": "failed", "error": str(error)})


def _line(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False) + "\n"


def _shown(event: Event) -> dict[str, Any]:
    if isinstance(event, Begun):
        return {"type": "begun", "turn_id": event.turn_id, "version": _version(event.adapter)}
    if isinstance(event, Said):
        return {"type": "said", "text": event.text}
    answer = _answer(event.turn_id, event.adapter, event.text, event.origin, event.citations)
    outcome = event.observation and event.observation.said
    return {"type": "ended", "progress": event.progress} | answer | _outcome(outcome, event.choices)


def _past(past: PastTurn) -> dict[str, Any]:
    turn = past.turn
    answer = _answer(turn.id, turn.adapter, turn.reply, turn.origin, turn.citations)
    feedback = {"rating": past.rating, "correction": past.correction}
    found = {"question": question(turn), "stopped": turn.status == "stopped"} | answer | feedback
    return found | _outcome(past.outcome, turn.choices)


def _answer(
    turn_id: str | None, adapter: str, text: str, origin: Origin, citations: Sequence[Citation]
) -> dict[str, Any]:
    return {
        "turn_id": turn_id,
        "version": _version(adapter),
        "text": text,
        "draft": draft_correction(text, citations),
        "origin": origin,
        "citations": [asdict(c) for c in citations],
    }


def _outcome(said: str | None, choices: Sequence[Label]) -> dict[str, Any]:
    """What came of an answer, and the likeliest labels that it was chosen from."""
    return {"outcome": said or "", "choices": [asdict(choice) for choice in choices[:MAX_CHOICES]]}


def _version(adapter: str) -> str:
    return adapter[:12]
