"""Operators' stories in a real browser that need no model: review, accounts, versions, a training that draws itself."""

import re

import pytest
from conftest import free_port
from playwright.sync_api import Page, expect
from test_backlog import apart  # noqa: F401
from test_console import CAPITAL
from test_review_pages import answered

from console.accounts import Accounts
from feedback.curves import add_point
from feedback.progress import begin_progress, report_progress
from feedback.wishes import who_cancels
from tests.adapter_files import publish_peft
from tests.browser.steps import PASSWORD, PHONE, ask, join, open_playground, press
from tests.console_process import console
from tests.waiting import until
from workers.lock import RefreshLock

pytestmark = pytest.mark.browser
RUN = "f" * 64
COUNT, MANY = 30, 500


def on(page: Page, turn: str) -> None:
    """Wait for the page of an answer, and for its keys."""
    page.wait_for_url(re.compile(f"/review/{turn}"))


# Review


@pytest.mark.quick
def test_thirty_answers_are_reviewed_by_keys_alone(visit, context):
    ids = [answered(context, f"question{n} about{n}?", f"Answer {n}.").id for n in range(COUNT)]
    page = visit()
    key = page.keyboard
    page.goto("/review")
    key.press("n")
    for number, turn in enumerate(ids):
        on(page, turn)
        if number == 1:
            key.press("e")
            key.insert_text(" And more, as: a, r, s, n.")
            key.press("Control+Enter")
        elif number == 2:
            key.press("c")
            key.press("r")
            key.insert_text("it is made up")
            key.press("Enter")
        elif number == 3:
            key.press("u")
            on(page, ids[2])
            assert context.reviews.get(ids[2]) is None
            key.press("c")
            key.press("a")
            on(page, turn)
            key.press("s")
        else:
            key.press("a")
    expect(page.get_by_text("You skipped 1 of them.")).to_be_visible()
    decided = {review.turn: review for review in context.reviews.decided(0, 100)}
    assert set(decided) == set(ids) - {ids[3]}
    assert decided[ids[1]].text == "Answer 1. And more, as: a, r, s, n." and decided[ids[1]].decision == "edit"
    assert decided[ids[2]].scope == "everyone" and decided[ids[2]].decision == "approve"
    assert all(decided[turn].decision == "approve" for turn in ids[4:])


def test_keys_are_shown_drafts_kept_and_a_left_item_is_free_at_once(visit, context):
    turn = answered(context).id
    page = visit()
    key = page.keyboard
    page.goto("/review/next")
    key.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    listed = set(page.locator("#keys dt").all_inner_texts())
    keys = page.eval_on_selector_all("[data-key]", "found => found.map(it => it.dataset.key)")
    assert listed == {*keys, "u", "Ctrl+Enter", "Esc"}, "u is there once something was decided"
    key.press("s")
    key.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    key.press("e")
    key.insert_text(" A draft.")
    key.press("Escape")
    until(lambda: context.store.exists(f"apprentice:turn:{turn}:edits"), "the draft is kept")
    key.press("t")
    key.insert_text("opening")
    key.press("Enter")
    expect(page.locator("#notes .badge")).to_have_text("opening")
    assert context.store.hget("apprentice:queue:claims", turn)
    page.goto("about:blank")
    until(lambda: not context.store.hget("apprentice:queue:claims", turn), "the claim is given back")
    page.goto(f"/review/{turn}")
    expect(page.get_by_label("The answer to approve")).to_have_value("At nine. A draft.")


def test_five_hundred_answers_are_approved_at_once_and_all_of_it_is_undone(visit, context):
    for n in range(MANY):
        answered(context, f"opening{n} hours{n}?", f"At {n}.")
    other = answered(context, "Who wrote this?", "Nobody.")
    page = visit()
    page.goto("/review")
    expect(page.get_by_role("heading", name="501 answers wait")).to_be_visible()
    page.get_by_label("Text").fill("At")
    press(page, page.get_by_role("button", name="Filter"))
    press(page, page.get_by_role("link", name="Decide all 500"))
    expect(page.get_by_text("The filter: text “At”.")).to_be_visible()
    press(page, page.get_by_role("button", name="Approve 500"))
    expect(page.get_by_role("status")).to_have_text("Decided: 500.")
    assert len(context.reviews.decided(0, 1000)) == MANY and context.reviews.get(other.id) is None
    press(page, page.get_by_role("button", name="Undo all 500"))
    expect(page.get_by_role("status")).to_have_text(re.compile("^Undone"))
    press(page, page.get_by_role("link", name="Back to the queue"))
    expect(page.get_by_role("heading", name="500 answers wait here")).to_be_visible()
    assert context.reviews.decided(0, 1000) == []


