"""Feedback in the chat: thumbs that can be undone, reasons, corrections as differences, reactions, and thanks."""

import time
from pathlib import Path

import pytest

from bot.difference import difference
from core import keys
from core.records import now_ms
from tests.telegram_api import BOT, buttons, units
from tests.telegram_bot import bot_process
from tests.telegram_world import data, ids
from tests.waiting import until

WHOLE = ["👍", "👎", "✏️", "🔄"]
REASONS = ["Wrong", "Not helpful", "Too long", "Unsafe", "Other"]


def votes(world, turn) -> list:
    return [(v.author, v.value, v.reason) for v in world.context.ratings.votes(turn.id)]


def until_buttons(world, message, wanted: list[str]) -> None:
    until(lambda: buttons(world.now(message)) == wanted, lambda: f"{wanted}, not {buttons(world.now(message))}")


def marked(message: dict, kind: str) -> list[str]:
    """The parts of a text that carry an entity."""
    text = message["text"].encode("utf-16-le")
    found = [e for e in message.get("entities", []) if e["type"] == kind]
    return [text[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le") for e in found]


def test_a_thumb_is_compact_gets_a_reason_and_can_be_undone(world):
    ann = world.member()
    answer = ann.wait_answer(ann.send("script:short"))
    turn, me = world.turn(answer), world.author(ann)
    ann.press(answer, "👍")
    until_buttons(world, answer, ["👍 ↩️ take back"])
    assert "Taken back" in ann.press(answer, "👍 ↩️ take back")["text"]
    until_buttons(world, answer, WHOLE)
    assert votes(world, turn) == [(me, 0, None)]

    assert "What was wrong?" in ann.press(answer, "👎")["text"]
    until_buttons(world, answer, ["👎 ↩️ take back", "✏️", "🔄", *REASONS])
    assert votes(world, turn) == [(me, -1, None)], "stored before a reason is given"
    ann.press(answer, "Too long")
    until_buttons(world, answer, ["👎 ↩️ take back", "✏️", "🔄"])
    assert votes(world, turn) == [(me, -1, "too long")]
    (item,) = [i for i in world.context.reviews.queue() if i.turn.id == turn.id]
    assert item.votes[0].reason == "too long"
    ann.press(answer, "👎 ↩️ take back")
    until_buttons(world, answer, WHOLE)
    for forged in (f"r:nonsense:{turn.id}", "r:wrong:zzz", "w:send:zzz", "s:x:y", "o:share:1"):
        assert "does not work" in ann.press_data(answer, forged)["text"]


def test_a_correction_is_shown_as_a_difference_before_it_is_sent(world):
    ann = world.member()
    answer = ann.wait_answer(ann.send("script:short how?"))
    turn = world.turn(answer)
    corrections = world.context.ratings.corrections
    written = ann.send("It is 🚢 handmade.", reply_to=answer)
    shown = ann.wait_text("Shall I send this", written)
    assert shown["reply_to_message"]["message_id"] == written["message_id"]
    assert buttons(shown) == ["Send", "Cancel", "It is a question"]
    assert marked(shown, "strikethrough") == ["scripted."] and marked(shown, "underline") == ["🚢 handmade."]
    assert corrections(turn.id) == []
    send = data(shown, "Send")
    ann.press(shown, "Cancel")
    until(lambda: "no correction" in world.now(shown)["text"], "it is dropped")
    assert "whoever wrote it" in ann.press_data(shown, send)["text"] and corrections(turn.id) == []

    thanks = world.confirm(ann, ann.send("It is handmade.", reply_to=answer))
    assert [c.text for c in corrections(turn.id)] == ["It is handmade."] and buttons(thanks) == ["Take back"]
    ann.press(thanks, "Take back")
    until(lambda: world.now(thanks)["text"] == "Taken back.", "it is taken back")
    assert corrections(turn.id) == []
    assert not list(world.context.store.scan_iter(keys.thanks("*", turn.id, "*")))
    assert not [i for i in world.context.reviews.queue() if i.turn.id == turn.id]

    thanks = world.confirm(ann, ann.send("It is handmade.", reply_to=answer))
    world.context.reviews.decide(turn.id, "reject", "op")
    assert "operator has decided" in ann.press(thanks, "Take back")["text"]


def test_a_reply_that_is_a_question_is_answered(world):
    ann = world.member()
    answer = ann.wait_answer(ann.send("script:short how?"))
    written = ann.send("script:short Do you mean ann@example.org?", reply_to=answer)
    shown = ann.wait_text("Shall I send this", written)
    assert "[email]" in shown["text"] and "example.org" not in str(
        [world.context.store.get(key) for key in world.context.store.scan_iter("*:draft:*")]
    )
    ann.press(shown, "It is a question")
    second = ann.wait_answer(written)
    assert world.turn(second).parent == world.turn(answer).id
    assert (ann.chat_id, shown["message_id"]) not in world.api.messages
    assert world.context.ratings.corrections(world.turn(answer).id) == []


def test_in_a_group_the_prompts_are_for_the_asker_and_everyone_may_vote(world):
    ann, bob = world.member(), world.member("Bob")
    ann.group = bob.group = -next(ids)
    answer = ann.wait_answer(ann.send(f"@{BOT['username']} script:short"))
    turn = world.turn(answer)
    assert bob.press(answer, "👎")["text"] == "Noted as not right."
    assert "whoever asked" in bob.press(answer, "✏️")["text"]
    assert "What was wrong?" in ann.press(answer, "👎")["text"]
    until_buttons(world, answer, [*WHOLE, *REASONS])
    assert "whoever asked" in bob.press(answer, "Wrong")["text"]
    ann.press(answer, "Wrong")
    until_buttons(world, answer, WHOLE)
    assert sorted(votes(world, turn)) == sorted([(world.author(ann), -1, "wrong"), (world.author(bob), -1, None)])
    assert bob.press(answer, "👎")["text"] == "Taken back."
    assert (world.author(bob), 0, None) in votes(world, turn)

    shown = ann.wait_text("Shall I send this", ann.send("By hand.", reply_to=answer))
    assert "whoever wrote it" in bob.press(shown, "Send")["text"]
    assert "whoever wrote it" in bob.press(shown, "Cancel")["text"]
    assert "whoever wrote it" in bob.press(shown, "It is a question")["text"]
    ann.press(shown, "Send")
    until(lambda: world.context.ratings.corrections(turn.id), "the correction")
    until(lambda: "Thank you" in world.now(shown)["text"], "thanks")
    assert "whoever wrote it" in bob.press(shown, "Take back")["text"]
    assert [c.author for c in world.context.ratings.corrections(turn.id)] == [world.author(ann)]


def test_in_a_group_a_reply_of_somebody_else_is_a_question(world):
    ann, bob = world.member(), world.member("Bob")
    ann.group = bob.group = -next(ids)
    answer = ann.wait_answer(ann.send(f"@{BOT['username']} script:short Where?"))
    own = bob.wait_answer(bob.send(f"@{BOT['username']} script:short Who?"))
    bob.press(own, "✏️")
    bob.wait_text("What should the answer have been", own)
    asked = bob.send("script:short And when?", reply_to=answer)
    second = bob.wait_answer(asked)
    assert second["reply_to_message"]["message_id"] == asked["message_id"]
    assert [m.content for m in world.turn(second).messages] == ["script:short And when?"]
    assert world.turn(second).author == world.author(bob) and world.turn(second).parent == world.turn(own).id
    assert not [m for m in bob.seen() if "Shall I send this" in m["text"]]
    bob.wait_text("Shall I send this", bob.send("By me.", reply_to=own))
    ann.wait_text("Shall I send this", ann.send("By hand.", reply_to=answer))


def test_reactions_count_as_thumbs(world):
    ann, eve = world.member(), world.stranger("Eve")
    answer = ann.wait_answer(ann.send("script:short"))
    turn, me = world.turn(answer), world.author(ann)
    for now, before, value in (
        (("❤️",), (), 1),
        (("👎",), ("❤️",), -1),
        (("👎", "🤔"), ("👎",), -1),
        ((), ("👎", "🤔"), 0),
        (("🤔",), (), 0),
        (("🤔", "❤‍🔥"), ("🤔",), 1),
    ):
        ann.react(answer, *now, before=before)
        until(lambda value=value: votes(world, turn) == [(me, value, None)], f"{now} as {value}")
    eve.react(answer, "👎")
    ann.react(ann.send("script:short again"), "👎")
    bob = world.member("Bob")
    other = bob.wait_answer(bob.send("script:short"))
    bob.react(other, "👍")
    until(lambda: votes(world, world.turn(other)), "a later reaction")
    assert votes(world, turn) == [(me, 1, None)]


def test_who_corrected_is_thanked_once_when_it_is_live(world):
    ann = world.member()
    asked = ann.send("script:short When does the museum open?")
    answer = ann.wait_answer(asked)
    turn = world.turn(answer)
    world.confirm(ann, ann.send("It opens at ten, except on Mondays.", reply_to=answer))
    before = now_ms()
    world.context.reviews.decide(turn.id, "edit", "op", "chat", "It opens at ten, except on Mondays.")
    thanks = ann.wait_text("I answer this your way")
    assert thanks["reply_to_message"]["message_id"] == asked["message_id"]
    (at,) = [e for e in thanks["entities"] if e["type"] == "date_time"]
    assert before // 1000 <= at["unix_time"] <= now_ms() // 1000 and at["date_time_format"] == "t"
    assert marked(thanks, "date_time")[0].endswith(" UTC")
    again = ann.wait_answer(ann.send("script:short When does the museum open?"))
    assert again["text"].startswith("It opens at ten")

    other = ann.wait_answer(ann.send("script:short Where is the library?"))
    world.confirm(ann, ann.send("Behind the town hall.", reply_to=other))
    world.context.reviews.decide(world.turn(other).id, "edit", "op", "chat", "Nobody knows where it is.")
    world.context.reviews.decide(turn.id, "edit", "op", "chat", "It opens at ten, except on Mondays.")
    third = ann.wait_answer(ann.send("script:short Who runs the theatre?"))
    world.confirm(ann, ann.send("A society of friends.", reply_to=third))
    world.context.reviews.decide(world.turn(third).id, "edit", "op", "chat", "A society of friends.")
    ann.wait_text("I answer this your way", third)
    until(lambda: not world.context.store.xpending(keys.APPROVALS, keys.TELLING)["pending"], "all is acknowledged")
    assert len([m for m in ann.seen() if "your way" in m["text"]]) == 2, "not for what was not taken over, nor twice"


def test_another_answer_is_thanked_under_the_question(world):
    ann = world.member()
    asked = ann.send("script:short What does the boat cost?")
    answer = ann.wait_answer(asked)
    ann.press(answer, "🔄")
    second = ann.wait_answer(answer)
    turn = world.turn(second)
    until(lambda: world.context.turns.asked(world.chat(ann), turn.id), "which message asked")
    world.confirm(ann, ann.send("Nine euros.", reply_to=second))
    world.context.reviews.decide(turn.id, "edit", "op", "chat", "Nine euros.")
    assert ann.wait_text("your way")["reply_to_message"]["message_id"] == asked["message_id"]


def test_thanks_survive_a_restart_and_a_telegram_that_is_away(world, tmp_path: Path):
    ann, bob = world.member(), world.member("Bob")
    turns = []
    for person in (ann, bob):
        answer = person.wait_answer(person.send("script:short Where is the harbour?"))
        world.confirm(person, person.send("At the end of the road.", reply_to=answer))
        turns.append(world.turn(answer))
    assert world.bot.stop() == 0
    for turn in turns:
        world.context.reviews.decide(turn.id, "edit", "op", "chat", "At the end of the road.")
    world.api.blocked.add(bob.id)
    with bot_process(world.settings, world.api, tmp_path):
        ann.wait_text("I answer this your way")
        until(lambda: not world.context.store.xpending(keys.APPROVALS, keys.TELLING)["pending"], "all acknowledged")
    with bot_process(world.settings, world.api, tmp_path) as bot:
        ann.wait_answer(ann.send("script:short"))
        time.sleep(2)
        assert bot.stop() == 0
    assert len([m for m in ann.seen() if "your way" in m["text"]]) == 1
    world.api.blocked.clear()


@pytest.mark.parametrize(
    ("before", "after", "gone", "come"),
    [
        ("It opens at nine.", "It opens at ten.", ["nine."], ["ten."]),
        ("", "New.", [], ["New."]),
        ("a b c", "c", ["a b "], []),
        ("两周", "四周", ["两"], ["四"]),
        ("same", "same", [], []),
    ],
)
def test_a_difference_strikes_out_what_goes_and_underlines_what_comes(before, after, gone, come):
    text, entities = difference("So?", before, after).render()
    message = {"text": text, "entities": [entity.model_dump() for entity in entities]}
    assert (marked(message, "strikethrough"), marked(message, "underline")) == (gone, come)


@pytest.mark.parametrize("after", ["🚢" * 8000, "word " * 1600, "x"])
def test_a_difference_fits_a_message(after):
    text, entities = difference("So?", "other words " * 600, after).render()
    assert units(text) <= 4096 and all(e.offset + e.length <= units(text) for e in entities)
    assert text.startswith("So?\n\n")
