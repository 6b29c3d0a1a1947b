"""What the engine does from step to step: prompts in pieces, beginnings read once, tokens drawn as asked."""

import asyncio
from collections import Counter

import pytest
import torch

from adapters.base import load_tokenizer
from core.records import BASE
from serving.engine import GenerationRequest, Sampling
from serving.local import DRAFT_TOKENS, PREFILL_TOKENS, LocalEngine
from serving.lookup import Lookup
from serving.prefixes import Prefixes
from serving.runner import SHORT
from serving.sampling import Sampler, alternatives
from tests.warm import WarmEngine


@pytest.fixture(scope="module")
def tokenizer(base):
    return load_tokenizer(base)


@pytest.fixture
async def engine(base, monkeypatch):
    """An engine whose passes are written down in `passes`."""
    engine = WarmEngine(base, 4, 4, 2, 1024, rank=8)
    await engine.start()
    engine.passes = []
    forward = engine._runner.forward

    def noted(spans):
        engine.passes.append([(span.version, span.start, len(span.ids)) for span in spans])
        return forward(spans)

    monkeypatch.setattr(engine._runner, "forward", noted)
    yield engine
    await engine.close()


async def text_of(generation) -> str:
    return "".join([delta.text async for delta in generation])


def asked(ids, version=BASE, max_tokens=6, **fields) -> GenerationRequest:
    return GenerationRequest(tuple(ids), version, max_tokens, ignore_eos=True, **fields)


async def test_a_long_prompt_is_read_between_the_tokens_of_running_streams(engine, tokenizer):
    running = engine.generate(asked(tokenizer.encode("Tell me a story."), max_tokens=40))
    deltas = aiter(running)
    await anext(deltas)
    long = tokenizer.encode("ship " * 900)[:900]
    assert await text_of(engine.generate(asked(long, max_tokens=2)))
    await running.aclose()
    reading = [step for step in engine.passes if any(length > SHORT and start for _, start, length in step)]
    assert len(reading) >= 900 // PREFILL_TOKENS
    assert all(any(length <= SHORT for _, _, length in step) for step in reading)  # the stream had its token each time
    assert max(sum(length for _, _, length in step) for step in engine.passes) <= PREFILL_TOKENS + DRAFT_TOKENS


async def test_a_chats_next_turn_reads_only_what_is_new(engine, tokenizer, letters):
    history = tokenizer.encode("The harbour master counts ships. " * 40)
    first = await text_of(engine.generate(asked(history)))
    turn = [*history, *tokenizer.encode(first), *tokenizer.encode(" And how many boats?")]
    engine.passes.clear()
    again = await text_of(engine.generate(asked(turn)))
    assert sum(length for step in engine.passes for _, _, length in step) < 40
    cold = LocalEngine(engine._base, 4, 4, 2, 1024, "cpu", torch.float32, rank=8)
    await cold.start()
    try:
        assert await text_of(cold.generate(asked(turn))) == again
    finally:
        await cold.close()
    await engine.install("a", letters["a"])
    engine.passes.clear()
    assert set((await text_of(engine.generate(asked(turn, "a")))).split()) == {"a"}
    assert sum(length for step in engine.passes for _, _, length in step) >= len(turn)  # nothing of base's


async def test_a_version_that_retires_leaves_nothing_behind(engine, tokenizer, letters):
    await engine.install("a", letters["a"])
    ids = tokenizer.encode("The harbour master counts ships. " * 10)
    await text_of(engine.generate(asked(ids, "a")))
    assert engine._prefixes.find("a", ids)[0]
    await engine.retire("a")
    assert not engine._prefixes.find("a", ids)[0] and engine.installed() == {BASE}


async def test_streams_beyond_the_places_wait_their_turn(engine, tokenizer):
    prompts = [tokenizer.encode(f"Count to {n}.") for n in range(8)]
    answers = await asyncio.gather(*(text_of(engine.generate(asked(ids))) for ids in prompts))
    assert all(answers) and max(len(step) for step in engine.passes) == 4
    assert engine.leases() == {} and sorted(engine._free) == [0, 1, 2, 3]


async def test_a_failing_pass_ends_its_own_streams_only(engine, tokenizer):
    forward, failed = engine._runner.forward, []

    def once(spans):
        if not failed:
            failed.append(spans)
            raise RuntimeError("out of memory")
        return forward(spans)

    engine._runner.forward = once
    ids = tokenizer.encode("Tell me a story.")
    with pytest.raises(RuntimeError, match="out of memory"):
        await text_of(engine.generate(asked(ids)))
    assert await text_of(engine.generate(asked(ids))) and engine.leases() == {}


