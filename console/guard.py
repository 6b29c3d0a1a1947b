"""Lets in only what this console's own pages send, and tells browsers how to treat what goes out."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware: checks the Host header, and of every POST its origin and content type."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]):
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._refusal(scope["method"], Headers(scope=scope)) or self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if _hostname(host) not in self._hosts:
            return refusal(403, f"the Host header names {host or 'nothing'}, which is not this console.")
        if method != "POST":
            return None
        if headers.get("origin") != f"http://{host}":
            return refusal(403, "only the console's own pages may send this.")
        if headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return refusal(415, "send the request as JSON, with Content-Type: application/json.")
        return None


def refusal(status: int, sentence: str) -> JSONResponse:
    """A failure as the pages expect it."""
    return JSONResponse({"error": sentence}, status_code=status)


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
