"""The vLLM engine does what every engine does, on a real vLLM server; and what only it must bear."""

import asyncio
import json
import shutil

import httpx
import pytest
import pytest_asyncio

from core.errors import AdapterRefused, Busy, ServingUnavailable
from core.records import BASE
from core.settings import Settings
from serving.app import build
from serving.engines import make_engine
from serving.vllm import VllmEngine
from tests.engine_contract import EngineContract, answered, deltas_of, text_of, until_true
from tests.serving_process import publish
from tests.vllm_process import PYTHON, VllmProcess
from workers.context import open_context
from workers.judging import open_judge

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server(base, tmp_path_factory):
    if not PYTHON.exists():
        pytest.skip("vLLM is not installed; `make test-vllm` installs it")
    server = VllmProcess(base, tmp_path_factory.mktemp("vllm") / "server.log")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def places():
    return 6


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(base, server, places):
    engine = VllmEngine(base, [server.url], 4, places - 4, 4096)
    await engine.start()
    yield engine
    await engine.close()


class TestVllmEngine(EngineContract):
    async def test_a_version_that_vllm_was_made_to_lose_is_loaded_again(self, engine, ask, installed, server):
        lost = installed["a"]
        server.post("/v1/unload_lora_adapter", {"lora_name": lost})
        assert set((await text_of(engine, ask(version=lost))).split()) == {"a"}
        assert lost in server.models()

    async def test_a_version_lost_while_nobody_asks_is_loaded_again(self, engine, installed, server):
        server.post("/v1/unload_lora_adapter", {"lora_name": installed["b"]})
        await until_true(lambda: installed["b"] in server.models())

    async def test_more_versions_than_vllm_holds_at_once_answer_right(self, engine, ask, letters, server):
        many = {f"{n:064x}": "ab"[n % 2] for n in range(8)}
        for version, letter in many.items():
            await engine.install(version, letters[letter])
        for version, letter in many.items():
            assert set((await text_of(engine, ask(version=version, max_tokens=6))).split()) == {letter}
        for version in many:
            await engine.retire(version)
        assert not set(many) & set(server.models())

    async def test_one_that_vllm_refuses_is_refused_with_its_reason(self, engine, base, letters, server, tmp_path):
        folder = tmp_path / "refused"
        shutil.copytree(letters["a"], folder)
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 64}))
        with pytest.raises(AdapterRefused, match=r"LoRA rank 64 is greater than max_lora_rank 16\.$"):
            await engine.install("e" * 64, folder)
        assert "e" * 64 not in engine.installed() | set(server.models())
        with pytest.raises(Busy, match="no vLLM server can load"):
            await engine.install("e" * 64, tmp_path / "elsewhere")

    async def test_the_judge_shares_the_server_and_leaves_nothing_there(self, base, engine, ask, letters, server):
        settings = Settings(engine="vllm", vllm_urls=server.url, prompt_tokens=512, reply_tokens=64)
        before = server.models()
        async with open_judge(settings, base, {"f" * 64: letters["b"], BASE: letters["a"]}, 4) as judging:
            during = set(server.models()) - set(before)
            assert [name.startswith("f" * 64 + "-judged-") for name in during] == [True]
            assert set((await text_of(judging._engine, ask(version="f" * 64))).split()) == {"b"}
        assert server.models() == before

    async def test_serving_answers_with_what_is_live_and_swaps_and_rolls_back(
        self, base, letters, server, store, valkey_url, tmp_path
    ):
        settings = Settings(data_dir=tmp_path, redis_url=valkey_url, engine="vllm", vllm_urls=server.url)
        context = open_context(settings)
        registry, versions = context.registry, {letter: publish(context, base, letters[letter]) for letter in "ab"}
        app = build(settings, base, make_engine(settings, base, settings.queue))
        near = {"transport": httpx.ASGITransport(app), "base_url": "http://127.0.0.1", "timeout": 60}
        async with app.router.lifespan_context(app), httpx.AsyncClient(**near) as http:
            for letter, move in (("a", registry.promote), ("b", registry.promote), ("a", None)):
                if move:
                    await asyncio.to_thread(move, versions[letter], "test", "")
                else:
                    await asyncio.to_thread(registry.rollback, "test", "")
                body = {"messages": [{"role": "user", "content": "Tell me a story about ships."}], "max_tokens": 8}
                async with asyncio.timeout(60):
                    while True:
                        answer = (await http.post("/v1/chat/completions", json=body)).json()
                        if answer["model"] == versions[letter]:
                            break
                assert set(answer["choices"][0]["message"]["content"].split()) == {letter}
            await until_true(lambda: {versions["a"]} == set(server.models()) & set(versions.values()))

    async def test_vllm_aborts_what_is_closed(self, engine, ask, server):
        generation = engine.generate(ask(max_tokens=1500, ignore_eos=True))
        await anext(aiter(generation))
        await until_true(lambda: server.running() == 1)
        await generation.aclose()
        await until_true(lambda: server.running() == 0)

    async def test_killed_and_restarted_it_has_its_versions_again(self, engine, ask, installed, server):
        generation = engine.generate(ask(version=installed["a"], max_tokens=1500, ignore_eos=True))
        deltas = aiter(generation)
        await anext(deltas)
        server.kill()
        with pytest.raises(ServingUnavailable, match="broke off"):
            async for _ in deltas:
                pass
        with pytest.raises(Busy, match="no vLLM server can answer"):
            await deltas_of(engine, ask(version=installed["a"]))
        assert not engine.leases() and set(installed.values()) <= engine.installed()
        await asyncio.to_thread(server.start)
        await until_true(lambda: set(installed.values()) <= set(server.models()), 60)
        texts = await asyncio.gather(*(answered(engine, ask(version=v)) for v in (*installed.values(), BASE)))
        assert [set(text.split()) for text in texts[:2]] == [{"a"}, {"b"}] and len(set(texts[2].split())) > 2
