"""The console as a real HTTP server in this process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from console.app import build
from core.settings import Settings


@contextmanager
def console(settings: Settings) -> Iterator[str]:
    """The base address of a running console."""
    config = uvicorn.Config(build(settings), port=settings.console_port, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the console did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{settings.console_port}"
    finally:
        server.should_exit = True
        thread.join()
