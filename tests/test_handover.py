"""A person answers in the model's place: called, taken over, passed on, handed back; and better answers sent later."""

import pytest
from typer.testing import CliRunner

import apprentice
from core import keys
from core.records import now_ms
from feedback.handovers import Handovers
from feedback.turns import messages
from tests.telegram_api import Person, buttons
from tests.telegram_world import data, ids
from tests.waiting import until

WAITING = ["Take over", "Hand back"]
HERE = "A person has taken this chat over, and reads what you write."
OVER = "This chat was handed back to me: I answer again, and know what was said."


@pytest.fixture(scope="module")
def desk(world) -> tuple[Person, Person]:
    """Two operators: the owner, and one who has opened an operator's one-time link."""
    olga, omar = world.owner, world.stranger("Omar")
    olga.wait_text("pseudonym", olga.send("/start " + world.bot.owner_code()))
    omar.wait_text("pseudonym", omar.send(f"/start {world.context.people.invite('operator')}"))
    return olga, omar


def of(world) -> Handovers:
    return Handovers(world.context.store, world.context.turns)


def call(world, person: Person, by: Person, words: str = "/human") -> dict:
    """Somebody asks for a person; gives what an operator is shown."""
    asked = person.send(words)
    person.wait_text("I call a person", asked)
    return by.wait_text(f"Chat {world.chat(person)[:6]} asks for a person", asked)


def texts_after(person: Person, sent: dict) -> list[str]:
    return [m["text"] for m in person.seen() if m["message_id"] > sent["message_id"]]


def test_a_person_takes_over_answers_and_hands_back(world, desk):
    olga, omar = desk
    ann = world.member()
    first = ann.wait_answer(ann.send("script:short When does the harbour open?"))
    shown = call(world, ann, olga)
    assert "👤 script:short When does the harbour open?\n\n🤖 It is scripted." in shown["text"]
    assert buttons(shown) == WAITING and str(ann.id) not in shown["text"] and "Ann" not in shown["text"]
    for_omar = omar.wait_text("asks for a person", first)
    waiting = ann.send("script:short Please, it is urgent: ann@example.org")

    assert "yours" in olga.press(shown, "Take over")["text"]
    ann.wait_text(HERE, waiting)
    meanwhile = olga.wait_text("it is urgent", shown)
    assert "[email]" in meanwhile["text"] and "example.org" not in meanwhile["text"]
    until(lambda: "Olga has it" in world.now(for_omar)["text"], "the other operator sees who has it")
    assert buttons(world.now(for_omar)) == [] and buttons(world.now(shown)) == ["Hand back"]
    for pressed in WAITING:
        assert "Olga has it" in omar.press_data(for_omar, data(shown, pressed))["text"]
    refused = omar.send("At noon.", reply_to=for_omar)
    omar.wait_text("Olga has it", refused)
    assert texts_after(ann, waiting) == [HERE], "the model is silent, and only one operator speaks"

    olga.wait_text("Sent", olga.send("At seven, on every day.", reply_to=meanwhile))
    answer = ann.wait_answer(waiting)
    assert answer["text"] == "👤 A person answers:\n\nAt seven, on every day."
    assert answer["reply_to_message"]["message_id"] == waiting["message_id"]
    turn = world.turn(answer)
    assert (turn.origin, turn.reply, turn.parent) == ("operator", "At seven, on every day.", world.turn(first).id)
    assert (turn.chat, turn.author, turn.status) == (world.chat(ann), world.author(ann), "complete")
    assert [m.author for m in turn.messages] == [world.author(ann)]

    more = ann.send("script:short And on Sundays?")
    came = olga.wait_text("And on Sundays?", meanwhile)
    olga.send("On Sundays, too.", reply_to=came)
    second = ann.wait_answer(more)
    assert "is with a person" in ann.press(second, "🔄")["text"]
    ann.wait_text("is with a person", ann.send("/retry"))
    ann.wait_text("Only text", ann.send_photo())
    ann.wait_text("A person wrote this answer", ann.send("/why"))
    assert "right" in ann.press(second, "👍")["text"]
    assert [v.value for v in world.context.ratings.votes(world.turn(second).id)] == [1]

    handed = olga.press(came, "Hand back")
    assert "handed back" in handed["text"]
    ann.wait_text(OVER)
    third = ann.wait_answer(ann.send("script:short Thanks!"))
    assert world.turn(third).parent == world.turn(second).id and third["text"] == "It is scripted."
    walk = world.context.turns.conversation(world.turn(third).id)
    assert [m.content for m in messages(walk)][3:6] == [
        "At seven, on every day.",
        "script:short And on Sundays?",
        "On Sundays, too.",
    ]
    late = olga.send("One more thing.", reply_to=came)
    olga.wait_text("not in the inbox", late)
    assert "not in the inbox" in omar.press_data(for_omar, data(shown, "Take over"))["text"]
    assert of(world).inbox() == []
    assert len([m for m in olga.seen() if f"Chat {world.chat(ann)[:6]} asks" in m["text"]]) == 1, "told once"


