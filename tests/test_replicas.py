"""Serving as processes of their own: many swaps under load, and two replicas of which one dies."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from bench.instance import free_ports
from core import keys
from core.settings import Settings
from tests.adapter_files import write_twin
from tests.serving_process import STORY, ask, publish, serving_alone, until_live
from tests.waiting import until
from workers.context import open_context

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
SWAPS, WARM = 100, 20
KEPT = 1.15
"""Memory after the last swap, as a multiple of that after WARM: measured were 1.06 to 1.09, still growing, slower.

The engine alone grows by 1 %; what keeps the rest is not known. One version's weights left at each swap would be 1.4.
"""


@pytest.fixture
def settings(valkey_url, tmp_path):
    """Three slots: what answers, what comes, what was before."""
    (port,) = free_ports(1)
    return Settings(data_dir=tmp_path, redis_url=valkey_url, serving_port=port, adapter_slots=3)


@pytest.fixture
def context(store, settings):
    return open_context(settings)


@pytest.fixture
def letter(context, base, letters, tmp_path):
    """Publishes a version that can only write this letter, a new one each time."""
    numbers = itertools.count(1)

    def make(letter: str) -> str:
        number = next(numbers)
        return publish(context, base, write_twin(tmp_path / f"{letter}-{number}", letters[letter], number))

    return make


@contextmanager
def client(settings):
    with httpx.Client(base_url=settings.serving_base, timeout=120) as http:
        yield http


def ready(http) -> bool:
    try:
        return http.get("/readyz").is_success
    except httpx.TransportError:
        return False


class Load:
    """Eight people who keep asking, each over a stream."""

    def __init__(self, settings):
        self.answers: list[tuple[set[str], str, str]] = []
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self._settings = settings
        self._over = False

    async def __aenter__(self):
        self._client = await httpx.AsyncClient(base_url=self._settings.serving_base, timeout=120).__aenter__()
        self._asking = [asyncio.create_task(self._ask_on(n)) for n in range(8)]
        return self

    async def __aexit__(self, *failure):
        self._over = True
        await asyncio.gather(*self._asking)
        await self._client.aclose()

    async def until_answered_by(self, version: str) -> None:
        """Wait for a new answer of this version's; a broken stream is a failure at once."""
        while (await self._next()) != version:
            pass

    async def _next(self) -> str:
        news = asyncio.create_task(self.begun.get())
        done, _ = await asyncio.wait([news, *self._asking], return_when=asyncio.FIRST_COMPLETED, timeout=60)
        assert news in done, [task.exception() for task in done if task.exception()] or "nobody was answered"
        return news.result()

    async def _ask_on(self, n: int) -> None:
        body = {"messages": STORY, "stream": True, "max_tokens": 16, "ignore_eos": True}
        body["apprentice"] = {"chat": f"chat-{n}", "retrieval": False}
        while not self._over:
            async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
                assert response.status_code == 200, await response.aread()
                data = []
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        data.append(line.removeprefix("data: "))
                        if len(data) == 2:
                            self.begun.put_nowait(json.loads(data[0])["model"])
            assert data[-1] == "[DONE]"
            parts = [json.loads(line) for line in data[:-1]]
            assert parts[-1]["choices"][0]["finish_reason"] == "length", parts[-1]
            text = "".join(part["choices"][0]["delta"].get("content", "") for part in parts)
            self.answers.append(({part["model"] for part in parts}, text, parts[-1]["apprentice"]["turn_id"]))


async def test_a_hundred_swaps_under_load_leave_no_trace(settings, context, base, letter):
    """Six versions take turns in three slots, so that each swap also retires one and installs another."""
    versions = [letter("ab"[n % 2]) for n in range(6)]
    letter_of = {version: "ab"[n % 2] for n, version in enumerate(versions)}
    with serving_alone(settings, base) as process, client(settings) as http:
        until(lambda: ready(http), "serving is ready", 120)
        memory = psutil.Process(process.pid).memory_info
        used = []
        async with Load(settings) as load:
            for n in range(SWAPS):
                version = versions[n % len(versions)]
                await asyncio.to_thread(context.registry.promote, version, "test", "storm")
                await load.until_answered_by(version)
                used.append(memory().rss)
        until(lambda: context.store.hget(_replica(context), "leases") == "{}", "every lease was given back")
        until(lambda: len(context.registry.living().popitem()[1]) == 4, "base and three versions")
        assert "apprentice_requests_running 0.0" in http.get("/metrics").text

    assert len(load.answers) >= SWAPS
    turns = context.turns.get_many([turn_id for _, _, turn_id in load.answers])
    for models, text, turn_id in load.answers:
        (model,) = models
        assert turns[turn_id].adapter == model and turns[turn_id].status == "complete"
        if model in letter_of:
            assert set(text.split()) == {letter_of[model]}, text
    assert used[-1] < KEPT * used[WARM], [n // 2**20 for n in used[::10]]


def _replica(context) -> str:
    (name,) = context.registry.living()
    return keys.replica(name)


def test_two_replicas_move_together_and_one_that_died_comes_back_to_what_is_live(settings, context, base, letter):
    (port,) = free_ports(1)
    other = settings.model_copy(update={"serving_port": port})
    registry = context.registry
    with serving_alone(settings, base), client(settings) as one, client(other) as two:
        with serving_alone(other, base) as dying:
            until(lambda: ready(one) and ready(two), "both are ready", 180)
            roll_out(registry, one, two, (letter(name) for name in "aba"), "base")
            dying.kill()
            dying.wait()
        dead_is_counted = len(registry.living())
        version = letter("b")
        registry.promote(version, "ann", "while one replica is dead, and not known to be")
        assert dead_is_counted == 2 and registry.aliases().incoming == version
        until_live(one, version)
        assert len(registry.living()) == 1
        with serving_alone(other, base):
            states = []

            def back() -> bool:
                try:
                    states.append(two.get("/readyz"))
                except httpx.TransportError:
                    return False
                return states[-1].is_success

            until(back, "it is back", 180)
            assert states[-1].json() == {"ready": True, "live": version}
            assert ask(two, STORY)["model"] == version
            roll_out(registry, one, two, (letter(name) for name in "ab"), version)


def roll_out(registry, one, two, versions: Iterator[str], before: str) -> str:
    """Promote one new version after the other while a chat asks both replicas in turn: it never goes back."""
    seen, expected = [], [before]
    turn = itertools.cycle((one, two))

    def asked() -> str:
        extra = {"chat": "c", "retrieval": False}
        seen.append(ask(next(turn), max_tokens=1, apprentice=extra)["model"])
        return seen[-1]

    asked()
    for version in versions:
        expected.append(version)
        registry.promote(version, "ann", "")
        assert registry.aliases().incoming == version
        until(lambda version=version: asked() == version, "it answers", 60)
        assert all(version in installed for installed in registry.living().values())
        for _ in range(6):
            asked()
    assert [version for version, _ in itertools.groupby(seen)] == expected
    return version
