"""Two versions side by side: an operator picks blind, and the pick is a pair that a refresh learns from."""

import json

import pytest
from conftest import free_port
from test_console import CAPITAL, STORY, console, opened
from test_console_accounts import joined

from adapters.base import load_tokenizer
from console.accounts import Accounts
from core import keys
from core.prompt import Renderer
from core.records import BASE, Message, Turn, from_json, new_id, now_ms
from core.settings import Settings
from feedback.audit import AuditLog
from tests.adapter_files import write_twin
from tests.serving_process import ask, publish
from tests.waiting import until
from training.hyperparameters import Hyperparameters
from training.snapshot import Recipe, build


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=tmp_path_factory.mktemp("compare"), redis_url=valkey_url, reply_tokens=24, **ports)


@pytest.fixture(scope="module")
def address(api, settings):
    with console(settings) as address:
        yield address


@pytest.fixture
def page(address, store):
    with opened(address) as page:
        yield page


def prompt_on(side: str, context) -> str:
    """A prompt whose side, which a hash of it decides, is this one."""
    for n in range(50):
        text = f"{STORY} Number {n}."
        if context.reviews.splits([Turn(new_id(), (Message("user", text),))]) == [side]:
            return text
    raise AssertionError


def snapshot(context, base, policy: str):
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, context.settings.prompt_tokens)
    record = context.record
    recipe = Recipe(context.settings.system_prompt, base.hash, Hyperparameters(rank=4), review_policy=policy)
    return build(record, renderer, recipe), renderer


def texts(lines: list[dict]) -> dict[str, str]:
    return {line["side"]: line["text"] for line in lines if line["type"] == "ended"}


def saying(start: str, lines: list[dict]) -> str:
    """The side whose answer begins so."""
    (side,) = [side for side, text in texts(lines).items() if text.startswith(start)]
    return side


def rows(told: dict) -> dict[str, str]:
    return dict(told["rows"])


# The story


def test_a_blind_pick_is_a_pair_in_the_next_snapshot(page, context, versions, base):
    page.post("/consent", consent="yes")
    shown = page.http.get("/compare").text
    assert versions["a"] in shown and "Nothing was compared yet" in shown
    text = prompt_on("train", context)
    lines = page.stream("/compare/ask", text=text, versions=[versions["a"], BASE])
    told = json.dumps(lines)
    assert versions["a"][:12] not in told and '"base"' not in told, "nothing tells which is which"
    assert {line["side"] for line in lines if line["type"] == "said"} == {"a", "b"}
    better, ready = saying("a a a", lines), lines[-1]
    assert ready["type"] == "ready"

    revealed = page.post("/compare/pick", id=ready["id"], pick=better)["sides"]
    other = {"a": "b", "b": "a"}[better]
    assert (revealed[better]["version"], revealed[other]["version"]) == (versions["a"][:12], BASE)
    assert revealed[better]["details"]["page"] == f"/adapters/{versions['a']}"
    facts = rows(revealed[better]["details"])
    assert facts["reply"] == "24 tokens" and facts["prompt"] == rows(revealed[other]["details"])["prompt"]
    assert "decided already" in page.refused("/compare/pick", 404, id=ready["id"], pick=other)

    chosen, rejected = (context.turns.get(revealed[side]["turn"]) for side in (better, other))
    (vote,) = context.ratings.votes(chosen.id)
    assert (vote.value, vote.against, context.ratings.votes(rejected.id)) == (1, rejected.id, [])
    assert chosen.messages == rejected.messages and chosen.prompt_hash == rejected.prompt_hash
    assert {chosen.beside, rejected.beside} == {None, revealed["a"]["turn"]}

    assert snapshot(context, base, "all")[0].train == (), "where operators decide, it waits for them"
    (item,) = context.reviews.queue()
    assert item.turn.id == chosen.id
    assert rejected.reply.split("\n")[0] in page.http.get(f"/review/{chosen.id}").text
    for policy in ("none", "all"):
        if policy == "all":
            context.reviews.decide(chosen.id, "approve", "ann", "everyone")
        found, renderer = snapshot(context, base, policy)
        (pair,) = found.train
        assert (pair.objective, pair.source) == ("pair", chosen.id)
        assert list(pair.reply_ids) == renderer.reply_ids(chosen.reply)
        assert list(pair.rejected_ids) == renderer.reply_ids(rejected.reply)

    for path in ("/compare", f"/adapters/{versions['a']}"):
        told = page.http.get(path).text
        assert "<td>3 to 100 %</td>" in told or "<td>0 to 98 %</td>" in told, "one win of one, whichever stands first"
    (_, noted) = AuditLog(context.store).page(count=2)
    assert (noted.what, noted.why) == ("compare", f"{better.upper()} better")


