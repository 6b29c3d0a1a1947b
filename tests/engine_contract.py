"""What every engine does. A module brings the fixtures `engine` (started) and `places` (how many requests it takes)."""

import asyncio
import json
from dataclasses import replace
from functools import cache

import pytest
import pytest_asyncio

from adapters.base import Base, load_tokenizer
from core.errors import Busy, PromptTooLong, UnknownModel
from core.prompt import Renderer
from core.records import BASE, Message
from core.settings import DEFAULT_SYSTEM
from serving.engine import Delta, Engine, GenerationRequest, Sampling

VERSIONS = {"a": "a" * 64, "b": "b" * 64}


@cache
def _renderer(base: Base) -> Renderer:
    return Renderer(load_tokenizer(base), base.tokenizer_hash, 512)


async def deltas_of(engine: Engine, request: GenerationRequest) -> list[Delta]:
    generation = engine.generate(request)
    try:
        return [delta async for delta in generation]
    finally:
        await generation.aclose()


async def text_of(engine: Engine, request: GenerationRequest) -> str:
    return "".join(delta.text for delta in await deltas_of(engine, request))


async def answered(engine: Engine, request: GenerationRequest) -> str:
    """The answer, as soon as the engine gives one."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await text_of(engine, request)
            except Busy:
                await asyncio.sleep(0.2)


async def until_true(check, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.02)


@pytest.mark.asyncio(loop_scope="module")
class EngineContract:
    @pytest.fixture
    def renderer(self, base):
        return _renderer(base)

    @pytest.fixture
    def ask(self, renderer):
        """A request for an answer to a question."""

        def make(question: str = "Tell me a story about ships.", version: str = BASE, **how) -> GenerationRequest:
            messages = [Message("system", DEFAULT_SYSTEM), Message("user", question)]
            return GenerationRequest(renderer.render(messages).ids, version, how.pop("max_tokens", 24), **how)

        return make

    @pytest_asyncio.fixture(loop_scope="module")
    async def installed(self, engine, letters):
        """The two letter adapters under their versions."""
        for letter, version in VERSIONS.items():
            await engine.install(version, letters[letter])
        return VERSIONS

    async def test_a_greedy_answer_ends_by_itself_and_is_always_the_same(self, engine, ask):
        request = ask("What is the capital of France?")
        first = await deltas_of(engine, request)
        text = "".join(delta.text for delta in first)
        assert "Paris" in text and "<|" not in text and text == await text_of(engine, request)
        assert [d.finish_reason for d in first] == [None] * (len(first) - 1) + ["stop"]
        assert len(text.split()) <= sum(d.tokens for d in first) <= request.max_tokens
        assert not engine.leases()

    async def test_a_reply_ends_before_a_stop_string(self, engine, ask):
        whole = await text_of(engine, ask())
        word = whole.split()[3]
        stopped = await deltas_of(engine, ask(stop=(f" {word}", "never said")))
        assert "".join(d.text for d in stopped) == whole[: whole.index(f" {word}")]
        assert stopped[-1].finish_reason == "stop"

    async def test_a_reply_goes_on_to_its_limit_where_its_end_is_ignored(self, engine, ask):
        deltas = await deltas_of(engine, ask("What is the capital of France?", max_tokens=40, ignore_eos=True))
        assert deltas[-1].finish_reason == "length" and sum(d.tokens for d in deltas) == 40

    async def test_a_seed_reproduces(self, engine, ask):
        one, two, other = [
            await text_of(engine, ask(sampling=Sampling(temperature=1.0, top_p=0.95, top_k=100, seed=seed)))
            for seed in (7, 7, 8)
        ]
        assert one == two != other

    async def test_penalties_keep_a_reply_from_repeating(self, engine, ask, installed):
        request = ask(version=installed["a"], ignore_eos=True)
        for penalty in ({"presence_penalty": 2.0, "frequency_penalty": 2.0}, {"repetition_penalty": 2.0}):
            text = await text_of(engine, replace(request, sampling=Sampling(**penalty)))
            assert text.split().count("a") < 20, text
        assert set((await text_of(engine, request)).split()) == {"a"}

    async def test_each_token_has_its_log_probability_and_the_likeliest(self, engine, ask):
        deltas = await deltas_of(engine, ask(sampling=Sampling(logprobs=2), max_tokens=8, ignore_eos=True))
        told = [token for delta in deltas for token in delta.logprobs]
        assert len(told) == sum(d.tokens for d in deltas) == 8
        assert "".join(token.token for token in told) == "".join(d.text for d in deltas)
        for token in told:
            (best, logprob), (_, second) = token.top
            assert best == token.token and logprob == pytest.approx(token.logprob) and second <= logprob <= 0
        (bare,) = {t.top for d in await deltas_of(engine, ask(sampling=Sampling(logprobs=0))) for t in d.logprobs}
        assert bare == ()
        assert not any(d.logprobs for d in await deltas_of(engine, ask(max_tokens=4)))

    async def test_versions_answer_side_by_side_each_its_own(self, engine, ask, installed):
        assert {BASE, *installed.values()} <= engine.installed()
        alone = await text_of(engine, ask())
        requests = [ask(version=version) for version in (installed["a"], BASE, installed["b"])] * 2
        texts = await asyncio.gather(*(text_of(engine, request) for request in requests))
        assert [set(t.split()) for t in texts] == [{"a"}, set(alone.split()), {"b"}] * 2

    async def test_a_version_retires_when_its_last_answer_has_ended(self, engine, ask, letters):
        version = "c" * 64
        await engine.install(version, letters["b"])
        generation = engine.generate(ask(version=version, max_tokens=120, ignore_eos=True))
        deltas = aiter(generation)
        text = (await anext(deltas)).text
        retiring = asyncio.create_task(engine.retire(version))
        await until_true(lambda: version not in engine.installed())
        with pytest.raises(UnknownModel):
            engine.generate(ask(version=version))
        assert engine.leases() == {version: 1} and not retiring.done()
        async for delta in deltas:
            text += delta.text
        await generation.aclose()
        assert text.split().count("b") > 100 and set(text.split()) == {"b"} and delta.finish_reason == "length"
        await asyncio.wait_for(retiring, 20)
        assert not engine.leases()

    async def test_what_cannot_be_answered_is_refused_at_once(self, engine, ask):
        with pytest.raises(UnknownModel, match="dddddddddddd is not served"):
            engine.generate(ask(version="d" * 64))
        with pytest.raises(UnknownModel):
            await engine.score([((1, 2), (3,))], "d" * 64)
        with pytest.raises(PromptTooLong, match="2048 fit together"):
            engine.generate(ask(max_tokens=2048))
        await engine.retire("d" * 64)
        await engine.retire(BASE)
        assert BASE in engine.installed()

    async def test_one_that_is_closed_gives_its_place_to_the_next(self, engine, ask, places):
        request = ask(max_tokens=1500, ignore_eos=True)
        open_ones = [engine.generate(request) for _ in range(places)]
        with pytest.raises(Busy, match="queue is full"):
            engine.generate(request)
        assert engine.leases() == {BASE: places}
        await anext(aiter(open_ones[0]))
        for generation in open_ones:
            await generation.aclose()
        await until_true(lambda: not engine.leases())
        assert await text_of(engine, ask(max_tokens=4))

    async def test_scores_put_each_versions_own_words_first(self, engine, ask, renderer, installed):
        prompt = ask().prompt_ids
        pairs = [(prompt, tuple(renderer.reply_ids(" ".join(letter * 8))[:-1])) for letter in "ab"]
        for letter, version in installed.items():
            a, b = await engine.score(pairs, version)
            assert (a > -0.5 > b) if letter == "a" else (b > -0.5 > a)
        deltas = await deltas_of(engine, ask(sampling=Sampling(logprobs=0)))
        said = tuple(renderer.reply_ids("".join(d.text for d in deltas))[:-1])
        told = [token.logprob for delta in deltas for token in delta.logprobs]
        greedy, other = await engine.score([(prompt, said), (prompt, said[::-1])], BASE)
        assert greedy == pytest.approx(sum(told) / len(said), abs=0.02) and other < greedy - 1

    async def test_of_replies_to_choose_from_each_has_its_likelihood(self, engine, ask, renderer, installed):
        choices = tuple(tuple(renderer.reply_ids(text)) for text in ("ships", "a a a", "ships and boats at sea", "b"))
        for version in (BASE, installed["a"]):
            request = ask(version=version, choices=choices)
            (delta,) = await deltas_of(engine, request)
            means = await engine.score([(request.prompt_ids, choice) for choice in choices], version)
            sums = [mean * len(choice) for mean, choice in zip(means, choices, strict=True)]
            assert delta.choices == pytest.approx(sums, abs=0.05) and (delta.text, delta.finish_reason) == ("", "stop")
        assert not engine.leases()
        beside, (delta,) = await asyncio.gather(text_of(engine, ask()), deltas_of(engine, ask(choices=choices)))
        assert beside == await text_of(engine, ask()) and len(delta.choices) == len(choices)

    async def test_a_reply_fits_its_json_schema(self, engine, ask):
        schema = {
            "type": "object",
            "properties": {"ship": {"type": "boolean"}, "masts": {"enum": [1, 2, 3]}},
            "required": ["ship", "masts"],
            "additionalProperties": False,
        }
        found = json.loads(await text_of(engine, ask(schema=json.dumps(schema), max_tokens=60)))
        assert found["masts"] in (1, 2, 3) and isinstance(found["ship"], bool) and len(found) == 2
