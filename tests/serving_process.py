"""Serving as a real HTTP server in this process, over the bundled model; and fixtures for tests of it.

A test module that needs other settings defines a `settings` fixture of its own.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from adapters.base import Base
from adapters.manifest import describe, seal
from bench.instance import free_ports
from core.settings import Settings
from tests.waiting import until
from workers.context import Context, open_context

ROOT = Path(__file__).resolve().parent.parent
HELLO = [{"role": "user", "content": "What is the capital of France?"}]
STORY = [{"role": "user", "content": "Tell me a story about ships."}]


@contextmanager
def serving(settings: Settings, base: Base, streams: int = 8, queue: int = 8) -> Iterator[str]:
    """The base address of a running server."""
    import uvicorn

    from serving.app import build
    from tests.warm import WarmEngine

    engine = WarmEngine(base, streams, queue, settings.adapter_slots)
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


@contextmanager
def serving_alone(settings: Settings, base: Base) -> Iterator[subprocess.Popen]:
    """`apprentice serve`, a process of its own."""
    models = settings.data_dir / "models"
    if not models.exists():
        models.symlink_to(base.folder.parent)
    ours = {
        "APPRENTICE_DATA_DIR": str(settings.data_dir),
        "APPRENTICE_REDIS_URL": settings.redis_url,
        "APPRENTICE_SERVING_PORT": str(settings.serving_port),
        "APPRENTICE_ADAPTER_SLOTS": str(settings.adapter_slots),
        "PYTHONPATH": str(ROOT),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("APPRENTICE_")}
    command = [sys.executable, "-m", "apprentice", "serve"]
    with open(settings.data_dir / f"serve-{settings.serving_port}.log", "ab") as log:
        process = subprocess.Popen(command, env=kept | ours, cwd=settings.data_dir, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def identity(context: Context, base: Base) -> str:
    """The prompt identity of what is served now."""
    return f"r1-{base.tokenizer_hash[:16]}-{context.settings.prompt_tokens}"


def publish(context: Context, base: Base, folder: Path, sources: tuple[str, ...] = ()) -> str:
    """Publish a copy of a plain PEFT folder, which has learned these turns; the version's id."""
    draft = context.registry.draft(folder.name)
    shutil.copytree(folder, draft, dirs_exist_ok=True)
    described = describe(draft, base.name, base.hash, identity(context, base))
    manifest = replace(described, sources=sources, source_digests=("",) * len(sources))
    seal(draft, manifest)
    context.registry.publish(draft, manifest)
    return manifest.id


def ask(http: httpx.Client, messages=HELLO, status: int = 200, **fields) -> dict:
    """One whole answer of at most 24 tokens."""
    answer = http.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 24, **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


def until_live(http: httpx.Client, version: str) -> None:
    """Wait until a version answers."""
    until(lambda: http.get("/readyz").json()["live"] == version, f"{version[:12]} is live")


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    """The settings of one server, on a data folder of its own."""
    (port,) = free_ports(1)
    return Settings(data_dir=tmp_path_factory.mktemp("serving"), redis_url=valkey_url, serving_port=port)


@pytest.fixture(scope="module")
def api(settings, base):
    """The base address of a server that runs as long as the module's tests."""
    with serving(settings, base) as address:
        yield address


@pytest.fixture
def context(store, settings):
    """The record and the registry behind the server, empty."""
    return open_context(settings)


@pytest.fixture
def http(api):
    """A client of the server."""
    with httpx.Client(base_url=api, timeout=60) as client:
        yield client


@pytest.fixture
def versions(context, base, letters, http):
    """The two letter adapters, published and installed, in a server that is known to live; letter -> version id."""
    until(context.registry.living, "a heartbeat")
    found = {letter: publish(context, base, folder) for letter, folder in letters.items()}
    installed = set(found.values())
    until(lambda: installed <= {row["id"] for row in http.get("/v1/models").json()["data"]}, "the letters")
    return found
