"""An HTTP proxy for tests: it passes requests on to one server, whatever host they name, and refuses tunnels."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.waiting import until


@dataclass
class Proxy:
    """What was asked of the proxy: the method, the target, and its credentials, of each request."""

    server: tuple[str, int]
    url: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, after which the connection ends."""
        with suppress(OSError, asyncio.IncompleteReadError):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            method, target, version = lines[0].split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            self.asked.append((method, target, headers.pop("proxy-authorization", "")))
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                told = "".join(f"{name}: {value}\r\n" for name, value in (headers | {"connection": "close"}).items())
                answer, onward = await asyncio.open_connection(*self.server)
                onward.write(f"{method} {path} {version}\r\n{told}\r\n".encode() + body)
                writer.write(await answer.read())
                onward.close()
            await writer.drain()
        writer.close()


@contextmanager
def http_proxy(server: tuple[str, int]) -> Iterator[Proxy]:
    """A running proxy on a free port."""
    proxy, loop = Proxy(server), asyncio.new_event_loop()

    async def run() -> None:
        listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.url = f"http://bot:pass-word@127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        with suppress(asyncio.CancelledError):
            await listening.serve_forever()

    task = loop.create_task(run())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,))
    thread.start()
    try:
        until(lambda: proxy.url, "the proxy")
        yield proxy
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
