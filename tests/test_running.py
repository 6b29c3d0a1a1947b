"""A person asks for a program: it is run for whom that is on, told, tried once more where it failed, and recorded."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from core.identity import PLAYGROUND, Pseudonyms
from feedback.observations import Observations
from feedback.people import People
from feedback.permission import Permission
from feedback.portability import Portability
from kinds import KINDS, code
from kinds.sandbox import Limits, Sandbox, what_is_lacking
from tests.serving_process import ask
from tests.waiting import until

isolated = pytest.mark.skipif(what_is_lacking() is not None, reason=what_is_lacking() or "")
ADD = "Write a Python function add(a, b) that adds two numbers.\nassert add(1, 2) == 3"
NEVER = "Write a Python function add(a, b) that adds two numbers.\nassert 'this' == 'that'"
OWNER = {"author": PLAYGROUND, "chat": "playground:1", "kind": "code"}


def _stream(http: httpx.Client, instruction: str, **extra) -> list[dict]:
    """The chunks of a streamed answer."""
    body = {"messages": [{"role": "user", "content": instruction}], "stream": True, "max_tokens": 60}
    with http.stream("POST", "/v1/chat/completions", json=body | {"apprentice": OWNER | extra}) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def _begun(chunks: list[dict]) -> list[str]:
    """The turns that begin and end, in order."""
    return [chunk["apprentice"]["turn_id"] for chunk in chunks if "turn_id" in chunk.get("apprentice", ())]


def _said(chunks: list[dict]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


@pytest.fixture
def observations(context):
    return Observations(context.store, context.turns)


@isolated
def test_a_program_that_passes_its_tests_is_told_and_recorded(http, context, observations):
    answer = ask(http, [{"role": "user", "content": ADD}], max_tokens=60, apprentice=OWNER)["apprentice"]
    seen = answer["observation"]
    assert (seen["value"], seen["why"]) == (1.0, "passed") and "passed its tests" in seen["said"]
    kept = observations.of([answer["turn_id"]])[answer["turn_id"]]
    assert (kept.value, kept.why, kept.said, kept.took_ms) == (1.0, "passed", seen["said"], seen["took_ms"])


@isolated
def test_a_program_that_fails_is_tried_once_more_and_both_attempts_are_turns(http, context, observations):
    chunks = _stream(http, NEVER)
    begun = _begun(chunks)
    first, second = (context.turns.get(turn_id) for turn_id in dict.fromkeys(begun))
    assert begun == [first.id, second.id, second.id]
    told = "AssertionError: 'this' == 'that'"
    assert _said(chunks) == f"{first.reply}\n\n⚠ {told}\n\n{second.reply}"
    (failed,) = [chunk["apprentice"]["failed"] for chunk in chunks if "failed" in chunk.get("apprentice", ())]
    assert (failed["why"], failed["said"]) == ("test_failed", told), "for clients that say it in another language"
    end = chunks[-1]["apprentice"]
    assert (end["text"], end["observation"]["why"], end["observation"]["said"]) == (second.reply, "test_failed", told)
    assert second.regenerates == first.id and second.messages == first.messages and second.status == "complete"
    assert second.generated is None and second.messages[-1].content == NEVER
    assert first.prompt_hash == second.prompt_hash
    assert {o.why for o in observations.of([first.id, second.id]).values()} == {"test_failed"}
    whole = ask(http, [{"role": "user", "content": NEVER}], max_tokens=60, apprentice=OWNER)
    assert whole["choices"][0]["message"]["content"] == second.reply
    assert whole["usage"]["completion_tokens"] == first.reply_tokens + second.reply_tokens


@isolated
@pytest.mark.parametrize("extra", [{"author": "telegram:9"}, {"author": None}, {"kind": "chat"}])
def test_nothing_is_run_for_anybody_else_or_as_another_kind(http, context, observations, extra):
    chunks = _stream(http, NEVER, **extra)
    end = chunks[-1]["apprentice"]
    assert end["observation"] is None and _said(chunks) == end["text"]
    assert observations.of([end["turn_id"]]) == {}


def test_whom_the_setting_lets_run_programs(store):
    people, pseudonyms = People(store), Pseudonyms(b"key")
    owner, member = pseudonyms.author("telegram:1"), pseudonyms.author("telegram:2")
    people.redeem(people.invite("owner"), owner, "telegram:1")
    people.grant(member, "member")
    asked = [owner, pseudonyms.author(PLAYGROUND), member, None]

    def allowed(setting):
        return [Permission(people, pseudonyms, setting).may_run(author) for author in asked]

    assert allowed("owner") == [True, True, False, False]
    assert allowed("everyone") == [True] * 4 and allowed("nobody") == [False] * 4


@isolated
def test_stopping_an_answer_stops_its_program(http, monkeypatch):
    monkeypatch.setattr(KINDS["code"], "_sandbox", Sandbox(Limits(wall_s=600, cpu_s=600)))
    monkeypatch.setattr(code, "program_of", lambda reply: ("while True: pass", True))
    body = {"messages": [{"role": "user", "content": ADD}], "stream": True, "max_tokens": 8, "apprentice": OWNER}
    with httpx.Client(base_url=http.base_url, timeout=60) as client:
        with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            running = until(_sandboxes, "the program runs")
    until(lambda: not any(process.is_running() for process in running), "it is gone")


@isolated
def test_answers_come_whole_while_a_storm_rages_in_the_sandbox(http):
    story = {"messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 16}
    asked = story | {"apprentice": {"record": False, "retrieval": False}}
    calm = http.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"]["content"]
    box, over = Sandbox(Limits(wall_s=2, cpu_s=1)), threading.Event()
    attacks = ["import os\nwhile True: os.fork()", "held = bytearray(10 * 2**30)", "while True: print('x' * 999)"]

    def rage(program: str) -> int:
        runs = 0
        while not over.is_set():
            assert box.run(program).why in ("processes", "memory", "output")
            runs += 1
        return runs

    with ThreadPoolExecutor(len(attacks)) as pool:
        raging = [pool.submit(rage, code) for code in attacks]
        try:
            answers = [http.post("/v1/chat/completions", json=asked).json() for _ in range(2)]
        finally:
            over.set()
        assert all(each.result() for each in raging)
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == [calm] * 2


@isolated
def test_what_came_of_programs_is_exported_and_forgotten_with_them(http, context, observations):
    turns = _begun(_stream(http, NEVER))
    author = Pseudonyms.of_installation(context.settings.data_dir).author(PLAYGROUND)
    exported = Portability(context.store, context.turns, context.ratings, context.reviews).of(author)
    assert {each["turn"] for each in exported["observations"]} == set(turns)
    assert all("AssertionError" in each["said"] for each in exported["observations"])
    context.forgetting.forget(author, "operator")
    assert observations.of(turns) == {}


def _sandboxes() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if p.name() == "bwrap"]
