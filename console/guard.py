"""Lets in only what this console's own pages send, and tells browsers how to treat what goes out."""

import asyncio
import re
import secrets
from dataclasses import replace
from hmac import compare_digest
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.pages import asks_for_json, failure, sorry
from console.sessions import Sessions
from console.who import Visit
from core.errors import ApprenticeError, InvalidInput
from core.identity import Pseudonyms
from core.settings import LOOPBACK

COOKIE = "apprentice_session"
MAX_BODY, MAX_READ = 2**20, 2**26
"""Bytes of a form; what is longer is still read to the end, up to so many, as a browser listens to no answer before."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN = ("/healthz", "/static/", "/login", "/invitation/")
"""Paths that nobody need be logged in for."""
SAFE = ("GET", "HEAD")
FORM, JSON, MULTIPART = "application/x-www-form-urlencoded", "application/json", "multipart/form-data"
UPLOADS = ("/knowledge/upload",)
"""Where a form may carry a file."""
STALE = "this page is too old; load it again, and repeat what you did."


class Guard:
    """ASGI middleware: checks the Host header, where a request comes from and, unless it only reads, its CSRF token;
    and sends whoever is not logged in to the page for it.

    The token is a keyed hash of the random id in the browser's cookie. Forms carry it in the field `csrf`, scripts in
    the header X-CSRF-Token.
    """

    def __init__(self, app: ASGIApp, public: str | None, pseudonyms: Pseudonyms, sessions: Sessions, max_mb: int):
        """`public`: the origin under which others reach the console, beside this machine's own names; `max_mb`: the
        largest file that a form may carry."""
        self._app = app
        self._max_mb = max_mb
        self._public = public
        self._pseudonyms = pseudonyms
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        known = request.cookies.get(COOKIE, "")
        session = known if re.fullmatch(r"[\w-]{43}", known) else secrets.token_urlsafe(32)
        origin = self._origin(request)
        visit = request.state.visit = Visit(session, self._pseudonyms.digest("csrf", session), origin or "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if session != known and headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", cookie(session, visit.secure))
            await send(message)

        refused = _foreign(request, origin)
        try:
            if refused is None:
                refused = await self._entry(request, visit)
            if refused is None and request.method not in SAFE:
                body = await self._form(request)
                receive = _again(body, receive) if body is not None else receive
                if not await _is_ours(request, body, visit):
                    refused = sorry(request, 403, STALE)
        except ApprenticeError as error:
            refused = failure(request, error)
        await (refused or self._app)(scope, receive, send_with_headers)

    async def _form(self, request: Request) -> bytes | None:
        """The body of a form; None for what scripts send.

        Raises: InvalidInput where it is too long.
        """
        if _content_type(request) == FORM:
            return await _body(request, MAX_BODY, "the message is too long; send it in parts.")
        if _content_type(request) == MULTIPART:
            too_large = f"the file is larger than {self._max_mb} MB; split it into parts."
            return await _body(request, 1_000_000 * self._max_mb + MAX_BODY, too_large)
        return None

    def _origin(self, request: Request) -> str | None:
        """What a page of this console, under the name that the request uses for it, has as its origin."""
        host = request.headers.get("host", "")
        name = _hostname(host)
        if self._public and name == urlsplit(self._public).hostname:
            return self._public
        return f"http://{host}" if name in LOOPBACK else None

    async def _entry(self, request: Request, visit: Visit) -> Response | None:
        """Note who is logged in; nobody is sent to the page for it, unless the path is open to all."""
        if request.url.path.startswith(OPEN):
            return None
        operator = await asyncio.to_thread(self._sessions.operator, visit.id)
        request.state.visit = replace(visit, operator=operator)
        if operator is not None:
            return None
        if "hx-request" in request.headers:
            return Response(status_code=401, headers={"HX-Redirect": "/login"})
        if request.method in SAFE and not asks_for_json(request):
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(wanted)}", 303)
        return sorry(request, 401, "you are not logged in; log in and try again.")


def _foreign(request: Request, origin: str | None) -> Response | None:
    """The answer to what another site sends, or reads by other means than a link."""
    if origin is None:
        host = request.headers.get("host") or "nothing"
        return PlainTextResponse(f"The Host header names {host}, which is not this console.", 403)
    if request.method in SAFE:
        site, way = request.headers.get("sec-fetch-site", "none"), request.headers.get("sec-fetch-mode")
        if site in ("none", "same-origin") or way == "navigate":
            return None
        return PlainTextResponse("Only the console's own pages may load this.", 403)
    if request.headers.get("origin") != origin:
        return sorry(request, 403, "only the console's own pages may send this.")
    carries_a_file = _content_type(request) == MULTIPART and request.url.path in UPLOADS
    if _content_type(request) not in (FORM, JSON) and not carries_a_file:
        return sorry(request, 415, f"send the request as {JSON} or {FORM}.")
    return None


def cookie(session: str, secure: bool) -> str:
    """The header that gives a browser its id; it lives until the browser is closed."""
    return f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")


async def _is_ours(request: Request, body: bytes | None, visit: Visit) -> bool:
    """Whether a POST carries the token of the browser that it comes from, in its header or in the body of a form."""
    sent = request.headers.get("x-csrf-token")
    if not sent and body is not None:
        sent = await _token(request, body)
    return compare_digest((sent or "").encode(), visit.csrf.encode())


async def _token(request: Request, body: bytes) -> str:
    """What a form's field `csrf` holds; empty where there is none, or no form."""
    if _content_type(request) == FORM:
        return parse_qs(body.decode("latin-1")).get("csrf", [""])[0]
    try:
        async with Request(request.scope, _again(body, request.receive)).form(max_files=1, max_fields=4) as form:
            sent = form.get("csrf")
    except HTTPException:
        return ""
    return sent if isinstance(sent, str) else ""


async def _body(request: Request, most: int, too_long: str) -> bytes:
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= most:
            body += part
        elif size > MAX_READ:
            break
    if size > most:
        raise InvalidInput(too_long)
    return bytes(body)


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
