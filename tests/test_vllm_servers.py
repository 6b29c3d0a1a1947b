"""Several vLLM servers behind one engine: small stand-ins that speak vLLM's HTTP API and fail on demand."""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from conftest import free_port
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from adapters.manifest import CONFIG
from adapters.registry import Registry
from core import keys
from core.errors import AdapterRefused, Busy, InvalidInput, PromptTooLong, ServingUnavailable
from core.prompt import Renderer
from core.records import BASE
from core.settings import Settings
from feedback.turns import Turns
from serving.engine import GenerationRequest, Sampling
from serving.engines import make_engine
from serving.follow import Follower
from serving.local import LocalEngine
from serving.vllm import VllmEngine
from tests.adapter_files import publish_peft, write_base
from tests.engine_contract import VERSIONS, answered, deltas_of, text_of, until_true

MODEL = SimpleNamespace(name="small-model", folder=Path("/models/small-model"))
FOLDERS: dict[str, Path] = {}


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    """Where the versions' files lie; the stand-ins read none of them."""
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 4, "target_modules": ["q_proj"]}
    home = tmp_path_factory.mktemp("adapters")
    for letter in "ab":
        FOLDERS[letter] = home / letter
        FOLDERS[letter].mkdir()
        (FOLDERS[letter] / CONFIG).write_text(json.dumps(config))


def failed(status: int, message: str, param: str | None = None) -> JSONResponse:
    error = {"message": message, "type": "", "param": param, "code": status}
    return JSONResponse({"error": error}, status_code=status)


class StandIn:
    """Answers with the adapter's letter, as many tokens as asked; `breaks_after` cuts answers off."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.root, self.context = "owner/small-model", 100
        self.adapters: dict[str, str] = {}
        self.loads: list[str] = []
        self.asked: list[dict] = []
        self.refuses: JSONResponse | None = None
        self.fails: list[JSONResponse] = []
        self.breaks_after: int | None = None
        self.going = asyncio.Event()
        self.going.set()
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Answer from now on."""
        routes = [
            Route("/health", lambda request: PlainTextResponse("")),
            Route("/v1/models", self.models),
            Route("/v1/load_lora_adapter", self.load, methods=["POST"]),
            Route("/v1/unload_lora_adapter", self.unload, methods=["POST"]),
            Route("/v1/completions", self.complete, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=self.port, log_config=None, lifespan="off")
        config.timeout_graceful_shutdown = 1
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server._serve())
        await until_true(lambda: self._server.started)

    async def stop(self) -> None:
        """Answer no more, and forget every adapter."""
        self._server.should_exit = True
        await self._serving
        self.adapters.clear()

    def models(self, request):
        cards = [{"id": "the-base", "root": self.root, "parent": None, "max_model_len": self.context}]
        cards += [{"id": n, "root": r, "parent": "the-base", "max_model_len": None} for n, r in self.adapters.items()]
        return JSONResponse({"object": "list", "data": cards})

    async def load(self, request):
        body = await request.json()
        if self.refuses:
            return self.refuses
        if body["lora_name"] in self.adapters:
            return failed(400, "has already been loaded.")
        self.adapters[body["lora_name"]] = body["lora_path"]
        self.loads.append(body["lora_name"])
        return PlainTextResponse("Success")

    async def unload(self, request):
        name = (await request.json())["lora_name"]
        return PlainTextResponse("Success") if self.adapters.pop(name, None) else failed(404, "cannot be found.")

    async def complete(self, request):
        body = await request.json()
        self.asked.append(body)
        if self.fails:
            return self.fails.pop(0)
        if body["model"] not in ("the-base", *self.adapters):
            return failed(404, "The model does not exist.")
        if "allowed_token_ids" in body:
            likelihood = -float(body["allowed_token_ids"][0])
            return JSONResponse({"choices": [{"logprobs": {"token_logprobs": [likelihood]}}]})
        return StreamingResponse(self.events(body), media_type="text/event-stream")

    async def events(self, body):
        letter = Path(self.adapters.get(body["model"], "base")).name
        for n in range(1, body["max_tokens"] + 1):
            await self.going.wait()
            if self.breaks_after is not None and n > self.breaks_after:
                raise ConnectionError("cut off on demand")
            reason = "length" if n == body["max_tokens"] else None
            choice = {"text": f"{letter} ", "finish_reason": reason, "stop_reason": None, "logprobs": None}
            yield f"data: {json.dumps({'choices': [choice], 'usage': {'completion_tokens': n}})}\n\n"
        yield "data: [DONE]\n\n"


@pytest.fixture
async def servers():
    """Two that answer."""
    found = [StandIn(), StandIn()]
    for server in found:
        await server.start()
    yield found
    for server in found:
        server.going.set()
        await server.stop()


@asynccontextmanager
async def engine_over(servers, suffix=""):
    engine = VllmEngine(MODEL, [server.url for server in servers], 2, 1, 200, suffix)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture
async def engine(servers):
    async with engine_over(servers) as engine:
        yield engine


