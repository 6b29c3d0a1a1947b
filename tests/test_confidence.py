"""How sure a version is of its answers, from its files to the person: told, kept, used to choose, and said."""

import asyncio
import json

import numpy as np
import pytest

from bot import texts
from bot.streaming import Answer
from bot.tongue import speaking
from core.client import Asked, Ended, ServingClient
from core.records import Message
from core.settings import Settings
from serving.best import TEMPERATURE, candidates, surest
from serving.engine import Delta, GenerationRequest, Sampling
from tests.adapter_files import write_head, write_lora
from tests.serving_process import STORY, ask, publish, until_live

OFF = {"retrieval": False}


@pytest.fixture
def version(context, http, base, tmp_path) -> str:
    """A live version that says other things than base, with an outcome head that means nothing."""
    folder = write_lora(tmp_path / "sure", base, 3, strength=0.02)
    write_head(folder, np.random.default_rng(1).standard_normal(576) / 12, 0.0)
    made = publish(context, base, folder)
    context.registry.promote(made, "operator", "")
    until_live(http, made)
    return made


def test_an_answers_confidence_is_told_kept_and_used_to_choose(http, api, context, version):
    sampled = {"temperature": 1.0, "max_tokens": 12}
    each = [ask(http, STORY, seed=7 + n, apprentice=OFF, **sampled) for n in range(4)]
    sureness = [answer["apprentice"]["confidence"] for answer in each]
    assert all(0 < c < 1 for c in sureness) and len(set(sureness)) == 4
    assert each[0]["choices"][0]["apprentice"]["confidence"] == sureness[0]
    assert context.turns.get(each[0]["apprentice"]["turn_id"]).confidence == sureness[0]

    before = len(list(context.store.scan_iter("apprentice:turn:" + "?" * 32)))
    chosen = ask(http, STORY, seed=7, apprentice=OFF | {"best_of": 4}, **sampled)
    surest_one = each[sureness.index(max(sureness))]
    assert chosen["choices"][0]["message"]["content"] == surest_one["choices"][0]["message"]["content"]
    assert chosen["apprentice"]["confidence"] == pytest.approx(max(sureness), abs=1e-3)
    after = len(list(context.store.scan_iter("apprentice:turn:" + "?" * 32)))
    assert after == before + 1, "only what was chosen is a turn"

    body = {"messages": STORY, "seed": 7, "stream": True, "apprentice": OFF | {"best_of": 4}} | sampled
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: {")]
    said = "".join(line["choices"][0]["delta"].get("content", "") for line in lines)
    assert said == surest_one["choices"][0]["message"]["content"]
    assert lines[-1]["apprentice"]["confidence"] == chosen["apprentice"]["confidence"]

    async def through_the_client() -> Ended:
        client = ServingClient(api)
        asked = Asked([Message("user", STORY[0]["content"])], "c", "ann")
        *_, ended = [event async for event in client.answer(asked)]
        await client.close()
        return ended

    ended = asyncio.run(through_the_client())
    assert context.turns.get(ended.turn_id).confidence == ended.confidence is not None


def test_what_has_no_head_or_is_not_the_models_own_has_no_confidence(http, context, version):
    assert ask(http, STORY, model="base", apprentice=OFF)["apprentice"]["confidence"] is None
    with_many = ask(http, STORY, model="base", apprentice=OFF | {"best_of": 8})
    assert with_many == with_many | {"usage": ask(http, STORY, model="base", apprentice=OFF)["usage"]}
    turn = context.turns.get(ask(http, STORY)["apprentice"]["turn_id"])
    context.reviews.decide(turn.id, "edit", "operator", "everyone", "A checked answer.")
    checked = ask(http, STORY)["apprentice"]
    assert (checked["origin"], checked["confidence"]) == ("approved", None)


def test_every_choice_or_the_best_of_them(http):
    refused = ask(http, STORY, 400, n=2, apprentice=OFF | {"best_of": 2})
    assert "give one of the two" in refused["error"]["message"]
    assert "best_of" in ask(http, STORY, 400, apprentice=OFF | {"best_of": 9})["error"]["message"]


def test_candidates_draw_numbers_of_their_own_and_greedy_ones_are_sampled():
    request = GenerationRequest((1,), "v", 8, Sampling(seed=5))
    found = [(each.sampling.temperature, each.sampling.seed) for each in candidates(request, 3)]
    assert found == [(TEMPERATURE, 5), (TEMPERATURE, 6), (TEMPERATURE, 7)]
    (warm, _) = candidates(GenerationRequest((1,), "v", 8, Sampling(temperature=0.3)), 2)
    assert (warm.sampling.temperature, warm.sampling.seed) == (0.3, None)


async def _says(*deltas):
    for delta in deltas:
        if isinstance(delta, Exception):
            raise delta
        yield delta


async def _never_ends(closed: list):
    try:
        await asyncio.Event().wait()
        yield Delta("", 0)
    finally:
        closed.append(True)


@pytest.mark.asyncio
async def test_the_surest_reply_is_said_and_one_without_confidence_only_where_none_has_any():
    replies = [
        _says(Delta("a", 1), Delta("", 1, "stop", confidence=0.2)),
        _says(Delta("b", 1), Delta("c", 1, "stop", confidence=0.7)),
        _says(Delta("cut", 1, "stop")),
    ]
    assert "".join([delta.text async for delta in surest(replies)]) == "bc"
    assert [d.text async for d in surest([_says(Delta("x", 1, "stop")), _says(Delta("y", 1, "stop"))])] == ["x"]


@pytest.mark.asyncio
async def test_where_one_fails_the_others_are_let_go():
    closed = []
    with pytest.raises(ValueError, match="no"):
        async for _ in surest([_says(ValueError("no")), _never_ends(closed)]):
            pass
    assert closed == [True]


@pytest.mark.parametrize("language", ["en", "de", "es", "ru", "zh"])
def test_the_bot_says_that_it_is_not_sure_in_the_persons_language(language):
    settings = Settings(unsure_below=0.3)
    with speaking(language):
        unsure, sure, unknown = (
            Answer("So.", "t", Ended("t", "v", "So.", "model", (), "stop", None, confidence)).note(settings)
            for confidence in (0.29, 0.3, None)
        )
        assert unsure == texts.NOT_SURE and sure == unknown == ""
    assert not Settings(unsure_below=0.0).is_unsure(0.0)