def test_two_operators_at_once_never_have_the_same_answer(operator, context):
    ids = [answered(context, f"question{n} about{n}?", f"Answer {n}.").id for n in range(6)]
    ann, bob = operator("ann", "reviewer"), operator("bob", "reviewer")
    for page in (ann, bob):
        page.goto("/review/next")
    on(ann, ids[0])
    on(bob, ids[1])
    ann.keyboard.press("e")
    ann.keyboard.insert_text(" I am still writing.")
    for turn in ids[1:]:
        on(bob, turn)
        bob.keyboard.press("a")
    expect(bob.get_by_text("another operator has it open")).to_be_visible()
    press(bob, bob.get_by_role("link", name="question0 about0?"))
    expect(bob.get_by_text("Another operator has this answer open.")).to_be_visible()
    expect(bob.get_by_role("button", name="Approve")).to_have_count(0)
    ann.keyboard.press("Control+Enter")
    expect(ann.get_by_text("Nothing waits.")).to_be_visible()
    reviewers = {review.turn: review.reviewer for review in context.reviews.decided(0, 10)}
    assert reviewers == {ids[0]: "ann"} | dict.fromkeys(ids[1:], "bob")


# Accounts


@pytest.mark.quick
def test_an_account_with_the_keyboard_alone(visit, store):
    page = join(visit(), Accounts(store).invite("admin"), "ann")
    page.goto("/operators")
    press(page, page.get_by_role("button", name="Make a link for an account"))
    expect(page.get_by_role("status")).to_contain_text("/invitation/")
    press(page, page.get_by_role("link", name="ann", exact=True))
    press(page, page.get_by_role("button", name="Log out"))
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/people")
    page.get_by_label("Name").focus()
    page.keyboard.insert_text("ann")
    page.keyboard.press("Tab")
    page.keyboard.insert_text(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="People")).to_be_visible()


# The playground without a model


def test_what_was_typed_is_not_lost_while_serving_is_away(visit, settings):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    alone = settings.model_copy(update=ports)
    with console(alone) as address:
        page = visit(address, may_complain=True)
        open_playground(page)
        ask(page, CAPITAL)
        expect(page.locator("#notice")).to_have_text(re.compile("please ask again in a moment.$"))
        expect(page.get_by_label("Your message")).to_have_value(CAPITAL)
        expect(page.locator("article")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("cannot be reached")
    expect(page.get_by_label("Your message")).to_have_value(CAPITAL)


# Versions


@pytest.mark.quick
def test_a_version_is_promoted_and_taken_back_with_the_keyboard(visit, context):
    version = publish_peft(context.registry, 1)
    page = visit()
    page.goto("/adapters")
    press(page, page.get_by_role("link", name=version[:12]))
    press(page, page.get_by_role("link", name="Promote …"))
    expect(page.get_by_text("Every chat is answered by")).to_be_visible()
    press(page, page.get_by_role("button", name="Promote"))
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert context.registry.route() == version
    press(page, page.get_by_role("link", name="Back to the versions"))
    press(page, page.get_by_role("link", name="Roll back …"))
    press(page, page.get_by_role("main").get_by_role("button"))
    expect(page.get_by_text(f"{version[:12]} is taken back")).to_be_visible()
    assert context.registry.get(version).status == "rejected"


def test_a_training_draws_itself_on_a_phone_and_is_cancelled(visit, context):
    page = visit(**PHONE)
    with RefreshLock(context.store, 60) as lock:
        assert lock.try_acquire()
        begin_progress(context.store, RUN)
        page.goto("/refresh")
        for step in (1, 2, 3):
            add_point(context.store, RUN, step, {"loss": 3 / step})
            report_progress(context.store, "learning", step, 300)
            expect(page.locator(".dot.loss")).to_have_count(step)
        expect(page.get_by_text("Nothing yet")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        cancel = page.get_by_role("link", name="Cancel it …")
        cancel.focus()
        report_progress(context.store, "learning", 4, 300)
        expect(page.get_by_text("step 4 of 300")).to_be_visible()
        expect(cancel).to_be_focused()
        press(page, cancel)
        press(page, page.get_by_role("button", name="Cancel the refresh"))
        expect(page.get_by_text("The refresh ends at its next step.")).to_be_visible()
        assert who_cancels(context.store, lock.fence) == "operator"