@pytest.fixture
async def installed(engine):
    for letter, version in VERSIONS.items():
        await engine.install(version, FOLDERS[letter])
    return VERSIONS


def ask(version: str = BASE, **how) -> GenerationRequest:
    return GenerationRequest((1, 2, 3), version, how.pop("max_tokens", 3), **how)


async def test_every_server_has_every_version_under_its_id_until_its_last_answer_ends(engine, servers, installed):
    versions = {version: str(FOLDERS[letter]) for letter, version in installed.items()}
    assert [s.adapters for s in servers] == [versions] * 2
    servers[0].going.clear(), servers[1].going.clear()
    generation = engine.generate(ask(installed["a"]))
    retiring = asyncio.create_task(engine.retire(installed["a"]))
    await until_true(lambda: installed["a"] not in engine.installed())
    assert not retiring.done() and all(installed["a"] in s.adapters for s in servers)
    servers[0].going.set(), servers[1].going.set()
    assert "".join([d.text async for d in generation]) == "a a a "
    await retiring
    assert [set(s.adapters) for s in servers] == [{installed["b"]}] * 2


async def test_all_that_is_asked_is_sent_and_ids_are_never_turned_into_words(engine, servers):
    how = Sampling(0.7, 0.9, 40, 1.1, 0.2, 0.3, seed=7, logprobs=2)
    await deltas_of(engine, ask(sampling=how, stop=("x",), ignore_eos=True))
    (body,) = servers[0].asked
    options = {"include_usage": True, "continuous_usage_stats": True}
    assert body == {
        "model": "the-base",
        "prompt": [1, 2, 3],
        "max_tokens": 3,
        "stream": True,
        "stream_options": options,
        "stop": ["x"],
        "ignore_eos": True,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.0,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "seed": 7,
        "logprobs": 2,
    }
    await deltas_of(engine, ask(sampling=Sampling(temperature=1e-39)))
    assert servers[0].asked[1]["temperature"] == 0.0


async def test_the_least_loaded_answers_and_beyond_the_queue_nobody(engine, servers):
    for server in servers:
        server.going.clear()
    generations = [engine.generate(ask()) for _ in range(5)]
    with pytest.raises(Busy, match="queue is full"):
        engine.generate(ask())
    await until_true(lambda: sum(len(s.asked) for s in servers) == 5)
    assert sorted(len(s.asked) for s in servers) == [2, 3]
    with pytest.raises(PromptTooLong, match="100 fit together"):
        engine.generate(ask(max_tokens=98))
    for generation in generations:
        await generation.aclose()
    assert not engine.leases()


async def test_one_that_goes_away_is_left_out_until_it_has_all_versions_again(engine, servers, installed):
    await servers[0].stop()
    assert [await text_of(engine, ask(installed["a"])) for _ in range(4)] == ["a a a "] * 4
    await engine.install("c" * 64, FOLDERS["b"])
    await servers[0].start()
    await until_true(lambda: set(servers[0].adapters) == {*installed.values(), "c" * 64})
    for server in servers:
        server.asked.clear()
        server.going.clear()
    generations = [engine.generate(ask("c" * 64)) for _ in range(2)]
    await until_true(lambda: len(servers[0].asked) == len(servers[1].asked) == 1)
    for server in servers:
        server.going.set()
    assert [[d.text async for d in g] for g in generations] == [["b ", "b ", "b "]] * 2


@pytest.mark.parametrize("failure", [failed(500, "EngineCore died"), failed(404, "The model does not exist.")])
async def test_what_fails_before_a_word_is_asked_again(engine, servers, installed, failure):
    servers[0].fails = [failure]
    servers[1].fails = [failure]
    assert await text_of(engine, ask(installed["b"])) == "b b b "


async def test_an_answer_is_cut_off_in_the_middle_and_not_begun_again(engine, servers, installed):
    servers[0].breaks_after = servers[1].breaks_after = 1
    said = []
    with pytest.raises(ServingUnavailable, match="broke off"):
        async for delta in engine.generate(ask(installed["a"])):
            said.append(delta.text)
    assert said == ["a "] and not engine.leases()


async def test_none_up_is_a_sentence(engine, servers, caplog):
    for server in servers:
        await server.stop()
    with pytest.raises(Busy, match="no vLLM server can answer"):
        await text_of(engine, ask())
    await until_true(lambda: caplog.text.count("ERROR") == 2)
    with pytest.raises(Busy, match="no vLLM server can load"):
        await engine.install("c" * 64, FOLDERS["a"])
    for server in servers:
        await server.start()
    assert await answered(engine, ask()) == "base base base " and caplog.text.count("ERROR") == 2


async def test_a_version_that_one_server_refuses_is_on_none(engine, servers):
    wrapped = "Call to add_lora method failed: Worker failed with error 'too wide.', please check the stack trace above"
    servers[1].refuses = failed(500, wrapped)
    with pytest.raises(AdapterRefused, match=rf"vLLM at {servers[1].url} refuses it: too wide\.$"):
        await engine.install("c" * 64, FOLDERS["a"])
    assert not servers[0].adapters and engine.installed() == {BASE}


