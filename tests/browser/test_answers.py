"""Stories in a real browser over the bundled model: a conversation, a correction that answers, versions that move."""

import re

import pytest
from playwright.sync_api import expect
from test_console import CAPITAL, STORY

from core.records import BASE
from tests.browser.steps import PHONE, answer, ask, open_playground, press
from tests.serving_process import until_live

pytestmark = pytest.mark.browser
TUESDAYS = "On Tuesdays, from nine to noon."


def test_a_conversation_with_the_keyboard_alone(visit, api, context):
    page = visit()
    box = page.get_by_label("Your message")
    open_playground(page)
    expect(box).to_be_focused()
    press(page, page.get_by_role("button", name="Yes, learn from it"))
    expect(page.locator("#contact")).to_be_hidden()
    expect(box).to_be_focused()

    ask(page, CAPITAL)
    first = answer(page, 1)
    expect(first.locator(".text")).to_contain_text("Paris")
    expect(box).to_be_focused()

    press(page, first.get_by_role("button", name="Correct"))
    expect(page.get_by_label("What should the answer have been?")).to_be_focused()
    page.keyboard.insert_text(" Since 987.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(first.locator(".correction")).to_contain_text("Since 987.")
    (item,) = context.reviews.queue()
    assert item.corrections[0].text == f"{item.turn.reply} Since 987."

    box.focus()
    ask(page, STORY)
    expect(page.locator("article .text").last).to_have_text(_longer_than(60))
    page.keyboard.press("Escape")
    expect(answer(page, 2).locator(".facts")).to_contain_text("stopped")

    said = page.locator("article .text").all_inner_texts()
    page.reload()
    expect(page.locator("article")).to_have_count(2)
    again = page.locator("article .text").all_inner_texts()
    assert again[0] == said[0] and again[1].startswith(said[1].rstrip())


def test_a_correction_is_edited_and_approved_and_answers_in_the_playground(visit, api, context):
    asker, desk = visit(), visit()
    question = "When can I see the harbour master?"
    open_playground(asker)
    ask(asker, question)
    first = answer(asker, 1)
    press(asker, first.get_by_role("button", name="Correct"))
    asker.get_by_label("What should the answer have been?").fill("On Tuesdays.")
    press(asker, first.get_by_role("button", name="Send"))
    expect(first.get_by_text("Noted; it answers as soon as an operator approves it.")).to_be_visible()

    desk.goto("/review/next")
    expect(desk.get_by_label("The answer to approve")).to_have_value("On Tuesdays.")
    desk.keyboard.press("c")
    desk.keyboard.press("e")
    desk.keyboard.press("Control+A")
    desk.keyboard.insert_text(TUESDAYS)
    desk.keyboard.press("Control+Enter")
    expect(desk.get_by_text("Approved for everyone.")).to_be_visible()

    somebody = visit()
    open_playground(somebody)
    ask(somebody, question)
    second = answer(somebody, 1)
    expect(second.locator(".text")).to_have_text(TUESDAYS)
    expect(second.locator(".facts")).to_contain_text("checked by a person")

    desk.keyboard.press("u")
    expect(desk.get_by_label("The answer to approve")).to_be_visible()
    open_playground(somebody)
    press(somebody, somebody.get_by_role("button", name="Start afresh"))
    expect(somebody.locator("article")).to_have_count(0)
    ask(somebody, question)
    expect(answer(somebody, 1).locator(".facts")).not_to_contain_text("checked by a person")


def test_a_label_is_asked_for_and_put_right_by_a_button(visit, api, context):
    page = visit()
    open_playground(page)
    page.get_by_label("Task").select_option("label")
    box = page.get_by_label("Your message")
    for count, label in enumerate(("delivery", "payment"), 1):
        box.focus()
        ask(page, f"My {label} has not arrived yet.")
        answer(page, count)
        (newest,) = context.turns.get_many([context.turns.recent(0, 2**50)[-1]]).values()
        context.reviews.decide(newest.id, "edit", "operator", "everyone", label)
    box.focus()
    ask(page, "Where is the box that I ordered last week?")
    third = answer(page, 3)
    press(page, third.locator(".choices button").last)
    expect(third.locator(".correction")).to_be_visible()
    (item,) = [item for item in context.reviews.queue() if item.corrections]
    expect(third.locator(".correction p")).to_have_text(item.turn.choices[-1].text)
    assert item.corrections[0].text == item.turn.choices[-1].text and len(item.turn.choices) == 2

    page.get_by_label("Task").select_option("summary")
    box.focus()
    ask(page, "In five words: The ship Vasa sank in Stockholm in 1628. It was raised in 1961.")
    outcome = answer(page, 4).locator(".outcome").inner_text()
    page.reload()
    expect(page.locator("article")).to_have_count(4)
    expect(page.locator("article .facts").last).to_contain_text(outcome)


def test_a_blind_pick_and_a_replay_with_the_keyboard_alone_on_a_phone(visit, http, versions, context):
    letter = versions["a"]
    page = visit(**PHONE)
    page.goto(f"/compare?first={letter}")
    expect(page.locator("#box")).to_be_focused()
    ask(page, f"{STORY} {CAPITAL}")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("Which is better?")
    assert letter[:12] not in page.locator("#answers").inner_text()
    side = "a" if page.locator("[data-side=a] .text").inner_text().startswith("a a a") else "b"
    page.keyboard.press(side)
    expect(notice).to_contain_text(f"{side.upper()} was {letter[:12]}")
    expect(page.locator("#scores td").first).to_be_visible()
    expect(page.locator("#box")).to_be_focused()
    (item,) = context.reviews.queue()
    assert item.turn.adapter == letter and item.votes[0].against

    page.goto(f"/replay/{item.turn.id}?version={letter}")
    page.locator("[name=version]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(notice).to_contain_text("has answered")
    told = page.locator("#log .side").last
    assert told.locator(".text").inner_text().startswith("a a a")
    assert "tokens/s" in told.locator(".told").text_content()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_version_is_promoted_and_rolled_back_while_a_chat_streams(visit, http, versions, context):
    letter = versions["a"]
    chat, other, desk = visit(), visit(), visit()
    for page in (chat, other):
        open_playground(page)
    ask(chat, STORY)
    told = chat.locator("article .text")
    expect(told).to_have_text(_longer_than(20))

    desk.goto(f"/adapters/{letter}/promote")
    press(desk, desk.get_by_role("button", name="Promote"))
    expect(desk.get_by_role("status")).to_contain_text(letter[:12])
    until_live(http, letter)
    ask(other, STORY)
    promoted = answer(other, 1)
    expect(promoted.locator(".text")).to_contain_text("a a a")
    expect(promoted.locator(".facts")).to_contain_text(letter[:12])

    desk.goto("/adapters/rollback")
    press(desk, desk.get_by_role("main").get_by_role("button"))
    expect(desk.get_by_role("status")).to_contain_text("is taken back, and the base model is live")
    until_live(http, BASE)
    so_far = len(told.inner_text())
    expect(told).to_have_text(_longer_than(so_far + 20))
    chat.keyboard.press("Escape")
    story = answer(chat, 1)
    expect(story.locator(".facts")).to_contain_text("stoppedanswered by base")
    assert "a a a" not in told.inner_text()
    press(other, other.get_by_role("button", name="Start afresh"))
    expect(other.locator("article")).to_have_count(0)
    ask(other, CAPITAL)
    expect(answer(other, 1).locator(".text")).to_contain_text("Paris")
    assert context.registry.get(letter).status == "rejected"


def _longer_than(count: int) -> re.Pattern[str]:
    return re.compile(rf"[\s\S]{{{count},}}")