def test_where_nobody_comes_the_model_answers_and_the_question_stays(world, desk, monkeypatch):
    olga, omar = desk
    bob = world.member("Bob")
    bob.wait_answer(bob.send("script:short What does the ferry cost?"))
    shown = call(world, bob, omar, "/human I asked about the ferry")
    assert "👤 I asked about the ferry" in shown["text"]
    again = bob.send("/human")
    bob.wait_text("with the operators already", again)
    (case,) = of(world).inbox()
    world.context.store.zadd(keys.INBOX, {case.handover.id: now_ms() - 10**7})
    sorry = bob.wait_text("I am sorry: nobody has the time", again)
    other = bob.wait_answer(bob.send("script:short Is there a bridge?"))
    assert other["text"] == "It is scripted."
    (case,) = of(world).inbox()
    assert case.missed and case.holder is None

    monkeypatch.setenv("APPRENTICE_DATA_DIR", str(world.settings.data_dir))
    monkeypatch.setenv("APPRENTICE_REDIS_URL", world.settings.redis_url)
    listed = CliRunner().invoke(apprentice.app, ["inbox"]).stdout
    assert "nobody came in time" in listed and "I asked about the ferry" in listed and world.chat(bob)[:6] in listed
    opened = omar.wait_text("What does the ferry cost?", omar.send("/inbox"))
    assert buttons(opened) == WAITING
    bob.wait_text("do not know this command", bob.send("/inbox"))

    omar.wait_text("Sent", omar.send("Nine euros.", reply_to=opened))
    bob.wait_text(HERE, sorry)
    answer = bob.wait_text("Nine euros.", other)
    turn = world.turn(answer)
    assert [m.content for m in turn.messages] == ["I asked about the ferry"]
    omar.wait_text("Sent", omar.send("For children it is free.", reply_to=opened), 5)
    until(lambda: "children" in world.context.turns.get(turn.id).reply, "the answer goes on")
    assert world.context.turns.get(turn.id).reply == "Nine euros.\n\nFor children it is free."
    omar.wait_text("handed back", omar.send("/back"))
    bob.wait_text(OVER)
    omar.wait_text("not in the inbox", omar.send("/back"))
    assert "The inbox is empty" in CliRunner().invoke(apprentice.app, ["inbox"]).stdout
    assert len([m for m in bob.seen() if "I am sorry" in m["text"]]) == 1


def test_reset_a_lost_role_and_forgetting_end_it(world, desk):
    olga, omar = desk
    ann, bob, eve = world.member(), world.member("Bob"), world.member("Eve")
    shown = call(world, ann, olga)
    olga.press(shown, "Take over")
    ann.wait_text(HERE)
    ann.wait_text("afresh", ann.send("/reset"))
    olga.wait_text("they have ended it", shown)
    ann.wait_answer(ann.send("script:short again"))

    shown = call(world, bob, omar, "/human xylophone")
    world.context.store.hdel(keys.person(world.author(bob)), "role")
    assert "not in the inbox" in omar.press(shown, "Take over")["text"]
    bob.wait_text("private", bob.send("Are you there?"))

    cy = world.member("Cy")
    shown = call(world, cy, omar)
    world.context.people.ban(world.author(cy))
    assert "not in the inbox" in omar.press(shown, "Take over")["text"]

    shown = call(world, eve, omar, "/human marzipan")
    omar.press(shown, "Take over")
    eve.wait_text(HERE)
    eve.press(eve.wait_text("for good", eve.send("/forget")), "Forget me")
    eve.wait_text("I have nothing of you any more")
    omar.wait_text("not in the inbox", omar.send("Yes?", reply_to=shown))
    assert of(world).inbox() == [] and not list(world.context.store.scan_iter("*handover*"))


def test_a_chat_does_not_stay_with_who_is_no_operator_any_more(world, desk):
    olga, omar = desk
    ann = world.member()
    shown = call(world, ann, omar)
    omar.press(shown, "Take over")
    ann.wait_text(HERE)
    world.context.people.dismiss(world.author(omar), f"telegram:{omar.id}")
    ann.send("script:short My secret.")
    assert buttons(olga.wait_text("My secret.", shown)) == WAITING
    omar.wait_text("Only an operator", omar.send("Tell me.", reply_to=shown))
    assert not [m for m in omar.seen() if "My secret." in m["text"]]
    world.context.people.appoint(world.author(omar), f"telegram:{omar.id}")
    ann.wait_text("afresh", ann.send("/reset"))


