"""A swap leaves no trace in what is being said, and what it cannot use it refuses with the reason."""

import asyncio
import hashlib
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from adapters.manifest import WEIGHTS, describe, seal
from apprentice import app
from bench.instance import free_ports
from feedback.audit import AuditLog
from tests.adapter_files import write_lora
from tests.serving_process import STORY, ask, identity, publish, serving, until_live
from tests.waiting import until

BODY = {"messages": STORY, "temperature": 0.9, "ignore_eos": True, "apprentice": {"retrieval": False}}


@pytest.fixture
def voices(context, base, tmp_path, http):
    """Publishes versions that speak differently, by a number, to a server that is known to live."""
    until(context.registry.living, "a heartbeat")
    return lambda seed: publish(context, base, write_lora(tmp_path / f"voice-{seed}", base, seed))


def promote(context, http, version: str) -> None:
    context.registry.promote(version, "ann", "")
    until_live(http, version)


def said(http, seed: int) -> str:
    return ask(http, **BODY | {"seed": seed})["choices"][0]["message"]["content"]


class Streams:
    """Streams that began together and go on until all are left together, so that they share every batch."""

    def __init__(self, api: str, count: int):
        self.texts, self.models = [""] * count, [""] * count
        self.ended: list[int] = []
        self._api = api
        self._news = asyncio.Condition()

    async def __aenter__(self):
        self._client = await httpx.AsyncClient(base_url=self._api, timeout=60).__aenter__()
        self._reading = [asyncio.create_task(self._read(n)) for n in range(len(self.texts))]
        await self.until_longer([""] * len(self.texts))
        return self

    async def __aexit__(self, *failure):
        for task in self._reading:
            task.cancel()
        await asyncio.wait(self._reading)
        await self._client.aclose()

    async def until_longer(self, texts: list[str]) -> None:
        """Wait until each has said more than this."""
        async with self._news:
            await self._news.wait_for(
                lambda: self.ended or all(len(a) > len(b) for a, b in zip(self.texts, texts, strict=True))
            )
        assert not self.ended

    async def _read(self, n: int) -> None:
        body = BODY | {"seed": n, "max_tokens": 900, "stream": True}
        async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    chunk = json.loads(line.removeprefix("data: "))
                    self.models[n] = chunk["model"]
                    self.texts[n] += chunk["choices"][0]["delta"].get("content", "")
                    async with self._news:
                        self._news.notify_all()
        self.ended.append(n)


@pytest.mark.parametrize("count", [1, 3])
async def test_a_swap_and_a_rollback_change_nothing_in_what_is_being_said(api, http, context, voices, count):
    first = voices(1)
    promote(context, http, first)

    def there_and_back() -> None:
        promote(context, http, voices(2))
        context.registry.rollback("ann", "worse")
        until_live(http, first)

    async with Streams(api, count) as streams:
        await asyncio.to_thread(there_and_back)
        for _ in range(8):
            await streams.until_longer(list(streams.texts))
        disturbed = list(streams.texts)
    assert streams.models == [first] * count and len(set(disturbed)) == count

    async with Streams(api, count) as streams:
        await streams.until_longer(disturbed)
    for text, same in zip(disturbed, streams.texts, strict=True):
        assert same.startswith(text)


def test_after_a_swap_it_speaks_as_after_a_cold_start_and_after_a_rollback_as_before(
    http, context, voices, settings, base
):
    first, second = voices(1), voices(2)
    promote(context, http, first)
    before = [said(http, seed) for seed in range(2)]
    promote(context, http, second)
    after = [said(http, seed) for seed in range(2)]
    assert not set(before) & set(after)
    with replica(settings, base) as cold:
        assert [said(cold, seed) for seed in range(2)] == after
        context.registry.rollback("ann", "worse")
        for each in (http, cold):
            until_live(each, first)
            assert [said(each, seed) for seed in range(2)] == before


@contextmanager
def replica(settings, base):
    """A client of another server over the same data, once it is ready."""
    (port,) = free_ports(1)
    with serving(settings.model_copy(update={"serving_port": port}), base) as address:
        with httpx.Client(base_url=address, timeout=60) as http:
            until(lambda: http.get("/readyz").is_success, "the replica is ready")
            yield http


