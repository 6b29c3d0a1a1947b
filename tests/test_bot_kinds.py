"""Kinds of task in the chat: commands with a text or in reply to one, labels as buttons, and what came of an answer."""

import asyncio
import re
from types import SimpleNamespace

import pytest

from bot import texts
from bot.limits.inline import _answer
from bot.streaming import Answer, _listen
from bot.tongue import speaking
from core.client import Begun, Said
from core.records import Observation
from feedback.observations import Observations
from kinds.sandbox import what_is_lacking
from tests.telegram_api import buttons
from tests.waiting import until

LATE, PAY = "My parcel has not arrived yet.", "I cannot pay with my new credit card."
SHIP = "The ship Vasa sank in Stockholm in 1628. It had sailed for 1,300 metres. It was raised in 1961."
WHOLE = ["👍", "👎", "✏️", "🔄"]
UNSURE = "I am not sure which label"


def labels(message: dict) -> list[str]:
    """The labels that have a button under a message."""
    return [button.partition(" · ")[0] for button in buttons(message) if button not in WHOLE]


def test_a_label_is_chosen_by_a_button_and_a_new_one_is_known_once_it_is_approved(world):
    ann = world.member()
    for text, label in ((LATE, "delivery"), (PAY, "payment")):
        answer = ann.wait_answer(ann.send(f"/label {text}"), 120)
        turn = world.turn(answer)
        assert answer["text"].startswith(UNSURE) and (turn.kind, turn.reply) == ("label", "unsure")
        world.context.reviews.decide(turn.id, "edit", "operator", "everyone", label)
    asked = ann.send("Where is the box that I ordered?")
    ann.wait_answer(asked, 120)
    answer = ann.wait_answer(ann.send("/label", reply_to=asked), 120)
    assert sorted(labels(answer)) == ["delivery", "payment"] and buttons(answer)[2:] == WHOLE
    turn, me = world.context.turns.get(world.context.turns.head(world.chat(ann))), world.author(ann)
    assert turn.messages[-1].content == "Where is the box that I ordered?" and turn.labels == ("delivery", "payment")

    other = next(button for button in buttons(answer) if not button.startswith((turn.reply, *WHOLE)))
    label = other.partition(" · ")[0]
    assert label in ann.press(answer, other)["text"]
    until(lambda: f"✓ {label}" in buttons(world.now(answer)), "the label is ticked")
    corrections = world.context.ratings.corrections
    assert [(c.author, c.text) for c in corrections(turn.id)] == [(me, label)]
    (item,) = [i for i in world.context.reviews.queue() if i.turn.id == turn.id]
    assert item.suggestion == label
    assert "Taken back" in ann.press(answer, f"✓ {label}")["text"] and corrections(turn.id) == []
    assert "does not work" in ann.press_data(answer, f"l:-1:{turn.id}")["text"]
    ann.press_data(answer, f"l:7:{turn.id}")
    assert corrections(turn.id) == []


def test_a_summary_of_a_message_says_what_came_of_it_in_the_persons_language(world):
    uwe = world.member("Uwe")
    uwe.language = "de"
    said = uwe.send("/summary")
    assert "hinter den Befehl" in uwe.wait_text("Befehl", said)["text"]
    asked = uwe.send(SHIP)
    uwe.wait_answer(asked, 120)
    answer = uwe.wait_answer(uwe.send("/summary in 20 words", reply_to=asked), 120)
    turn = world.context.turns.get(world.context.turns.head(world.chat(uwe)))
    assert (turn.kind, turn.messages[-1].content) == ("summary", f"in 20 words\n\n{SHIP}")
    seen = Observations(world.context.store, world.context.turns).of([turn.id])[turn.id]
    with speaking("de"):
        assert answer["text"].endswith(texts.outcome(seen))
    uwe.press(answer, "🔄")
    again = uwe.wait(lambda m: m["message_id"] > answer["message_id"] and "👍" in buttons(m), 120)
    assert world.turn(again).kind == "summary"


def test_an_edited_command_is_asked_again_as_the_kind_that_it_names(world):
    ann = world.member()
    asked = ann.send(f"/summary {SHIP}")
    answer = ann.wait_answer(asked, 120)
    first = world.turn(answer)
    ann.edit(asked, f"/summary in one sentence: {SHIP}")
    until(lambda: world.context.turns.head(world.chat(ann)) != first.id, "the new answer", 120)
    turn = world.context.turns.get(world.context.turns.head(world.chat(ann)))
    assert (turn.kind, turn.messages[-1].content) == ("summary", f"in one sentence: {SHIP}")


@pytest.mark.skipif(what_is_lacking() is not None, reason=what_is_lacking() or "")
def test_a_program_is_run_for_the_owner_and_what_came_of_it_stands_below(world):
    olga, ann, people = world.member("Olga"), world.member(), world.context.people
    people.redeem(people.invite("owner"), world.author(olga), f"telegram:{olga.id}")
    ran = olga.wait_answer(olga.send("/code script:markdown"), 60)
    assert re.fullmatch(r"Use code:\s+x = 1\s+✓ Ran in \d+\.\d\d s\.", ran["text"]) and world.turn(ran).kind == "code"
    failed = olga.wait_answer(olga.send("/code script:failing"), 60)
    told = "✗ It failed: ValueError: as in script:failing"
    assert failed["text"].endswith(told) and world.turn(failed).regenerates, "the second attempt stands for both"
    seen = Observations(world.context.store, world.context.turns).of([world.turn(ran).id, world.turn(failed).id])
    assert [seen[world.turn(answer).id].value for answer in (ran, failed)] == [1, 0]
    answer = ann.wait_answer(ann.send("/code script:markdown"), 60)
    assert answer["text"].split() == ["Use", "code:", "x", "=", "1"], "for others nothing runs until that is on"


@pytest.mark.parametrize(
    "language, words",
    [("en", "It fails its tests"), ("de", "Es besteht"), ("es", "pruebas"), ("ru", "Тесты"), ("zh", "测试")],
)
def test_between_two_attempts_the_first_failure_is_told_in_the_persons_language(language, words):
    failed = Observation(
        "", 0.0, "test_failed", "AssertionError: f(1) == 2", values={"error": "AssertionError: f(1) == 2"}
    )

    async def events(asked):
        for event in (
            Begun("t1", "base"),
            Said("one"),
            Said("\n\n⚠ English\n\n", failed),
            Begun("t2", "base"),
            Said("two"),
        ):
            yield event

    async def note(turn):
        pass

    answer, contact = Answer(), SimpleNamespace(chat_id=1, user_id=1)
    parts, arrival = SimpleNamespace(serving=SimpleNamespace(answer=events)), SimpleNamespace(note=note)
    with speaking(language):
        asyncio.run(_listen(parts, None, answer, arrival))
        inline = asyncio.run(_answer(parts, contact, "?"))
    assert inline.text == answer.text
    before, told, after = answer.text.split("\n\n")
    assert (before, after, answer.turn_id) == ("one", "two", "t2")
    assert told.startswith("✗ ") and words in told and "f(1) == 2" in told