def test_a_turn_is_replayed_on_another_version_and_leaves_no_trace(page, context, versions, store):
    first = page.ask(CAPITAL)
    second = page.ask(STORY)
    assert rows(second["details"])["first token after"].endswith(" s") and second["details"]["version"] == BASE
    assert [turn["details"]["rows"] for turn in page.conversation()["turns"]][1][0] == second["details"]["rows"][0]
    before, head = sorted(store.keys("*turn*")), context.turns.head(context.turns.get(first["turn_id"]).chat)
    given = page.http.get(f"/replay/{second['turn_id']}?version={versions['a']}").text
    assert f'value="{versions["a"]}" selected' in given and "Said before: 1" in given and "prompt identity" in given

    again = page.stream(f"/replay/{second['turn_id']}", version=BASE)[-1]
    assert again["text"] == second["text"], "the same version, asked the same, says the same"
    assert rows(again["details"])["prompt"] == rows(second["details"])["prompt"]
    begun, *said, ended = page.stream(f"/replay/{second['turn_id']}", version=versions["a"])
    assert ended["text"].startswith("a a a") and ended["details"]["version"] == versions["a"] and len(said) > 1
    assert sorted(store.keys("*turn*")) == before and head == second["turn_id"]
    assert context.turns.head(context.turns.get(first["turn_id"]).chat) == head


def test_a_version_that_serving_does_not_hold_is_loaded_first(page, http, context, versions):
    context.registry.reject(versions["b"])
    until(lambda: versions["b"] not in {r["id"] for r in http.get("/v1/models").json()["data"]}, "b is gone")
    assert "is loaded first" in page.http.get("/compare").text
    lines = page.stream("/compare/ask", text=STORY, versions=[versions["b"], versions["a"]])
    assert lines[0] == {"type": "loading", "versions": [versions["b"][:12]]}
    assert {text[:5] for text in texts(lines).values()} == {"a a a", "b b b"}
    assert context.registry.get(versions["b"]).status == "rejected" and context.registry.route() == BASE


def test_a_persons_question_is_compared_beside_their_chat_and_forgotten_with_them(page, http, context, versions):
    extra = {"chat": "telegram:7", "author": "telegram:7"}
    first = ask(http, apprentice=extra)["apprentice"]["turn_id"]
    asked = [{"role": "user", "content": CAPITAL}, {"role": "assistant", "content": "Paris."}]
    messages = [*asked, {"role": "user", "content": STORY}]
    turn = context.turns.get(ask(http, messages, apprentice=extra | {"parent": first})["apprentice"]["turn_id"])
    context.people.set_consent(turn.author, "yes")
    assert STORY in page.http.get(f"/compare?turn={turn.id}").text
    lines = page.stream("/compare/ask", turn=turn.id, versions=[versions["a"], versions["b"]])
    picked = page.post("/compare/pick", id=lines[-1]["id"], pick="both")["sides"]
    both = [context.turns.get(side["turn"]) for side in picked.values()]
    for each in both:
        assert each.messages == turn.messages and each.messages[0].author == turn.author != each.author
        assert (each.parent, each.chat, each.regenerates) == (first, turn.chat, None)
        assert [vote.value for vote in context.ratings.votes(each.id)] == [1]
    assert context.turns.head(turn.chat) == turn.id, "the chat goes on from its own answer"
    assert context.turns.recent(0, now_ms() + 1) == [first, turn.id], "and no trial counts the others"

    context.forgetting.forget(turn.author, "ann")
    assert context.turns.get_many([first, turn.id, *(each.id for each in both)]) == {}
    assert "no turn" in page.http.get(f"/replay/{turn.id}").text