async def test_servers_that_load_nothing_refuse_nobody_for_ever(engine, servers, caplog):
    for server in servers:
        server.refuses = JSONResponse({"detail": "Not Found"}, status_code=404)
    for _ in range(2):
        with pytest.raises(Busy, match="tried again"):
            await engine.install("c" * 64, FOLDERS["a"])
    assert caplog.text.count("VLLM_ALLOW_RUNTIME_LORA_UPDATING=1") == 1
    for server in servers:
        server.refuses = None
    await engine.install("c" * 64, FOLDERS["a"])


async def test_another_model_is_never_asked(servers, caplog):
    servers[0].root = "/models/other"
    async with engine_over(servers) as engine:
        assert [await text_of(engine, ask()) for _ in range(3)] == ["base base base "] * 3
        assert not servers[0].asked
    assert "it serves /models/other, and the model here is small-model" in caplog.text


async def test_a_name_that_stands_for_files_elsewhere_gets_the_ones_that_were_verified(engine, servers):
    servers[0].adapters["c" * 64] = "/old/place"
    await until_true(lambda: "c" * 64 in engine._servers[0].held)
    await engine.install("c" * 64, FOLDERS["a"])
    assert [s.adapters["c" * 64] for s in servers] == [str(FOLDERS["a"])] * 2


async def test_a_canary_is_loaded_on_every_server_and_asked_for_its_chats_only(engine, servers, store, tmp_path):
    registry, base = Registry(store, tmp_path / "adapters"), write_base(tmp_path / "base")
    follower = Follower(registry, engine, base, Renderer(None, "aaaa", 512, 1), Turns(store, 90), "r1", 2)
    version = publish_peft(registry, 1)
    store.set(keys.REFRESH_FENCE, 1)
    registry.heartbeat("r1", [BASE], {})
    registry.start_canary(version, 0.5, "gate", "", 1, BASE)
    await follower.step()
    assert registry.aliases().started_canary and all(version in s.adapters for s in servers)
    for chat in map(str, range(8)):
        async with follower.routed("apprentice", chat) as routed:
            await text_of(engine, ask(routed))
        expected = version if registry.aliases().canary.takes(chat) else "the-base"
        (asked,) = [body for server in servers for body in server.asked]
        assert asked["model"] == expected
        servers[0].asked.clear(), servers[1].asked.clear()


async def test_what_others_loaded_is_shared_and_a_suffix_keeps_apart(engine, servers, installed):
    async with engine_over(servers) as second, engine_over(servers, "-judged-1") as judge:
        await second.install(installed["a"], FOLDERS["a"])
        await judge.install(installed["a"], FOLDERS["a"])
        assert servers[0].loads == [*installed.values(), installed["a"] + "-judged-1"]
        assert await text_of(judge, ask(installed["a"])) == "a a a "
        await second.retire(installed["a"])
        assert await text_of(engine, ask(installed["a"])) == "a a a "
    await until_true(lambda: [set(s.adapters) for s in servers] == [set(installed.values())] * 2)


async def test_closing_ends_what_runs(servers):
    for server in servers:
        server.going.clear()
    async with engine_over(servers) as engine:
        generation = engine.generate(ask())
    with pytest.raises(ServingUnavailable, match="stopping"):
        await anext(aiter(generation))


async def test_what_vllm_does_not_take_is_the_clients_to_mend(engine, servers):
    servers[0].fails = [failed(400, "Requested sample logprobs of 30, which is greater than max allowed: 20")]
    with pytest.raises(InvalidInput, match="max allowed: 20"):
        await text_of(engine, ask(sampling=Sampling(logprobs=30)))


def test_the_settings_name_the_engine(base, tmp_path):
    settings = Settings(data_dir=tmp_path, engine="vllm", vllm_urls="http://one:8000/, http://two:8000")
    assert settings.vllm_servers == ("http://one:8000", "http://two:8000")
    assert isinstance(make_engine(settings, base, 4), VllmEngine)
    assert isinstance(make_engine(Settings(data_dir=tmp_path), base, 4), LocalEngine)


async def test_what_replies_to_choose_from_have_in_common_is_asked_once(servers, engine, installed):
    choices = ((5, 6, 0), (5, 7, 0), (8, 0))
    (delta,) = await deltas_of(engine, GenerationRequest((1, 2), installed["a"], 3, choices=choices))
    assert delta.choices == (-11.0, -12.0, -8.0) and (delta.finish_reason, delta.tokens) == ("stop", 1)
    asked = [(tuple(body["prompt"]), body["allowed_token_ids"][0]) for server in servers for body in server.asked]
    assert sorted(asked) == sorted(
        [((1, 2), 5), ((1, 2), 8), ((1, 2, 5), 6), ((1, 2, 5), 7), ((1, 2, 5, 6), 0), ((1, 2, 5, 7), 0), ((1, 2, 8), 0)]
    )
    assert not engine.leases()
