"""How long the console's answers take, for Prometheus."""

import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DURATION = Histogram("http_request_duration_seconds", "From a request to the end of its answer.", ["method", "status"])
KNOWN = frozenset({"GET", "HEAD", "POST"})
"""Methods that are counted by name; a stranger may send any word as one."""


class Measure:
    """ASGI middleware that times every request."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            method = scope["method"] if scope["method"] in KNOWN else "other"
            DURATION.labels(method, str(status)).observe(time.perf_counter() - began)
