"""Kinds of task through the real model: asked, formed, checked, recorded, learned from and judged."""

import asyncio
import hashlib
import json

import pytest
import torch

from adapters.base import load_tokenizer
from core.errors import InvalidInput
from core.identity import Pseudonyms
from core.prompt import Renderer
from core.records import Choice, Message
from feedback.observations import Observations
from kinds import KINDS
from kinds.kind import Finding, Kind, Task
from retrieval.ingest import ingest
from serving import grammar
from serving.forms import decided
from serving.grammar import Grammar
from tests.knowledge import embedder
from tests.serving_process import ask
from tests.test_gate import GENERAL
from training.gate import Answered, judge
from training.hyperparameters import Hyperparameters
from training.snapshot import Recipe, build

LABELS = ["delivery", "payment", "account"]
LATE = "My parcel has not arrived and it should have been here on Monday."
SHIP = "The ship Vasa sank in Stockholm in 1628. It had sailed for 1,300 metres. It was raised in 1961."
SCHEMA = {"type": "object", "properties": {"year": {"enum": [1628, 1961]}}, "required": ["year"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "ship", "schema": SCHEMA}}
OPENS = "When does the library open?"


@pytest.fixture
def renderer(base, settings):
    return Renderer(load_tokenizer(base), base.tokenizer_hash, settings.prompt_tokens)


@pytest.fixture
def observations(context):
    return Observations(context.store, context.turns)


@pytest.fixture
def told(http, context):
    """Asks as one of a kind; gives what the last word of serving says, and the turn."""

    def asked(text: str, kind: str | None, **fields):
        extra = {"chat": "c1", "author": "ann", "kind": kind} | fields.pop("extra", {})
        answer = ask(http, [{"role": "user", "content": text}], apprentice=extra, **fields)
        return answer["apprentice"], context.turns.get(answer["apprentice"]["turn_id"])

    return asked


@pytest.fixture
def snapshot(context, renderer, settings):
    """What training and the gate see of the record."""
    context.people.set_consent(Pseudonyms.of_installation(settings.data_dir).author("ann"), "yes")

    def made():
        record = context.record
        recipe = Recipe(settings.system_prompt, "base", Hyperparameters(rank=4), author_share=1.0)
        found = build(record, renderer, recipe)
        assert not found.counts, found.counts
        return [*found.train, *found.evaluation]

    return made


def approve(context, turn, text: str) -> None:
    context.reviews.decide(turn.id, "edit", "operator", "everyone", text)


def hash_of(ids) -> str:
    return hashlib.sha256(b"".join(i.to_bytes(4, "little") for i in ids)).hexdigest()


def test_a_label_is_the_likeliest_of_those_that_are_named(told):
    said, turn = told(LATE, "label", extra={"labels": LABELS})
    chances = {choice["text"]: choice["probability"] for choice in said["choices"]}
    assert sorted(chances) == sorted(LABELS) and sum(chances.values()) == pytest.approx(1)
    assert list(chances.values()) == sorted(chances.values(), reverse=True)
    best, probability = next(iter(chances.items()))
    assert said["text"] == (best if probability >= 0.5 else "unsure") and said["observation"] is None
    assert (turn.kind, turn.labels, turn.choices[0].text) == ("label", tuple(LABELS), best)
    again, _ = told(LATE, "label", extra={"labels": LABELS[::-1]}, temperature=2.0)
    assert sorted(c["text"] for c in again["choices"]) == sorted(LABELS)


def test_a_new_label_arrives_by_feedback(told, context):
    said, turn = told(LATE, "label")
    assert (said["text"], said["choices"], turn.labels) == ("unsure", [], ())
    with pytest.raises(InvalidInput, match="cannot be empty"):
        context.reviews.decide(turn.id, "approve", "operator")
    approve(context, turn, "delivery")
    assert told(LATE, "label")[0]["text"] == "delivery", "what was approved is said word for word"
    said, turn = told("I cannot pay with my new credit card.", "label")
    assert said["text"] == "unsure" and [c["text"] for c in said["choices"]] == ["delivery"]
    approve(context, turn, "payment")
    said, turn = told("Where is the box that I ordered last week?", "label")
    assert turn.labels == ("delivery", "payment") and {c["text"] for c in said["choices"]} == set(turn.labels)
    elsewhere, _ = told(LATE, "chat", extra={"retrieval": True})
    assert elsewhere["text"] != "delivery" and elsewhere["origin"] == "model", "a label is no answer in a chat"
    context.reviews.decide(turn.parent or turn.id, "reject", "operator")
    assert told("Is my order on its way to me?", "label")[1].labels == ("delivery", "payment")


def test_what_came_of_an_answer_is_recorded_and_told_beside_it_and_in_the_stream(http, told, observations):
    said, turn = told(f"Summarise in 20 words: {SHIP}", "summary")
    seen = observations.of([turn.id])[turn.id]
    assert (said["observation"]["why"], said["observation"]["value"]) == (seen.why, seen.value)
    assert seen.why in KINDS["summary"].whys and turn.kind == "summary"
    report = {"messages": [{"role": "user", "content": SHIP}], "response_format": FORMAT, "stream": True}
    with http.stream("POST", "/v1/chat/completions", json=report | {"apprentice": {"kind": "report"}}) as lines:
        *_, last, done = [line for line in lines.iter_lines() if line]
    extra = json.loads(last.removeprefix("data: "))["apprentice"]
    assert (extra["observation"]["why"], extra["observation"]["value"]) == ("valid", 1)
    cut, turn = told(SHIP, "report", response_format=FORMAT, max_tokens=3)
    assert cut["observation"]["why"] == "no_json" and observations.of([turn.id])[turn.id].value == 0
    unrecorded = ask(http, [{"role": "user", "content": SHIP}], apprentice={"kind": "summary", "record": False})[
        "apprentice"
    ]
    assert unrecorded["observation"] and unrecorded["turn_id"] is None


