"""A connection that streams chat answers: bytes are kept with the time they came, and read when all is over."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httptools

ERROR_CHARS = 300


@dataclass(slots=True)
class Raw:
    """An answer as it came. Times are of the monotonic clock, in seconds, which all processes of a machine share."""

    asked_s: float
    ended_s: float = 0.0
    status: int = 0
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a client saw it: when it was asked, the seconds to its first text and between pieces of text.

    `tokens` are the server's own count where it gives one, and pieces of text otherwise. `error` is None for an answer
    that came whole.
    """

    asked_s: float
    ended_s: float
    first_s: float | None
    gaps_s: tuple[float, ...]
    tokens: int
    prompt_tokens: int
    text: str
    versions: tuple[str, ...]
    error: str | None


class Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection, one request at a time."""

    def __init__(self, url: str):
        self._url = urlsplit(url)
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._raw: Raw | None = None
        self._done: asyncio.Future[None] | None = None
        self._now = 0.0

    async def open(self) -> None:
        """Connect, unless it is connected. Raises: OSError."""
        if self._transport is None or self._transport.is_closing():
            host, port, tls = _address(self._url)
            await asyncio.get_running_loop().create_connection(lambda: self, host, port, ssl=tls or None)

    async def ask(self, body: bytes, timeout_s: float) -> Raw:
        """Send a request and keep what comes back. What goes wrong is noted in the answer.

        A connection that was used before may have been closed meanwhile: where nothing at all comes back, another one
        is tried.
        """
        reused = self._transport is not None
        raw = await self._ask(body, timeout_s)
        return await self._ask(body, timeout_s) if reused and not raw.status and self._transport is None else raw

    async def _ask(self, body: bytes, timeout_s: float) -> Raw:
        raw = self._raw = Raw(time.monotonic())
        try:
            async with asyncio.timeout(timeout_s):
                await self.open()
                self._parser = httptools.HttpResponseParser(self)
                self._done = asyncio.get_running_loop().create_future()
                raw.asked_s = time.monotonic()
                assert self._transport is not None
                self._transport.write(self._head(len(body)) + body)
                await self._done
        except TimeoutError:
            raw.error = f"no complete answer within {timeout_s:.0f} s"
            self.close()
        except (OSError, httptools.HttpParserError) as error:
            raw.error = str(error) or type(error).__name__
            self.close()
        raw.ended_s = raw.pieces[-1][0] if raw.pieces else time.monotonic()
        return raw

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def _head(self, length: int) -> bytes:
        path = f"{self._url.path}?{self._url.query}" if self._url.query else self._url.path
        lines = (
            f"POST {path} HTTP/1.1",
            f"Host: {self._url.netloc.rpartition('@')[2]}",
            "Content-Type: application/json",
            "Accept: text/event-stream",
            f"Content-Length: {length}",
        )
        return "\r\n".join((*lines, "", "")).encode()

    # ---- called by the event loop and the parser: as little as possible is done here ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._now = time.monotonic()
        try:
            if self._parser is not None:
                self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._settle(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._settle(exc)

    def on_body(self, body: bytes) -> None:
        if self._raw is not None:
            self._raw.pieces.append((self._now, body))

    def on_message_complete(self) -> None:
        if self._raw is not None and self._parser is not None:
            self._raw.status = self._parser.get_status_code()
        self._settle(None)

    def on_headers_complete(self) -> None:
        if self._raw is not None and self._parser is not None:
            self._raw.status = self._parser.get_status_code()

    def _settle(self, error: Exception | None) -> None:
        if self._done is None or self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)


def _address(url: SplitResult) -> tuple[str, int, bool]:
    tls = url.scheme == "https"
    return url.hostname or "127.0.0.1", url.port or (443 if tls else 80), tls


def read_answer(raw: Raw) -> Answer:
    """Read the events of an answer, when there is time for it."""
    if raw.error is None and raw.status != 200:
        body = b"".join(piece for _, piece in raw.pieces).decode(errors="replace")
        raw.error = f"HTTP {raw.status}: {body[:ERROR_CHARS]}" if raw.status else "the connection was lost"
    reading = _Reading()
    if raw.error is None:
        for at, event in _events(raw.pieces):
            reading.take(at, event)
    times = reading.times
    return Answer(
        asked_s=raw.asked_s,
        ended_s=raw.ended_s,
        first_s=times[0] - raw.asked_s if times else None,
        gaps_s=tuple(round(b - a, 6) for a, b in zip(times, times[1:], strict=False)),
        tokens=reading.tokens or len(times),
        prompt_tokens=reading.prompt_tokens,
        text=reading.text,
        versions=tuple(sorted(reading.versions)),
        error=raw.error or reading.error or reading.missing(),
    )


def _events(pieces: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """Whole server-sent events, each with the time its last byte came."""
    rest, found = b"", []
    for at, piece in pieces:
        *whole, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        found += [(at, event) for event in whole]
    return found


class _Reading:
    """What the events of one answer add up to."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.text = ""
        self.versions: set[str] = set()
        self.tokens = self.prompt_tokens = 0
        self.error: str | None = None
        self._done = False

    def take(self, at: float, event: bytes) -> None:
        """One event."""
        for line in event.split(b"\n"):
            if not line.startswith(b"data:"):
                continue
            data = line.removeprefix(b"data:").strip()
            if data == b"[DONE]":
                self._done = True
            else:
                self._chunk(at, json.loads(data))

    def _chunk(self, at: float, chunk: dict[str, Any]) -> None:
        if "error" in chunk:
            self.error = str(chunk["error"])[:ERROR_CHARS]
            return
        usage = chunk.get("usage") or {}
        self.tokens = usage.get("completion_tokens") or self.tokens
        self.prompt_tokens = usage.get("prompt_tokens") or self.prompt_tokens
        if chunk.get("model"):
            self.versions.add(chunk["model"])
        for choice in chunk.get("choices") or ():
            text = (choice.get("delta") or {}).get("content")
            if text:
                self.times.append(at)
                self.text += text

    def missing(self) -> str | None:
        """What an answer lacks that ended without an error."""
        if not self._done:
            return "the answer broke off"
        return None if self.times else "the answer has no text"
