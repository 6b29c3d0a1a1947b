"""One browser, one console and one serving for all stories in the browser, and clean data for each."""

from collections.abc import Callable, Iterator

import pytest
from conftest import free_port
from playwright.sync_api import Browser, Page, expect

from console.accounts import Accounts
from core.settings import Settings
from tests.browser.chromium import MISSING, chromium, installed
from tests.browser.steps import PASSWORD, PATIENCE_MS, join, listen
from tests.console_process import console
from tests.serving_process import serving


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; whoever needs it is skipped where there is none."""
    if installed() is None:
        pytest.skip(MISSING)
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def settings(valkey_url, tmp_path_factory) -> Settings:
    """Answers may be long, so that there is time to do something while one streams."""
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=tmp_path_factory.mktemp("browser"), redis_url=valkey_url, reply_tokens=600, **ports)


@pytest.fixture(scope="module")
def api(settings, base) -> Iterator[str]:
    """The base address of the bundled model, served; away where stories of other files need no answers."""
    with serving(settings, base) as address:
        yield address


@pytest.fixture(scope="package")
def address(settings) -> Iterator[str]:
    """The base address of the console."""
    with console(settings) as address:
        yield address


@pytest.fixture
def visit(browser, address, store) -> Iterator[Callable[..., Page]]:
    """Opens a browser of somebody's own on the console. What one complains of fails the test, unless it `may_complain`
    because something it asks for is away or refused."""
    complaints: list[str] = []
    opened = []

    def visit(base_url: str = address, may_complain: bool = False, **how) -> Page:
        opened.append(browser.new_context(base_url=base_url, **how))
        opened[-1].set_default_timeout(PATIENCE_MS)
        page = opened[-1].new_page()
        if not may_complain:
            listen(page, complaints)
        return page

    yield visit
    for context in opened:
        context.close()
    assert complaints == []


@pytest.fixture
def operator(visit, store) -> Callable[..., Page]:
    """Opens the browser of an operator who followed their invitation. There is an admin beside them."""
    accounts = Accounts(store)

    def operator(name: str, role: str, **how) -> Page:
        if not accounts.has_admin():
            accounts.join(accounts.invite("admin"), "root", PASSWORD)
        return join(visit(**how), accounts.invite(role), name)

    return operator
