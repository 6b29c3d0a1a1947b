"""The HTTP API over the real model: answers, turns, swaps, and failures in words."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from bench.instance import free_ports
from core import keys
from core.identity import Pseudonyms
from core.records import BASE
from core.settings import Settings
from tests.serving_process import HELLO, STORY, ask, serving, until_live
from tests.waiting import until

OFF = {"retrieval": False}


def chunks(response) -> list[dict]:
    lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_the_openai_client_works_unchanged(api, store):
    client = openai.OpenAI(base_url=f"{api}/v1", api_key="unused")
    whole = client.chat.completions.create(model="apprentice", messages=HELLO, max_tokens=24)
    assert "Paris" in whole.choices[0].message.content and whole.model == BASE
    assert whole.usage.completion_tokens > 0 and whole.choices[0].finish_reason == "stop"
    stream = client.chat.completions.create(
        model="apprentice", messages=HELLO, max_tokens=24, stream=True, stream_options={"include_usage": True}
    )
    pieces = list(stream)
    text = "".join(p.choices[0].delta.content or "" for p in pieces if p.choices)
    assert text == whole.choices[0].message.content and pieces[-1].usage == whole.usage
    assert {m.id for m in client.models.list()} >= {"apprentice", BASE}
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-9'"):
        client.chat.completions.create(model="gpt-9", messages=HELLO)


def test_a_turn_is_recorded_before_it_is_answered_and_takes_feedback(http, context, settings):
    extra = {"chat": "c1", "author": "ann"}
    with http.stream(
        "POST", "/v1/chat/completions", json={"messages": HELLO, "stream": True, "apprentice": extra}
    ) as r:
        seen = chunks(r)
    turn = context.turns.get(seen[0]["apprentice"]["turn_id"])
    assert (turn.status, turn.adapter, turn.reply) == ("complete", BASE, seen[-1]["apprentice"]["text"])
    assert turn.chat == Pseudonyms.of_installation(settings.data_dir).chat("c1") and turn.first_token_ms is not None
    assert context.turns.head(turn.chat) == turn.id

    body = {"turn_id": turn.id, "author": "ann", "rating": -1, "reason": "wrong", "correction": "Lyon."}
    stored = http.post("/v1/feedback", json=body).json()
    assert stored["stored"] and "until the next refresh" in stored["progress"]
    (item,) = context.reviews.queue()
    assert (item.votes[0].value, item.corrections[0].text) == (-1, "Lyon.")

    follow_up = [*HELLO, {"role": "assistant", "content": turn.reply}, {"role": "user", "content": "And of Italy?"}]
    second = ask(http, follow_up, apprentice=extra | {"parent": turn.id})
    child = context.turns.get(second["apprentice"]["turn_id"])
    assert [m.content for m in child.messages] == ["And of Italy?"] and child.parent == turn.id
    refused = ask(http, follow_up, 400, apprentice={"chat": "c2", "parent": turn.id})
    assert "another chat" in refused["error"]["message"]


def test_a_question_in_another_language_is_declined_until_somebody_answers_it(http, context):
    asked = [{"role": "user", "content": "¿Cuál es la capital de Francia?"}]
    declined = ask(http, asked, apprentice={"chat": "c1", "author": "ann"})
    assert declined["choices"][0]["message"]["content"].startswith("Solo entiendo inglés")
    turn = context.turns.get(declined["apprentice"]["turn_id"])
    assert (turn.origin, turn.reply_tokens, turn.status) == ("declined", 0, "complete")
    context.reviews.decide(turn.id, "edit", "operator", "everyone", "París.")
    assert ask(http, asked)["choices"][0]["message"]["content"] == "París."


def test_an_answer_that_goes_round_in_circles_ends(http):
    asked = [{"role": "user", "content": "Are you smarter than most people?"}]
    given = {"max_tokens": 200, "apprentice": OFF | {"record": False}}
    cut, going_on = ask(http, asked, **given), ask(http, asked, ignore_eos=True, **given)
    short, long = (answer["choices"][0]["message"]["content"] for answer in (cut, going_on))
    assert cut["choices"][0]["finish_reason"] == "stop" and long.startswith(short)
    assert going_on["usage"]["completion_tokens"] == 200 > cut["usage"]["completion_tokens"]
    sentence = short[short.rstrip(".").rindex(". ") + 2 :]
    assert short.endswith(".") and 2 <= short.count(sentence) < long.count(sentence)


def test_who_wrote_a_message_stays_so_when_another_asks_again(http, context, settings):
    first = ask(http, apprentice={"chat": "team", "author": "ann"})["apprentice"]["turn_id"]
    again = ask(http, apprentice={"chat": "team", "author": "bob", "regenerates": first})["apprentice"]["turn_id"]
    author = Pseudonyms.of_installation(settings.data_dir).author
    turn = context.turns.get(again)
    assert (turn.author, turn.messages[0].author) == (author("bob"), author("ann"))
    refused = ask(http, status=400, apprentice={"chat": "other", "regenerates": first})
    assert "another chat" in refused["error"]["message"]


def test_a_seed_reproduces_and_greedy_needs_none(http, store):
    one, two, other = (
        ask(http, STORY, temperature=1.0, seed=seed, apprentice=OFF)["choices"][0]["message"]["content"]
        for seed in (7, 7, 8)
    )
    assert one == two != other
    assert (
        ask(http, temperature=1e-39)["choices"][0]["message"]["content"]
        == ask(http)["choices"][0]["message"]["content"]
    )
    stopped = ask(http, STORY, stop=[" a"], max_tokens=64)["choices"][0]
    assert " a" not in stopped["message"]["content"] and stopped["finish_reason"] == "stop"


def test_several_choices_are_answers_of_their_own(api, http, context):
    client = openai.OpenAI(base_url=f"{api}/v1", api_key="unused")
    asked = {"model": "apprentice", "messages": STORY, "n": 3, "seed": 5, "temperature": 1.0, "max_tokens": 12}
    whole = client.chat.completions.create(**asked, extra_body={"apprentice": OFF})
    texts = [choice.message.content for choice in whole.choices]
    assert len(set(texts)) == 3 and [choice.index for choice in whole.choices] == [0, 1, 2]
    assert [context.turns.get(c.apprentice["turn_id"]).reply for c in whole.choices] == texts
    assert whole.usage.completion_tokens == 36
    streamed = ["", "", ""]
    for chunk in client.chat.completions.create(**asked, stream=True, extra_body={"apprentice": OFF}):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert all(streamed)


def test_log_probabilities_are_those_of_the_tokens(api, store):
    client = openai.OpenAI(base_url=f"{api}/v1", api_key="unused")
    asked = {"model": "apprentice", "messages": HELLO, "max_tokens": 8, "logprobs": True, "top_logprobs": 3}
    choice = client.chat.completions.create(**asked).choices[0]
    told = choice.logprobs.content
    assert "".join(token.token for token in told) == choice.message.content
    for token in told:
        best = [other.logprob for other in token.top_logprobs]
        assert best == sorted(best, reverse=True) and len(best) == 3
        assert token.logprob == pytest.approx(best[0]) and token.token == token.top_logprobs[0].token  # greedy
    pieces = list(client.chat.completions.create(**asked, stream=True))
    streamed = [t.token for p in pieces for t in (p.choices[0].logprobs.content if p.choices[0].logprobs else [])]
    assert streamed == [token.token for token in told]


def test_json_fits_its_schema_whatever_the_temperature(api, http, store):
    client = openai.OpenAI(base_url=f"{api}/v1", api_key="unused")
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 20},
            "people": {"type": "integer", "minimum": 0, "maximum": 99_999_999},
            "coast": {"type": "boolean"},
        },
        "required": ["city", "people", "coast"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    asked = {"model": "apprentice", "messages": HELLO, "max_tokens": 120}
    for temperature in (0.0, 1.5):
        whole = client.chat.completions.create(**asked, response_format=wanted, temperature=temperature, seed=4)
        found = json.loads(whole.choices[0].message.content)
        assert list(found) == ["city", "people", "coast"] and whole.choices[0].finish_reason == "stop"
        assert isinstance(found["city"], str) and isinstance(found["people"], int) and isinstance(found["coast"], bool)
    free = client.chat.completions.create(**asked, response_format={"type": "json_object"})
    assert free.choices[0].message.content.startswith("{")
    with pytest.raises(openai.BadRequestError, match="schema of `response_format` cannot be used"):
        wrong = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
        client.chat.completions.create(**asked, response_format=wrong)


def test_penalties_and_top_k_change_what_is_said(http, store):
    def said(**fields) -> str:
        return ask(http, STORY, apprentice=OFF, **fields)["choices"][0]["message"]["content"]

    plain = said(max_tokens=40)
    assert said(max_tokens=40, top_k=1, temperature=1.0, seed=1) == plain
    assert said(max_tokens=40, top_p=1e-6, temperature=1.0, seed=1) == plain
    never_twice = said(max_tokens=40, presence_penalty=2, frequency_penalty=2, repetition_penalty=9).lower().split()
    assert len(set(never_twice)) / len(never_twice) > len(set(plain.lower().split())) / len(plain.split())


def test_versions_answer_side_by_side_and_a_turn_names_its_own(http, context, versions):
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(ask, http, STORY, model=model) for model in [versions["a"], versions["b"], BASE] * 2]
        answers = [job.result() for job in jobs]
    for answer in answers:
        text = answer["choices"][0]["message"]["content"]
        expected = {versions["a"]: {"a"}, versions["b"]: {"b"}}.get(answer["model"])
        assert expected is None or set(text.split()) == expected
        assert context.turns.get(answer["apprentice"]["turn_id"]).adapter == answer["model"]


async def test_twenty_swaps_under_eight_streams(http, api, context, versions):
    """None dropped, none mixing two versions, each turn naming the version that answered it."""
    swapped = asyncio.Event()
    answering: asyncio.Queue[str] = asyncio.Queue()
    seen: list[tuple[set[str], str, str]] = []

    async def keep_asking(client: httpx.AsyncClient) -> None:
        while not swapped.is_set():
            body = {"messages": STORY, "stream": True, "max_tokens": 16, "ignore_eos": True}
            async with client.stream("POST", "/v1/chat/completions", json=body) as response:
                data = []
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        data.append(line.removeprefix("data: "))
                        if len(data) == 2:
                            answering.put_nowait(json.loads(data[0])["model"])
            assert data[-1] == "[DONE]"
            parts = [json.loads(line) for line in data[:-1]]
            text = "".join(p["choices"][0]["delta"].get("content", "") for p in parts)
            seen.append(({p["model"] for p in parts}, text, parts[-1]["apprentice"]["turn_id"]))

    async def swap_twenty_times() -> None:
        try:
            for n in range(20):
                version = versions["ab"[n % 2]]
                await asyncio.to_thread(context.registry.promote, version, "test", "storm")
                while await answering.get() != version:
                    pass
        finally:
            swapped.set()

    async with httpx.AsyncClient(base_url=api, timeout=120) as client:
        await asyncio.gather(swap_twenty_times(), *(keep_asking(client) for _ in range(8)))

    letter_of = {versions["a"]: "a", versions["b"]: "b"}
    assert len(seen) >= 20
    for models, text, turn_id in seen:
        (model,) = models
        assert context.turns.get(turn_id).adapter == model
        if model in letter_of:
            assert set(text.split()) == {letter_of[model]}, text


def test_a_rollback_answers_at_once(http, context, versions):
    for letter in "ab":
        context.registry.promote(versions[letter], "ann", "")
        until_live(http, versions[letter])
    context.registry.rollback("ann", "worse")
    until_live(http, versions["a"])
    assert set(ask(http, STORY)["choices"][0]["message"]["content"].split()) == {"a"}


def test_a_chat_is_answered_by_the_canary_or_by_live_and_keeps_to_it(http, context, versions):
    registry = context.registry
    registry.promote(versions["a"], "ann", "")
    until_live(http, versions["a"])
    context.store.set(keys.REFRESH_FENCE, 1)
    registry.start_canary(versions["b"], 0.5, "gate", "", 1, versions["a"])
    until(lambda: registry.aliases().started_canary, "the canary is installed and starts")
    said = {}
    for chat in [f"chat-{n}" for n in range(20)] * 2:
        answer = ask(http, STORY, max_tokens=4, apprentice={"chat": chat, "retrieval": False})
        said.setdefault(chat, set()).add((answer["model"], *set(answer["choices"][0]["message"]["content"].split())))
        turn = context.turns.get(answer["apprentice"]["turn_id"])
        assert turn.cut and turn.adapter == answer["model"]
        assert (turn.adapter == versions["b"]) == registry.aliases().canary.takes(turn.chat)
    assert set().union(*said.values()) == {(versions["a"], "a"), (versions["b"], "b")}
    assert all(len(answers) == 1 for answers in said.values())
    assert ask(http, STORY, max_tokens=1)["model"] == versions["a"], "who names no chat stays on live"
    until(lambda: "apprentice_canary_share 0.5" in http.get("/metrics").text, "the share is shown")


async def test_a_client_that_goes_away_frees_its_place_and_keeps_what_was_said(api, context):
    body = {"messages": STORY, "stream": True, "max_tokens": 900, "ignore_eos": True, "apprentice": {"chat": "c"}}
    async with httpx.AsyncClient(base_url=api, timeout=60) as client:
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = response.aiter_lines()
            first = json.loads((await anext(lines)).removeprefix("data: "))
            for _ in range(20):
                await anext(lines)
        turn_id = first["apprentice"]["turn_id"]
        for _ in range(500):
            turn = await asyncio.to_thread(context.turns.get, turn_id)
            if turn.status != "open":
                break
            await asyncio.sleep(0.02)
        metrics = (await client.get("/metrics")).text
    assert turn.status == "stopped" and turn.reply.strip()
    assert "apprentice_requests_running 0.0" in metrics


def test_more_than_fits_is_told_to_come_back(base, valkey_url, tmp_path, store):
    (port,) = free_ports(1)
    tight = Settings(data_dir=tmp_path, redis_url=valkey_url, serving_port=port)
    with serving(tight, base, streams=1, queue=1) as api, httpx.Client(base_url=api, timeout=60) as http:
        body = {"messages": STORY, "max_tokens": 24, "ignore_eos": True}
        with ThreadPoolExecutor(6) as pool:
            bodies = [body | {"stream": n % 2 == 0} for n in range(6)]
            answers = [pool.submit(http.post, "/v1/chat/completions", json=asked) for asked in bodies]
            codes = [a.result() for a in answers]
    busy = [a for a in codes if a.status_code == 429]
    assert busy and any(a.status_code == 200 for a in codes)
    assert int(busy[0].headers["retry-after"]) > 0 and "try again" in busy[0].json()["error"]["message"]


REFUSED = {
    "empty": ({"messages": [{"role": "user", "content": "  "}]}, 400, "empty"),
    "no messages": ({"messages": []}, 400, "messages"),
    "not the user's turn": ({"messages": [*HELLO, {"role": "assistant", "content": "x"}]}, 400, "user's"),
    "too long": ({"messages": [{"role": "user", "content": "word " * 20_000}]}, 400, "Send it in parts"),
    "unknown model": ({"messages": HELLO, "model": "retired"}, 404, "no model"),
    "a picture": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "only text"),
    "hot": ({"messages": HELLO, "temperature": 9}, 400, "temperature"),
    "unknown parent": ({"messages": HELLO, "apprentice": {"parent": "nobody"}}, 400, "parent"),
    "endless": ({"messages": HELLO, "max_tokens": 10**6}, 400, "shorter"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_requests_get_one_clear_sentence(http, store, case):
    body, status, words = REFUSED[case]
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == status and words in answer.json()["error"]["message"]


def test_only_json_from_this_host_is_heard(http, store):
    assert (
        http.post("/v1/chat/completions", content=b"{oops", headers={"content-type": "application/json"}).status_code
        == 400
    )
    assert http.post("/v1/chat/completions", content=json.dumps({"messages": HELLO})).status_code == 415
    assert (
        http.post("/v1/chat/completions", json={"messages": HELLO}, headers={"host": "evil.example"}).status_code == 403
    )
    assert http.post("/v1/feedback", json={"turn_id": "none", "rating": 1}).status_code == 404
    assert http.post("/v1/feedback", json={"turn_id": "none"}).status_code == 400


def test_without_the_database_answers_go_on_unrecorded(base, tmp_path):
    (port,) = free_ports(1)
    alone = Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", serving_port=port)
    with serving(alone, base, streams=1) as api, httpx.Client(base_url=api, timeout=60) as http:
        assert http.get("/healthz").is_success and http.get("/readyz").status_code == 503
        answer = ask(http)
        assert "Paris" in answer["choices"][0]["message"]["content"] and answer["apprentice"]["turn_id"] is None
        told = http.post("/v1/feedback", json={"turn_id": "x", "rating": 1})
        assert told.status_code == 503 and "try again" in told.json()["error"]["message"]
