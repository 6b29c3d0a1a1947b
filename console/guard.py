"""Lets in only what this console's own pages send, and tells browsers how to treat what goes out."""

import re
import secrets
from collections.abc import Collection
from hmac import compare_digest
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.pages import sorry
from console.who import SOLE, Visit
from core.errors import InvalidInput
from core.identity import Pseudonyms

COOKIE = "apprentice_session"
MAX_BODY = 2**20
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
STALE = "this page is too old; load it again, and repeat what you did."


class Guard:
    """ASGI middleware: checks the Host header, and of every POST its origin, content type and CSRF token.

    The token is a keyed hash of the random id in the browser's cookie. Forms carry it in the field `csrf`, scripts in
    the header X-CSRF-Token.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], pseudonyms: Pseudonyms):
        self._app = app
        self._hosts = hosts
        self._pseudonyms = pseudonyms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        known = request.cookies.get(COOKIE, "")
        session = known if re.fullmatch(r"[\w-]{43}", known) else secrets.token_urlsafe(32)
        visit = Visit(session, self._pseudonyms.digest("csrf", session), False, SOLE)
        request.state.visit = visit

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if session != known and headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", cookie(visit))
            await send(message)

        body, refused = b"", self._refusal(request)
        if refused is None and request.method == "POST" and _content_type(request) == FORM:
            try:
                body = await _body(request)
                receive = _again(body, receive)
            except InvalidInput as error:
                refused = sorry(request, 413, str(error))
        if refused is None and request.method == "POST" and not _is_ours(request, body, visit):
            refused = sorry(request, 403, STALE)
        await (refused or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if _hostname(host) not in self._hosts:
            return PlainTextResponse(f"The Host header names {host or 'nothing'}, which is not this console.", 403)
        if request.method != "POST":
            return None
        if request.headers.get("origin") != f"http://{host}":
            return sorry(request, 403, "only the console's own pages may send this.")
        if _content_type(request) not in (FORM, JSON):
            return sorry(request, 415, f"send the request as {JSON} or {FORM}.")
        return None


def cookie(visit: Visit) -> str:
    """The header that gives a browser its id; it lives as long as the browser's session."""
    return f"{COOKIE}={visit.id}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if visit.secure else "")


def _is_ours(request: Request, body: bytes, visit: Visit) -> bool:
    """Whether a POST carries the token of the browser that it comes from."""
    sent = request.headers.get("x-csrf-token") or parse_qs(body.decode("latin-1")).get("csrf", [""])[0]
    return compare_digest(sent.encode(), visit.csrf.encode())


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise InvalidInput("the message is too long; send it in parts.")
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """What a request's body comes from that was read already."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return left.pop() if left else await receive()

    return next_message


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip()


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
