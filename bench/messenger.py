"""The far sides of a bot under load: a Bot API server that refuses some calls, and a model that says a script."""

import asyncio
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

TOKEN = "123456:AAE-not_a_real_token_but_of_its_shape00"
ME = {"id": 123456, "is_bot": True, "first_name": "Apprentice", "username": "apprentice_bench_bot"}
NO_WEBHOOK = {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
POLL_S, LONGEST_POLL_S, START_S = 0.005, 1.0, 20


@dataclass(frozen=True, slots=True)
class Call:
    """A call that names a chat: when it came, what it wrote, and whether it was refused."""

    at: float
    method: str
    chat: int
    text: str
    refused: bool


@dataclass
class Messenger:
    """Telegram as far as a flood shows it. `refuse_every`: each so many calls to chats are answered with a 429."""

    retry_after_s: int = 3
    refuse_every: int | None = None
    calls: list[Call] = field(default_factory=list)
    chats: dict[int, dict[int, dict[str, Any]]] = field(default_factory=dict)
    _updates: list[dict[str, Any]] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))
    _counted: int = 0

    def ask(self, chat: int, text: str) -> float:
        """Somebody writes; returns when."""
        person = {"id": chat, "is_bot": False, "first_name": "A"}
        where = {"id": chat, "type": "private", "first_name": "A"}
        message = {"message_id": next(self._ids), "date": int(time.time()), "chat": where, "from": person, "text": text}
        self._updates.append({"update_id": next(self._ids), "message": message})
        return time.monotonic()

    async def handle(self, request: Request) -> JSONResponse:
        """One call of the bot."""
        params = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        method = request.path_params["method"]
        if "chat_id" in params:
            return self._in_chat(method, int(params["chat_id"]), params)
        if method == "getUpdates":
            return _result(await self._fetch(int(params.get("offset", 0)), float(params.get("timeout", 0))))
        return _result({"getMe": ME, "getWebhookInfo": NO_WEBHOOK}.get(method, True))

    def _in_chat(self, method: str, chat: int, params: dict[str, str]) -> JSONResponse:
        self._counted += 1
        refused = bool(self.refuse_every and self._counted % self.refuse_every == 0)
        self.calls.append(Call(time.monotonic(), method, chat, params.get("text", ""), refused))
        if refused:
            wait = self.retry_after_s
            body = {"ok": False, "error_code": 429, "description": f"Too Many Requests: retry after {wait}"}
            return JSONResponse(body | {"parameters": {"retry_after": wait}}, 429)
        messages = self.chats.setdefault(chat, {})
        number = int(params.get("message_id", 0)) or next(self._ids)
        if method == "deleteMessage":
            messages.pop(number, None)
            return _result(True)
        messages[number] = {
            "message_id": number,
            "date": int(time.time()),
            "chat": {"id": chat, "type": "private", "first_name": "A"},
            "from": ME,
            "text": params["text"],
            "reply_markup": json.loads(params.get("reply_markup", '{"inline_keyboard": []}')),
        }
        return _result(messages[number])

    async def _fetch(self, offset: int, timeout_s: float) -> list[dict[str, Any]]:
        self._updates = [u for u in self._updates if u["update_id"] >= offset]
        until = time.monotonic() + min(timeout_s, LONGEST_POLL_S)
        while not self._updates and time.monotonic() < until:
            await asyncio.sleep(POLL_S)
        return list(self._updates[:100])


@dataclass
class Script:
    """A model that answers each question with the pieces that `reply` gives, a pause after each."""

    reply: Callable[[str], list[str]]
    pause_s: float = 0.0
    took_s: dict[str, float] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    async def handle(self, request: Request) -> StreamingResponse:
        """One request, as serving answers it."""
        question = (await request.json())["messages"][-1]["content"]
        self.asked[question] += 1
        return StreamingResponse(self._events(question), media_type="text/event-stream")

    async def _events(self, question: str) -> AsyncIterator[str]:
        begun, pieces = time.monotonic(), self.reply(question)
        known = {"turn_id": secrets.token_hex(16), "adapter": "base"}
        yield _event({}, None, known)
        for piece in pieces:
            yield _event({"content": piece}, None)
            await asyncio.sleep(self.pause_s)
        self.took_s[question] = time.monotonic() - begun
        yield _event(
            {}, "stop", known | {"text": "".join(pieces), "origin": "model", "citations": [], "progress": None}
        )
        yield "data: [DONE]\n\n"


@contextmanager
def served(messenger: Messenger, script: Script) -> Iterator[str]:
    """Both on a free port; gives the address."""
    routes = [
        Route("/bot{token}/{method}", messenger.handle, methods=["POST"]),
        Route("/v1/chat/completions", script.handle, methods=["POST"]),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes), port=0, log_config=None, access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + START_S
        while not server.started and time.monotonic() < until:
            time.sleep(POLL_S)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _result(result: Any) -> JSONResponse:
    return JSONResponse({"ok": True, "result": result})


def _event(delta: dict[str, str], reason: str | None, extra: dict[str, Any] | None = None) -> str:
    chunk = {"choices": [{"delta": delta, "finish_reason": reason}]} | ({"apprentice": extra} if extra else {})
    return f"data: {json.dumps(chunk)}\n\n"