def test_a_chat_between_two_replicas_never_goes_back(http, context, versions, settings, base):
    with replica(settings, base) as other, ThreadPoolExecutor(1) as pool:
        until(lambda: len(context.registry.living()) == 2, "two replicas")
        turn = itertools.cycle((http, other))
        seen = []

        def one_answer() -> str:
            answer = ask(next(turn), max_tokens=1, apprentice={"chat": "c", "retrieval": False, "record": False})
            seen.append(answer["model"])
            return seen[-1]

        def asked_on_until(version) -> None:
            until(lambda: one_answer() == version, f"{version[:12]} answers")
            for _ in range(6):
                one_answer()

        expected = ["base"]
        one_answer()
        for version in [versions["a"], versions["b"]] * 3:
            moving = pool.submit(context.registry.promote, version, "ann", "")
            asked_on_until(version)
            moving.result()
            expected.append(version)
        context.registry.rollback("ann", "worse")
        asked_on_until(versions["a"])
        assert [version for version, _ in itertools.groupby(seen)] == [*expected, versions["a"]]


def _edit(folder, change) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors, min(tensors))
    save_file(tensors, folder / WEIGHTS)


def _bytes(folder, change) -> None:
    (folder / WEIGHTS).write_bytes(change(bytearray((folder / WEIGHTS).read_bytes())))


def _flip(raw: bytearray) -> bytearray:
    raw[-3] ^= 1
    return raw


def _filled(value):
    return lambda folder: _edit(folder, lambda tensors, name: tensors[name].fill(value))


def _narrow(tensors, name) -> None:
    tensors[name] = np.ascontiguousarray(tensors[name][:, 1:])


HARM = {
    "truncated": (lambda folder: _bytes(folder, lambda raw: raw[:-10]), "is truncated"),
    "bit flip": (lambda folder: _bytes(folder, _flip), "do not match their name"),
    "nan": (_filled(np.nan), "not finite"),
    "huge": (_filled(1e4), "drown the base model"),
    "wrong width": (lambda folder: _edit(folder, _narrow), "the base model needs"),
    "wrong base": ({"base_hash": "0" * 64}, "another base model"),
    "wrong hash": ({"id": hashlib.sha256(b"another").hexdigest()}, "do not match their name"),
    "wrong tokenizer": ({"prompt_identity": "r1-0123456789abcdef-512"}, "does not fit this model"),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_cannot_be_used_is_refused_and_operators_see_why(
    http, context, base, voices, settings, tmp_path, monkeypatch, harm
):
    old = voices(1)
    promote(context, http, old)
    before = said(http, 1)
    change, reason = HARM[harm]
    folder = write_lora(tmp_path / "harmed", base, seed=100 + list(HARM).index(harm), layers=2)
    version = publish_harmed(context, base, folder, change)
    context.registry.promote(version, "ann", "try it")
    until(lambda: context.registry.get(version).status == "rejected", "it is refused")
    assert said(http, 1) == before and http.get("/readyz").json() == {"ready": True, "live": old}
    assert context.registry.aliases().incoming is None

    refused = [e.why for e in AuditLog(context.store).page() if e.what == "refuse" and e.subject == version]
    assert refused and all(reason in why for why in refused)
    monkeypatch.setenv("APPRENTICE_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("APPRENTICE_REDIS_URL", settings.redis_url)
    listed = CliRunner().invoke(app, ["adapters", "list"]).output
    (line,) = [line for line in listed.splitlines() if line.startswith(version[:12])]
    assert "rejected" in line and reason in line
    shown = json.loads(CliRunner().invoke(app, ["adapters", "show", version, "--json"]).output)
    assert reason in shown["refused"]


def publish_harmed(context, base, folder, change) -> str:
    """Publish what no publisher of ours would: files changed after they were sealed, or a manifest that lies."""
    facts = {} if callable(change) else change
    prompt = facts.get("prompt_identity", identity(context, base))
    manifest = replace(describe(folder, base.name, base.hash, prompt), **facts)
    seal(folder, manifest)
    if callable(change):
        change(folder)
    context.registry.publish(folder, manifest)
    return manifest.id