async def test_guesses_change_no_text_and_save_steps(engine, tokenizer, monkeypatch):
    quoted = tokenizer.encode("The ferry leaves at nine. " * 8)
    guessed = await text_of(engine.generate(asked(quoted, max_tokens=40)))
    assert len(engine.passes) < 30 and any(length > 1 for step in engine.passes[1:] for _, _, length in step)
    monkeypatch.setattr("serving.local.MAX_DRAFT", 0)
    engine.passes.clear()
    assert await text_of(engine.generate(asked(quoted, max_tokens=40))) == guessed
    assert len(engine.passes) == 40


def test_a_guess_is_what_followed_last_time():
    lookup = Lookup()
    assert lookup.draft([1, 2], 3) == [] and lookup.draft([1, 2, 3, 4, 1, 2], 3) == [3, 4, 1]
    assert lookup.draft([1, 2, 3, 4, 1, 2, 9, 1, 2], 2) == [9, 1] and Lookup().draft([5], 2) == []


def test_beginnings_are_kept_within_bounds_the_oldest_going_first():
    columns = torch.zeros(1, 2, 1, 100, 4)
    prefixes = Prefixes(max_bytes=3 * columns.nbytes)
    for first in range(5):
        prefixes.keep("v", [first, *range(1, 100)], columns)
    assert [prefixes.find("v", [first, *range(1, 50)])[0] for first in range(5)] == [0, 0, 50, 50, 50]
    assert prefixes.find("w", [4, *range(1, 50)])[0] == 0
    prefixes.keep("v", [4, *range(1, 100), 7], columns)  # takes the place of its own beginning
    assert len(prefixes._kept) == 3 and prefixes.find("v", [2, *range(1, 30), 500])[0] == 30
    prefixes.keep("v", range(400), torch.zeros(1, 2, 1, 4000, 4))
    assert len(prefixes._kept) == 3  # larger than all there is room for
    prefixes.forget("v")
    assert not prefixes._kept and prefixes._bytes == 0


LOGITS = torch.tensor([2.0, 1.5, 1.0, -1.0, -4.0])


def drawn(count=4000, logits=LOGITS, **how) -> Counter:
    sampler = Sampler(Sampling(seed=3, **how), prompt_ids=())
    return Counter(sampler.choose(logits) for _ in range(count))


def test_tokens_are_drawn_as_often_as_their_probability():
    for temperature in (0.7, 1.0, 1.6):
        shares = torch.softmax(LOGITS / temperature, -1)
        found = drawn(temperature=temperature)
        for token, share in enumerate(shares.tolist()):
            assert abs(found[token] / 4000 - share) < 0.03
    assert set(drawn(temperature=1.0, top_k=2)) == {0, 1}
    assert set(drawn(temperature=1.0, top_p=0.6)) == {0, 1}  # 0.50 + 0.30
    assert set(drawn(temperature=1.0, top_p=0.4)) == {0}
    wide = torch.zeros(1000)
    assert len(drawn(logits=wide, temperature=1.0, top_p=0.9)) > 700  # a nucleus of more than is ranked at first


def test_penalties_are_those_of_the_openai_api():
    greedy = Sampler(Sampling(presence_penalty=0.4, frequency_penalty=0.2), ())
    # 0 falls by 0.6 to 1.4, so that 1 (1.5) follows and falls to 0.9; 2 (1.0) after 0 twice: 2 - 0.4 - 0.4 = 1.2
    assert [greedy.choose(LOGITS) for _ in range(4)] == [0, 1, 0, 0]
    repeated = Sampler(Sampling(repetition_penalty=2.0), prompt_ids=(0, 3))
    assert repeated.choose(LOGITS) == 1  # 0 halves to 1.0, as it stands in the prompt
    assert repeated.choose(LOGITS) in (0, 2) and not repeated.plain
    assert Sampler(Sampling(), (1, 2)).plain and not Sampler(Sampling(temperature=0.5), ()).plain


def test_alternatives_are_log_probabilities_best_first():
    logprob, top = alternatives(LOGITS, 2, 2)
    expected = LOGITS.log_softmax(-1)
    assert logprob == pytest.approx(float(expected[2]))
    assert top == [(0, pytest.approx(float(expected[0]))), (1, pytest.approx(float(expected[1])))]