def test_a_schema_is_compiled_once_for_all_who_send_it_and_beside_the_event_loop(http, monkeypatch):
    """The loop sends everybody's words; a large schema takes seconds."""
    compiled, compile_one = [], Grammar._compile

    def noted(grammar: Grammar, schema: str):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        compiled.append(schema)
        return compile_one(grammar, schema)

    monkeypatch.setattr(Grammar, "_compile", noted)
    year = {"enum": [1628, 1961, 1990]}
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA | {"properties": {"year": year}}}}
    said = [
        ask(http, [{"role": "user", "content": SHIP}], apprentice={"kind": "report"}, response_format=form)
        for _ in range(2)
    ]
    assert [answer["apprentice"]["observation"]["why"] for answer in said] == ["valid"] * 2 and len(compiled) == 1


def test_no_more_schemas_are_kept_than_there_is_room_for_and_replies_do_not_share_their_progress(base, monkeypatch):
    monkeypatch.setattr(grammar, "KEPT", 2)
    tokenizer = load_tokenizer(base)
    forms = grammar.Grammar(tokenizer)
    one, other = (forms.constraint('{"enum": [1, 2]}') for _ in range(2))
    logits = torch.zeros(len(tokenizer))
    first = one.allowed(logits)
    one.accept(int(first.argmax()))
    assert not torch.equal(one.allowed(logits), first) and torch.equal(other.allowed(logits), first)
    for number in range(4):
        forms.prepare(f'{{"enum": [{number}]}}')
    assert len(forms._compiled) == 2
    with pytest.raises(InvalidInput, match="cannot be used"):
        forms.prepare('{"type": "ship"}')


@pytest.mark.parametrize(("least", "sure"), [(0.01, True), (0.99, False)])
def test_below_a_threshold_it_is_unsure(least, sure):
    assert decided([Choice("delivery", 0.6), Choice("payment", 0.4)], least) == ("delivery" if sure else "unsure")
    assert decided([Choice("delivery", 1.0)], least) == "unsure", "one label is no choice"


def test_a_kind_that_does_not_exist_is_one_clear_sentence(http, store):
    refused = ask(http, status=400, apprentice={"kind": "poem"})["error"]["message"]
    assert refused.startswith("there is no kind of task called 'poem'; choose one of")


def test_training_sees_the_prompt_that_serving_rendered(told, context, settings, snapshot, tmp_path):
    (tmp_path / "library.md").write_text("# Library\n\nThe library opens at nine and closes at six.\n")
    ingest(settings.data_dir, [tmp_path], embedder())
    report = {"response_format": FORMAT}
    asked = [
        told("The bill that you sent to me is wrong.", "label", extra={"labels": sorted(LABELS)})[1],
        told("Call me on +49 30 901820 about the parcel that is late.", "label", extra={"labels": sorted(LABELS)})[1],
        told(f"In two sentences: {SHIP}", "summary")[1],
        told(f"Report on the ship. {SHIP}", "report", **report)[1],
        told("Report on the Vasa with the sections Facts and Dates.", "report")[1],
        told(OPENS, "qa")[1],
        told("What is the capital of France?", "chat")[1],
    ]
    for number, turn in enumerate(asked):
        approve(context, turn, LABELS[number] if turn.kind == "label" else f"Approved answer number {number}.")
    found = {getattr(item, "source", "") or item.id: item for item in snapshot()}
    for turn in asked:
        assert hash_of(found[turn.id].prompt_ids) == turn.prompt_hash, turn
    assert "901820" not in str(context.turns.get(asked[1].id)) and asked[5].passages


class Shout(Kind):
    """A kind that only this test knows: answers are to be written in capitals."""

    name = "shout"
    measure = "share in capitals"

    def ending(self, task: Task) -> str:
        return "Write in capitals only."

    def schema(self, task: Task) -> str:
        return json.dumps({"enum": ["yes", "NO"]})

    def check(self, task: Task, reply: str) -> Finding:
        return Finding(float(json.loads(reply).isupper()), "heard", f"{reply} was heard.")

    def score(self, reply: str, reference: str) -> float:
        return float(reply == reference)


def test_a_kind_is_one_class_that_is_registered(told, context, observations, snapshot, renderer, monkeypatch):
    monkeypatch.setitem(KINDS, "shout", Shout())
    said, turn = told("Do fish sleep in the sea?", "shout")
    reply = json.loads(said["text"])
    assert reply in ("yes", "NO") and said["observation"]["said"] == f"{said['text']} was heard."
    assert observations.of([turn.id])[turn.id].value == float(reply == "NO")
    conversation = [Message("system", turn.system), Message("user", "Do fish sleep in the sea?")]
    assert renderer.render(conversation, (), "Write in capitals only.").hash == turn.prompt_hash
    approve(context, turn, '"NO"')
    (item,) = snapshot()
    assert item.kind == "shout" and hash_of(item.prompt_ids) == turn.prompt_hash

    frozen = [_frozen(item, n) for n in range(12)]
    texts = {"new": '"NO"', "old": '"yes"'}
    report = judge(
        "new",
        "old",
        frozen,
        GENERAL,
        lambda version, asked: [Answered(texts.get(version, ""), True) for _ in asked],
        lambda version, asked: [-1.0] * len(asked),
    )
    (part, *_) = report.slices
    assert (report.outcome, part.measure, part.before, part.after) == ("promote", "share in capitals", 0.0, 1.0)


def _frozen(item, number: int):
    from training.examples import EvaluationItem

    return EvaluationItem(f"i{number}", item.prompt_ids, item.reply_ids, '"NO"', "shout", task=item.task)
