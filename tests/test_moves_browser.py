"""The adapters' pages in a real browser: no mouse, no complaint of the browser, and a training that draws itself."""

import pytest
from conftest import free_port
from test_console import console
from test_console_browser import CHROMIUM, browser

from core.settings import Settings
from feedback.curves import add_point
from feedback.progress import begin_progress, report_progress
from feedback.wishes import who_cancels
from tests.adapter_files import publish_peft
from workers.context import open_context
from workers.lock import RefreshLock

__all__ = ["browser"]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed here"),
]
RUN = "f" * 64


@pytest.fixture
def context(store, valkey_url, tmp_path):
    return open_context(Settings(data_dir=tmp_path / "data", redis_url=valkey_url, console_port=free_port()))


def visit(browser, address: str) -> None:
    browser.do("Page.navigate", url=address)
    browser.until(f"location.href === '{address}' && document.readyState === 'complete'")


def press(browser, what: str) -> None:
    """Press Enter on a link or button, and wait for the page that it leads to."""
    browser.js(f"window.here = true; document.querySelector('{what}').focus()")
    browser.press("Enter", 13, "\r")
    browser.until("window.here === undefined && document.readyState === 'complete'")


def test_a_version_is_promoted_and_taken_back_with_the_keyboard(browser, context):
    version = publish_peft(context.registry, 1)
    with console(context.settings) as address:
        visit(browser, f"{address}/adapters")
        press(browser, f'a[href="/adapters/{version}"]')
        press(browser, f'a[href="/adapters/{version}/promote"]')
        assert "Every chat is answered by" in browser.js("document.querySelector('main').innerText")
        press(browser, "main button")
        assert context.registry.route() == version
        press(browser, 'main a[href="/adapters"]')
        press(browser, 'a[href="/adapters/rollback"]')
        press(browser, "main button")
        assert context.registry.get(version).status == "rejected"
    assert browser.complaints == []


def test_a_training_draws_itself_on_a_phone_and_is_cancelled(browser, context):
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.do("Emulation.setDeviceMetricsOverride", **phone)
    with console(context.settings) as address, RefreshLock(context.store, 60) as lock:
        assert lock.try_acquire()
        begin_progress(context.store, RUN)
        visit(browser, f"{address}/refresh")
        for step in (1, 2, 3):
            add_point(context.store, RUN, step, {"loss": 3 / step})
            report_progress(context.store, "learning", step, 300)
            browser.until(f"document.querySelectorAll('.dot.loss').length === {step}")
        browser.until("document.body.innerText.includes('Nothing yet')")
        assert browser.js("document.documentElement.scrollWidth") <= 360
        browser.js("document.querySelector('#cancel').focus()")
        report_progress(context.store, "learning", 4, 300)
        browser.until("document.body.innerText.includes('step 4 of 300')")
        assert browser.js("document.activeElement.id") == "cancel", "what has the focus keeps it"
        press(browser, "#cancel")
        press(browser, "main button")
        assert who_cancels(context.store, lock.fence) == "operator"
    assert browser.complaints == []
