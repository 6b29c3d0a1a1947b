"""Serving as a real HTTP server in this process, on a port of its own, over the bundled model."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import uvicorn

from adapters.base import Base
from core.settings import Settings
from serving.app import build
from serving.local import LocalEngine


@contextmanager
def serving(settings: Settings, base: Base, streams: int = 8, queue: int = 8) -> Iterator[str]:
    """The base address of a running server; in float32, so that texts can be compared."""
    engine = LocalEngine(base, streams, queue, settings.adapter_slots, 2048, "cpu", torch.float32, rank=16)
    config = uvicorn.Config(
        build(settings, base, engine), port=settings.serving_port, log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("serving did not start")
            threading.Event().wait(0.02)
        yield f"http://127.0.0.1:{settings.serving_port}"
    finally:
        server.should_exit = True
        thread.join()
