"""The inbox at the console, beside a real bot: a chat is taken over, answered and handed back, and the bot says it."""

import pytest
from conftest import free_port
from test_console import console, opened
from test_console_accounts import joined
from test_handover import HERE, OVER, call, of, texts_after

from console.accounts import Accounts
from core import keys
from feedback.audit import AuditLog
from tests.telegram_api import Person
from tests.waiting import until


@pytest.fixture(scope="module")
def olga(world) -> Person:
    """The owner, an operator in Telegram."""
    world.owner.wait_text("pseudonym", world.owner.send("/start " + world.bot.owner_code()))
    return world.owner


@pytest.fixture(scope="module")
def page(world):
    settings = world.settings.model_copy(update={"console_port": free_port()})
    with console(settings) as address, opened(address) as page:
        yield page


def chat_of(world, person: Person) -> str:
    """The page of somebody's chat in the inbox."""
    (case,) = [case for case in of(world).inbox() if case.handover.author == world.author(person)]
    return f"/inbox/{case.handover.id}"


def test_a_chat_is_taken_over_answered_and_handed_back_from_the_console(world, olga, page):
    ann = world.member()
    first = ann.wait_answer(ann.send("script:short When does the harbour open?"))
    assert "No chat waits" in page.http.get("/inbox").text
    in_telegram = call(world, ann, olga)
    assert f"Chat {world.chat(ann)[:6]}" in (listed := page.http.get("/inbox").text) and "waits" in listed
    here = chat_of(world, ann)
    shown = page.http.get(here).text
    assert "When does the harbour open?" in shown and "It is scripted." in shown and "Send" not in shown
    assert "take it over first" in page.send(f"{here}/answer", text="At seven.").text

    assert "operator has it" in page.send(f"{here}/take").text
    ann.wait_text(HERE, first)
    until(lambda: "operator has it" in world.now(in_telegram)["text"], "operators in Telegram see who has it")
    refused = olga.send("At noon.", reply_to=in_telegram)
    olga.wait_text("operator has it", refused)
    written = ann.send("script:short It is urgent: ann@example.org")
    until(lambda: "It is urgent" in page.http.get(here).text, "the page shows what is written")
    part = page.http.get(here, headers={"hx-request": "true"}).text
    assert "not answered" in part and "[email]" in part and "example.org" not in part and "<html" not in part
    assert not [text for text in texts_after(olga, refused) if "urgent" in text], "who has it sits elsewhere"

    page.send(f"{here}/answer", text="At seven, call 030 123456.")
    answer = ann.wait_text("At seven, call 030 123456.", written)
    assert answer["text"].startswith("👤 A person answers:")
    assert answer["reply_to_message"]["message_id"] == written["message_id"]
    turn = world.turn(answer)
    assert (turn.origin, turn.parent) == ("operator", world.turn(first).id) and "123456" not in turn.reply
    assert "not answered" not in page.http.get(here).text
    ann.press(answer, "👍")
    until(lambda: world.context.ratings.said_about([turn.id])[0].votes, "the buttons are the answer's")

    assert page.send(f"{here}/back").url.path == "/inbox"
    ann.wait_text(OVER, answer)
    assert ann.wait_answer(ann.send("script:short And on Sundays?"))["text"] == "It is scripted."
    assert of(world).inbox() == [] and page.http.get(here).status_code == 404
    done = [(e.who, e.what) for e in AuditLog(world.context.store).page() if "chat" in e.what]
    assert done == [("operator", what) for what in ("hand chat back", "answer chat", "take chat")]


def test_answers_come_in_order_and_once_while_telegram_is_away(world, olga, page):
    ann = world.member()
    call(world, ann, olga)
    here = chat_of(world, ann)
    page.send(f"{here}/take")
    came = ann.wait_text(HERE)
    world.api.fault("sendMessage", 502, times=5)
    for text in ("One.", "Two.", "Three."):
        page.send(f"{here}/answer", text=text)
    ann.wait_text("Three.", came)
    said = [text.split("\n")[-1] for text in texts_after(ann, came)]
    assert said == ["One.", "Two.", "Three."]
    head = world.context.turns.get(world.context.turns.head(world.chat(ann)))
    assert head.reply == "One.\n\nTwo.\n\nThree."
    page.send(f"{here}/back")
    until(lambda: not world.context.store.exists(keys.ERRANDS), "nothing is left to say")


def test_who_begins_afresh_blocks_the_bot_or_is_banned_leaves_the_inbox(world, olga, page):
    ann, bob, cy = world.member(), world.member("Bob"), world.member("Cy")
    for person in (ann, bob, cy):
        call(world, person, olga)
    pages = {person.id: chat_of(world, person) for person in (ann, bob, cy)}
    for person in (ann, bob):
        page.send(f"{pages[person.id]}/take")
        person.wait_text(HERE)
    ann.wait_text("afresh", ann.send("/reset"))
    told = page.send(f"{pages[ann.id]}/answer", text="Are you there?")
    assert told.status_code == 404 and "not in the inbox any more" in told.text
    world.api.blocked.add(bob.id)
    page.send(f"{pages[bob.id]}/answer", text="Hello?")
    until(lambda: page.http.get(pages[bob.id]).status_code == 404, "the chat leaves the inbox")
    world.api.blocked.clear()
    world.context.people.ban(world.author(cy))
    assert page.send(f"{pages[cy.id]}/take").status_code == 404 and of(world).inbox() == []


def test_one_operator_has_a_chat_and_only_an_admin_takes_it_from_them(world, olga, page):
    ann, bob = world.member(), world.member("Bob")
    shown = [call(world, person, olga) for person in (ann, bob)]
    mine, olgas = chat_of(world, ann), chat_of(world, bob)
    olga.press(shown[1], "Take over")
    bob.wait_text(HERE)
    accounts, address = Accounts(world.context.store), str(page.http.base_url)
    with joined(address, accounts.invite("admin"), "ina") as ina:
        with (
            joined(address, accounts.invite("reviewer"), "kim") as kim,
            joined(address, accounts.invite("reviewer"), "lee") as lee,
        ):
            assert "kim has it" in kim.send(f"{mine}/take").text
            for path in (f"{mine}/take", f"{mine}/answer", f"{mine}/back"):
                told = lee.send(path, text="Hello.")
                assert told.status_code == 400 and "is with kim" in told.text
            assert "is with Olga" in kim.send(f"{olgas}/take").text
            assert "empty" in kim.send(f"{mine}/answer", text=" ").text
            assert "at most 8000" in kim.send(f"{mine}/answer", text="x" * 8001).text
        for path in (mine, olgas):
            assert ina.send(f"{path}/back").url.path == "/inbox"
    assert of(world).inbox() == []
    for name in ("kim", "lee", "ina"):
        world.context.store.hdel(keys.CONSOLE_ACCOUNTS, name)