def test_of_what_is_said_word_for_word_only_a_replay_asks_the_version(page, context, versions):
    turn_id = page.ask(CAPITAL)["turn_id"]
    context.reviews.decide(turn_id, "edit", "ann", "everyone", "It is Paris, as ever.")
    lines = page.stream("/compare/ask", text=CAPITAL, versions=[versions["a"], BASE])
    assert lines[-1]["type"] == "failed" and "A sentence stands ready" in lines[-1]["error"].capitalize()
    page.post("/reset")
    approved = page.ask(CAPITAL)
    assert approved["origin"] == "approved" and "reply" not in rows(approved["details"])
    assert page.stream(f"/replay/{approved['turn_id']}", version=versions["a"])[-1]["text"].startswith("a a a")


def test_who_may_look_may_not_ask(address, store, context):
    accounts = Accounts(store)
    with joined(address, accounts.invite("admin"), "ann"), joined(address, accounts.invite("viewer"), "bob") as bob:
        turn = Turn(new_id(), (Message("user", CAPITAL),), reply="Paris.", created_at=now_ms())
        context.turns.add_closed([turn])
        for path in ("/compare", f"/replay/{turn.id}", "/compare/scores"):
            assert bob.http.get(path).is_success and "<form" not in bob.http.get(path).text
        for path, body in {
            "/compare/ask": {"text": "May I?", "versions": [BASE, BASE]},
            "/compare/pick": {"id": "x", "pick": "a"},
            f"/replay/{turn.id}": {"version": BASE},
        }.items():
            assert "needs the role reviewer" in bob.refused(path, 403, **body)


# What goes wrong


def test_what_cannot_be_compared_is_said(page, context, versions, base, letters, tmp_path, http):
    a, b = versions["a"], versions["b"]
    assert "two different versions" in page.refused("/compare/ask", 400, text=STORY, versions=[a, a])
    assert "no version begins" in page.refused("/compare/ask", 404, text=STORY, versions=[a, "f" * 64])
    assert "there is no turn" in page.refused("/compare/ask", 404, turn="f" * 32, versions=[a, b])
    assert "is empty" in page.refused("/compare/ask", 400, text=" ", versions=[a, b])
    assert "load it again" in page.refused("/compare/ask", 400, text=STORY, versions=[a])
    context.registry.retire(b, "ann", "")
    assert "was retired" in page.refused("/compare/ask", 400, text=STORY, versions=[a, b])
    assert "was retired" in page.refused(f"/replay/{page.ask(CAPITAL)['turn_id']}", 400, version=b)

    twin = publish(context, base, write_twin(tmp_path / "twin", letters["a"], 1))
    same = page.stream("/compare/ask", text=STORY, versions=[a, twin])[-1]
    assert same["type"] == "same"
    assert {side["version"] for side in same["sides"].values()} == {a[:12], twin[:12]}


def test_leaving_stops_both(page, context, versions, store):
    body = {"text": STORY, "versions": [versions["a"], BASE]}
    with page.http.stream("POST", "/compare/ask", json=body) as response:
        begun = (line for line in map(json.loads, response.iter_lines()) if line["type"] != "loading")
        assert next(begun) == {"side": "a", "type": "begun"}

    def ended() -> list[Turn]:
        names = [key for key in store.keys(keys.turn("*")) if ":" not in key.removeprefix(keys.turn(""))]
        found = [from_json(Turn, text) for text in store.mget(names)]
        return [] if any(turn.status == "open" for turn in found) else found

    turns = until(ended, "no answer is left open")
    assert {turn.status for turn in turns if turn.adapter == BASE} <= {"stopped"}
    assert store.keys(keys.comparison("*")) == [], "and there is nothing to pick"