def test_an_operator_who_blocks_the_bot_lets_go(world, desk):
    olga, omar = desk
    ann = world.member()
    shown = call(world, ann, omar)
    omar.press(shown, "Take over")
    ann.wait_text(HERE)
    world.api.blocked.add(omar.id)
    ann.send("script:short Hello?")
    again = olga.wait_text("Hello?", shown)
    assert buttons(again) == WAITING
    world.api.blocked.clear()
    olga.press(again, "Take over")
    world.api.blocked.add(ann.id)
    olga.wait_text("they have blocked me", olga.send("Here I am.", reply_to=again))
    world.api.blocked.clear()
    assert of(world).inbox() == []


def test_what_is_not_for_it(world, desk):
    olga, omar = desk
    ann = world.member()
    ann.group = -next(ids)
    ann.wait_text("in our private chat", ann.send("/human"))
    ann.group = None
    shown = call(world, ann, olga)
    assert "Only an operator" in ann.press_data(ann.seen()[-1], data(shown, "Take over"))["text"]
    assert "Only an operator" in ann.press_data(ann.seen()[-1], data(shown, "Hand back"))["text"]
    assert "does not work" in olga.press_data(shown, "h:take:zzz")["text"]
    assert "handed back" in olga.press(shown, "Hand back")["text"]
    ann.wait_text(OVER)
    ann.wait_answer(ann.send("script:short"))
    both = [call(world, person, olga) for person in (ann, world.member("Bob"))]
    for each in both:
        olga.press(each, "Take over")
    olga.wait_text("in reply to a message", olga.send("/back"))
    olga.wait_text(f"{world.chat(ann)[:6]} is handed back", olga.send("/back", reply_to=both[0]))
    olga.wait_text("is handed back", olga.send("/back"))
    assert of(world).inbox() == []


def test_an_edited_answer_is_sent_under_its_question_once(world, monkeypatch):
    monkeypatch.setenv("APPRENTICE_DATA_DIR", str(world.settings.data_dir))
    monkeypatch.setenv("APPRENTICE_REDIS_URL", world.settings.redis_url)
    ann = world.member()
    asked = ann.send("script:short When does the mill open?")
    answer = ann.wait_answer(asked)
    turn = world.turn(answer)
    ann.press(answer, "👎")
    refused = CliRunner().invoke(apprentice.app, ["feedback", "send", turn.id])
    assert str(refused.exception).startswith("no edited answer is in force")
    world.context.reviews.decide(turn.id, "edit", "op", "chat", "It opens at **eight**.")
    assert CliRunner().invoke(apprentice.app, ["feedback", "send", turn.id]).exit_code == 0
    better = ann.wait_text("a person corrected it", answer)
    assert better["text"] == "You did not like my answer to this; a person corrected it:\n\nIt opens at eight."
    assert [e["type"] for e in better["entities"]] == ["bold"]
    assert better["reply_to_message"]["message_id"] == asked["message_id"]
    until(lambda: not world.context.store.exists(keys.AMENDS), "it is done")
    again = CliRunner().invoke(apprentice.app, ["feedback", "send", turn.id])
    assert "sent already" in str(again.exception)
    ann.wait_text("Shall I send this", ann.send("It opens at nine.", reply_to=better))

    corrected = ann.send("script:short Where is the mill?")
    wrong = ann.wait_answer(corrected)
    world.confirm(ann, ann.send("Behind the church.", reply_to=wrong))
    world.context.reviews.decide(world.turn(wrong).id, "edit", "op", "chat", "Beside the old bridge, on the left.")
    world.api.fault("sendMessage", 502, times=5)
    assert CliRunner().invoke(apprentice.app, ["feedback", "send", world.turn(wrong).id]).exit_code == 0
    better = ann.wait_text("this is what holds", wrong)
    assert better["reply_to_message"]["message_id"] == corrected["message_id"]
    assert len([m for m in ann.seen() if "this is what holds" in m["text"]]) == 1

    other = ann.wait_answer(ann.send("script:short Who owns the mill?"))
    ann.press(other, "👎")
    until(lambda: "👎 ↩️ take back" in buttons(world.now(other)), "the buttons")
    ann.press(other, "👎 ↩️ take back")
    world.context.reviews.decide(world.turn(other).id, "edit", "op", "chat", "The town.")
    taken_back = CliRunner().invoke(apprentice.app, ["feedback", "send", world.turn(other).id])
    assert "no 👎 and no correction" in str(taken_back.exception)
    assert not list(world.context.store.scan_iter(keys.amends("*", world.turn(other).id, "*")))
