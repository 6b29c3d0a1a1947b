"""Comparing and replaying in a real browser: keys alone, on a phone, and nothing that the browser complains of."""

import pytest
from conftest import free_port
from test_console import CAPITAL, STORY, console
from test_console_browser import browser, pytestmark

from core.settings import Settings
from tests.serving_process import publish, serving
from tests.waiting import until
from workers.context import open_context

__all__ = ["browser", "pytestmark"]


@pytest.fixture
def settings(valkey_url, tmp_path, store):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=tmp_path / "data", redis_url=valkey_url, reply_tokens=24, **ports)


def notice(browser, text: str) -> None:
    browser.until(f"document.querySelector('#notice')?.textContent.includes({text!r})")


def visit(browser, address: str) -> None:
    browser.do("Page.navigate", url=address)
    browser.until(f"location.href === '{address}' && document.readyState === 'complete'")


def test_a_blind_pick_and_a_replay_with_the_keyboard_alone_on_a_phone(browser, settings, base, letters):
    context = open_context(settings)
    browser.do("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    with serving(settings, base), console(settings) as address:
        until(context.registry.living, "a heartbeat")
        version = publish(context, base, letters["a"])
        visit(browser, f"{address}/compare?first={version}")
        browser.until("document.activeElement.id === 'box'")
        browser.type(f"{STORY} {CAPITAL}")
        browser.press("Enter", 13, "\r")
        notice(browser, "Which is better?")
        assert browser.js("document.querySelector('#answers').innerText").count(version[:12]) == 0
        side = browser.js("document.querySelector('[data-side=a] .text').innerText.startsWith('a a a') ? 'a' : 'b'")
        browser.press(side, ord(side.upper()), side)
        notice(browser, f"{side.upper()} was {version[:12]}")
        browser.until("document.querySelector('#scores td') !== null && document.activeElement.id === 'box'")
        assert browser.js("document.documentElement.scrollWidth") <= 360
        (item,) = context.reviews.queue()
        assert item.turn.adapter == version and item.votes[0].against

        visit(browser, f"{address}/replay/{item.turn.id}?version={version}")
        browser.js("document.querySelector('[name=version]').focus()")
        browser.press("Tab", 9)
        browser.press("Enter", 13, "\r")
        notice(browser, "has answered")
        assert browser.js("document.querySelector('#log .side:last-child .text').innerText").startswith("a a a")
        assert "tokens/s" in browser.js("document.querySelector('#log .side:last-child .told').textContent")
        assert browser.js("document.documentElement.scrollWidth") <= 360
    assert browser.complaints == []
