"""The playground in a real browser, driven over the DevTools protocol."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
from conftest import free_port
from test_console import CAPITAL, STORY, console

from console.accounts import Accounts
from core.settings import Settings
from tests.serving_process import serving
from workers.context import open_context

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed here"),
]


class Browser:
    """One tab; commands and answers go through pipes, each message ended by a zero byte."""

    def __init__(self, profile: str):
        theirs_in, self._write = os.pipe()
        self._read, theirs_out = os.pipe()
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        program = [CHROMIUM, *SWITCHES, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", *program], pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._count, self._rest, self._session = 0, b"", {}
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        self.complaints: list[dict] = []
        self.do("Runtime.enable")
        self.do("Log.enable")

    def do(self, method: str, **params) -> dict:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params} | self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                self._rest += os.read(self._read, 65536)
            raw, self._rest = self._rest.split(b"\0", 1)
            told = json.loads(raw)
            if told.get("id") == self._count:
                assert "error" not in told, told
                return told["result"]
            if told.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(told["params"])

    def js(self, expression: str):
        told = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        end = time.monotonic() + 30
        while not self.js(expression):
            assert time.monotonic() < end, expression
            time.sleep(0.02)

    def open(self, address: str) -> None:
        self.do("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && document.querySelector('#progress')?.textContent !== ''")

    def type(self, text: str) -> None:
        self.do("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str = "") -> None:
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.do("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text else {}))
        self.do("Input.dispatchKeyEvent", type="keyUp", **event)

    def ask(self, text: str) -> None:
        self.type(text)
        self.press("Enter", 13, "\r")

    def close(self) -> None:
        os.close(self._write)
        self._process.wait()
        os.close(self._read)


@pytest.fixture
def browser(tmp_path) -> Iterator[Browser]:
    browser = Browser(str(tmp_path / "profile"))
    yield browser
    browser.close()


@pytest.fixture
def settings(valkey_url, tmp_path, store):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=tmp_path / "data", redis_url=valkey_url, reply_tokens=200, **ports)


DONE = "!document.querySelector('#send').hidden && document.querySelectorAll('article').length === {}"
SAID = "[...document.querySelectorAll('article .text')].map((text) => text.innerText)"
LAST = "document.querySelector('article:last-child {}')"


def test_a_conversation_with_the_keyboard_alone(browser, settings, base):
    context = open_context(settings)
    with serving(settings, base), console(settings) as address:
        browser.open(address)
        assert browser.js("document.activeElement.id") == "box" and not browser.js(
            "document.querySelector('#contact').hidden"
        )
        browser.js("document.querySelector('[data-consent=yes]').focus()")
        browser.press("Enter", 13, "\r")
        browser.until("document.querySelector('#contact').hidden && document.activeElement.id === 'box'")

        browser.ask(CAPITAL)
        browser.until(DONE.format(1))
        assert "Paris" in browser.js(LAST.format(".text") + ".textContent")
        assert browser.js("document.activeElement.id") == "box"

        browser.js(LAST.format(".correct") + ".focus()")
        browser.press("Enter", 13, "\r")
        browser.until("document.activeElement.closest('.editor') !== null")
        browser.type(" Since 987.")
        browser.press("Tab", 9)
        browser.press("Enter", 13, "\r")
        browser.until("!" + LAST.format(".correction") + ".hidden")
        (item,) = context.reviews.queue()
        assert item.corrections[0].text == f"{item.turn.reply} Since 987."

        browser.js("document.querySelector('#box').focus()")
        browser.ask(STORY)
        browser.until(LAST.format(".text") + "?.textContent.length > 60")
        browser.press("Escape", 27)
        browser.until(DONE.format(2))
        assert "stopped" in browser.js(LAST.format(".facts") + ".textContent")

        said = browser.js(SAID)
        browser.open(address)
        browser.until("document.querySelectorAll('article').length === 2")
        assert browser.js(SAID)[0] == said[0] and browser.js(SAID)[1].startswith(said[1].rstrip())
    assert browser.complaints == []


def test_a_label_is_asked_for_and_put_right_by_a_button(browser, settings, base):
    context = open_context(settings)
    with serving(settings, base), console(settings) as address:
        browser.open(address)
        browser.js("document.querySelector('#kind').value = 'label'")
        for count, label in enumerate(("delivery", "payment"), 1):
            browser.ask(f"My {label} has not arrived yet.")
            browser.until(DONE.format(count))
            (newest,) = context.turns.get_many([context.turns.recent(0, 2**50)[-1]]).values()
            context.reviews.decide(newest.id, "edit", "operator", "everyone", label)
        browser.ask("Where is the box that I ordered last week?")
        browser.until(DONE.format(3))
        browser.js(LAST.format(".choices button:last-child") + ".click()")
        browser.until("!" + LAST.format(".correction") + ".hidden")
        chosen = browser.js(LAST.format(".correction p") + ".textContent")
        (item,) = [item for item in context.reviews.queue() if item.corrections]
        assert item.corrections[0].text == chosen == item.turn.choices[-1].text and len(item.turn.choices) == 2

        browser.js("document.querySelector('#kind').value = 'summary'; document.querySelector('#box').focus()")
        browser.ask("In five words: The ship Vasa sank in Stockholm in 1628. It was raised in 1961.")
        browser.until(DONE.format(4))
        outcome = browser.js(LAST.format(".outcome") + ".textContent")
        browser.open(address)
        browser.until("document.querySelectorAll('article').length === 4")
        assert outcome and outcome in browser.js(LAST.format(".facts") + ".textContent")
    assert browser.complaints == []


def test_what_was_typed_is_not_lost_while_serving_is_away(browser, settings):
    with console(settings) as address:
        browser.open(address)
        browser.ask(CAPITAL)
        browser.until("document.querySelector('#notice').textContent.endsWith('please ask again in a moment.')")
        assert browser.js("document.querySelector('#box').value") == CAPITAL
        assert browser.js("document.querySelectorAll('article').length") == 0
    browser.press("Enter", 13, "\r")
    browser.until("document.querySelector('#notice').textContent.includes('cannot be reached')")
    assert browser.js("document.querySelector('#box').value") == CAPITAL


def submit(browser: Browser, *texts: str) -> None:
    """Fill the fields of the page's form, one after another, and send it with the return key."""
    browser.js("document.querySelector('main input:not([type=hidden])').focus()")
    for text in texts[:-1]:
        browser.type(text)
        browser.press("Tab", 9)
    browser.type(texts[-1])
    browser.js("window.leaving = true")
    browser.press("Enter", 13, "\r")
    browser.until("!window.leaving && document.readyState === 'complete'")


def test_an_account_with_the_keyboard_alone(browser, settings, store):
    password = "ships sail at dawn"
    with console(settings) as address:
        browser.open(f"{address}/invitation/{Accounts(store).invite('admin')}")
        submit(browser, "ann", password, password)
        assert (
            browser.js("location.pathname") == "/" and browser.js("document.querySelector('.self').innerText") == "ann"
        )
        browser.open(f"{address}/operators")
        browser.js("window.leaving = true; document.querySelector('main [type=submit]').focus()")
        browser.press("Enter", 13, "\r")
        browser.until("!window.leaving && document.querySelector('[role=status]')?.innerText.includes('/invitation/')")
        browser.open(f"{address}/account")
        browser.js("window.leaving = true; document.querySelector('form[action=\"/logout\"] button').focus()")
        browser.press("Enter", 13, "\r")
        browser.until("!window.leaving && location.pathname === '/login' && document.readyState === 'complete'")
        browser.open(f"{address}/people")
        assert browser.js("location.search") == "?next=/people"
        submit(browser, "ann", password)
        assert browser.js("location.pathname") == "/people"
    assert browser.complaints == []
