"""The playground: one page to chat, and the endpoints that it calls."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console.conversation import CONSENT_QUESTION, Conversations, Event, PastTurn, draft_correction, first_contact
from console.details import of_answer, of_turn
from console.pages import show
from console.scripts import Line, sent, streamed
from console.who import needs, operator, visit
from core.client import Begun, Said
from core.errors import InvalidInput
from core.records import Choice as Label
from core.records import Citation, Origin, new_id
from core.settings import Settings
from feedback.audit import AuditLog
from feedback.turns import DAY_S, question
from kinds import asked_kinds

COOKIE = "apprentice_chat"
MAX_CHOICES = 3
"""Labels that are shown under an answer."""


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

    def __init__(self, chats: Conversations, settings: Settings, audit: AuditLog):
        self._chats, self._audit = chats, audit
        self._retention_days = settings.turn_retention_days
        self._unsure_below = settings.unsure_below

    def routes(self) -> list[Route]:
        """The page and what it calls."""
        return [
            Route("/playground", self._page, methods=["GET"]),
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
            "unsure_below": self._unsure_below,
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
        body = await sent(request, Question)
        return await streamed(_lines(self._chats.ask(_chat(request), body.text, body.kind)))

    async def _again(self, request: Request) -> Response:
        body = await sent(request, Again)
        return await streamed(_lines(self._chats.ask_again(_chat(request), body.turn_id)))

    async def _rate(self, request: Request) -> Response:
        body = await sent(request, Thumb)
        await asyncio.to_thread(self._chats.rate, body.turn_id, body.value, body.reason)
        return await self._stored(request, "rate", body.turn_id)

    async def _correct(self, request: Request) -> Response:
        body = await sent(request, Fix)
        await asyncio.to_thread(self._chats.correct, body.turn_id, body.text)
        return await self._stored(request, "correct", body.turn_id)

    async def _consent(self, request: Request) -> Response:
        body = await sent(request, Choice)
        await asyncio.to_thread(self._chats.set_consent, body.consent)
        return await self._stored(request, "learn from the playground", why=body.consent)

    async def _reset(self, request: Request) -> Response:
        await asyncio.to_thread(self._chats.reset, _chat(request))
        return await self._progress()

    async def _stored(self, request: Request, what: str, turn_id: str = "", why: str = "") -> Response:
        await asyncio.to_thread(self._audit.note, operator(request).name, what, turn_id, why)
        return await self._progress()

    async def _progress(self) -> Response:
        return JSONResponse({"progress": await asyncio.to_thread(self._chats.progress)})


def _chat(request: Request) -> str:
    chat = request.cookies.get(COOKIE)
    if not chat:
        raise InvalidInput("this page's cookie is missing; allow cookies for this address and load the page again.")
    return f"playground:{chat}"


async def _lines(events: AsyncIterator[Event]) -> AsyncIterator[Line]:
    async with aclosing(events):
        async for event in events:
            yield _shown(event)


def _shown(event: Event) -> dict[str, Any]:
    if isinstance(event, Begun):
        return {"type": "begun", "turn_id": event.turn_id, "version": _version(event.adapter)}
    if isinstance(event, Said):
        return {"type": "said", "text": event.text}
    answer = _answer(event.turn_id, event.adapter, event.text, event.origin, event.citations, event.confidence)
    outcome = event.observation and event.observation.said
    told = {"type": "ended", "progress": event.progress, "details": of_answer(event)}
    return told | answer | _outcome(outcome, event.choices)


def _past(past: PastTurn) -> dict[str, Any]:
    turn = past.turn
    answer = _answer(turn.id, turn.adapter, turn.reply, turn.origin, turn.citations, turn.confidence)
    feedback = {"rating": past.rating, "correction": past.correction}
    told = {"question": question(turn), "stopped": turn.status == "stopped", "details": of_turn(turn)}
    return told | answer | feedback | _outcome(past.outcome, turn.choices)


def _answer(
    turn_id: str | None,
    adapter: str,
    text: str,
    origin: Origin,
    citations: Sequence[Citation],
    confidence: float | None,
) -> dict[str, Any]:
    return {
        "turn_id": turn_id,
        "version": _version(adapter),
        "text": text,
        "draft": draft_correction(text, citations),
        "origin": origin,
        "citations": [asdict(c) for c in citations],
        "confidence": confidence,
    }


def _outcome(said: str | None, choices: Sequence[Label]) -> dict[str, Any]:
    """What came of an answer, and the likeliest labels that it was chosen from."""
    return {"outcome": said or "", "choices": [asdict(choice) for choice in choices[:MAX_CHOICES]]}


def _version(adapter: str) -> str:
    return adapter[:12]
