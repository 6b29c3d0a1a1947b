"""The review queue in a real browser: thirty answers by keys alone."""

import pytest
from conftest import free_port
from test_backlog import apart  # noqa: F401
from test_console import console
from test_console_browser import Browser, pytestmark  # noqa: F401
from test_review_pages import answered

from core.settings import Settings
from tests.waiting import until
from workers.context import open_context

COUNT = 30


@pytest.fixture
def browser(tmp_path):
    browser = Browser(str(tmp_path / "profile"))
    yield browser
    browser.close()


@pytest.fixture
def settings(valkey_url, tmp_path, store):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=tmp_path / "data", redis_url=valkey_url, **ports)


def key(browser: Browser, name: str) -> None:
    browser.press(name, ord(name.upper()), name)


def shows(browser: Browser, turn: str) -> None:
    browser.until(f"document.readyState === 'complete' && location.pathname.endsWith({turn!r})")


def test_thirty_answers_are_reviewed_by_keys_alone(browser, settings):
    context = open_context(settings)
    turns = [answered(context, f"question{n} about{n}?", f"Answer {n}.") for n in range(COUNT)]
    ids = [turn.id for turn in turns]
    with console(settings) as address:
        browser.do("Page.navigate", url=f"{address}/review")
        browser.until("document.readyState === 'complete' && document.querySelector('[data-key=n]') !== null")
        key(browser, "n")
        for number, turn in enumerate(ids):
            shows(browser, turn)
            if number == 1:
                key(browser, "e")
                browser.type(" And more, as: a, r, s, n.")
                browser.do("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", modifiers=2)
            elif number == 2:
                key(browser, "c")
                key(browser, "r")
                browser.type("it is made up")
                browser.press("Enter", 13, "\r")
            elif number == 3:
                key(browser, "u")
                shows(browser, ids[2])
                assert context.reviews.get(ids[2]) is None
                key(browser, "c")
                key(browser, "a")
                shows(browser, turn)
                key(browser, "s")
            else:
                key(browser, "a")
        browser.until("location.pathname === '/review' && document.body?.textContent.includes('You skipped 1')")
        decided = {review.turn: review for review in context.reviews.decided(0, 100)}
        assert set(decided) == set(ids) - {ids[3]}
        assert decided[ids[1]].text == "Answer 1. And more, as: a, r, s, n." and decided[ids[1]].decision == "edit"
        assert decided[ids[2]].scope == "everyone" and decided[ids[2]].decision == "approve"
        assert all(decided[turn].decision == "approve" for turn in ids[4:])
    assert browser.complaints == []


def test_keys_are_shown_drafts_kept_and_a_left_item_is_free_at_once(browser, settings):
    context = open_context(settings)
    turn = answered(context).id
    with console(settings) as address:
        browser.do("Page.navigate", url=f"{address}/review/next")
        shows(browser, turn)
        browser.press("?", 191, "?")
        browser.until("document.querySelector('#keys').open")
        key(browser, "s")
        browser.press("Escape", 27)
        browser.until("!document.querySelector('#keys').open")
        key(browser, "e")
        browser.type(" A draft.")
        browser.press("Escape", 27)
        until(lambda: context.store.exists(f"apprentice:turn:{turn}:edits"), "the draft is kept")
        key(browser, "t")
        browser.type("opening")
        browser.press("Enter", 13, "\r")
        browser.until("document.querySelector('#notes .badge')?.textContent === 'opening'")
        assert context.store.hget("apprentice:queue:claims", turn)
        browser.do("Page.navigate", url="about:blank")
        until(lambda: not context.store.hget("apprentice:queue:claims", turn), "the claim is given back")
        browser.do("Page.navigate", url=f"{address}/review/{turn}")
        browser.until("document.querySelector('#text')?.value === 'At nine. A draft.'")
    assert browser.complaints == []
