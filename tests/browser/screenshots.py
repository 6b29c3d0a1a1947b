"""Take a picture of every page, light and dark, for docs/console.md: `python -m tests.browser.screenshots FOLDER`."""

import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from adapters.base import Base, prepare_base
from bench.instance import free_ports
from console.pages import PAGES
from core.settings import Settings
from launch.valkey import Valkey
from tests.browser.chromium import MISSING, chromium, installed
from tests.browser.pages import OPEN_TO_ALL, addresses
from tests.browser.steps import PATIENCE_MS, answer, ask, log_in, open_playground
from tests.browser.texts import COMPARED, QUESTIONS
from tests.browser.world import World, world
from tests.console_process import console
from tests.serving_process import ROOT, serving
from workers.context import Context, open_context

SIZE = {"width": 1280, "height": 800}
SCHEMES = ("light", "dark")


def name_of(route: str) -> str:
    """What a page's pictures are called."""
    titles = {path: title for path, title in PAGES}
    return titles[route].lower() if route in titles else "-".join(re.findall(r"\w+", route))


def main(folder: Path) -> None:
    """Fill a console of its own, and write NAME-light.webp and NAME-dark.webp for each page."""
    if installed() is None:
        sys.exit(f"{MISSING}.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, _instance(Path(data)) as (context, base), chromium() as browser:
        expect.set_options(timeout=PATIENCE_MS)
        with world(context, base) as filled:
            for route, page, address in _pages(browser, context, filled):
                page.goto(address)
                STAGED.get(route, lambda page: None)(page)
                _take(page, folder / name_of(route))
                print(f"{name_of(route)}: {address}")


@contextmanager
def _instance(data: Path) -> Iterator[tuple[Context, Base]]:
    """A database, serving with the bundled model, and a console."""
    base = prepare_base(None, ROOT / ".cache" / "tests")
    valkey_port, serving_port, console_port = free_ports(3)
    server = Valkey(data, valkey_port)
    server.start()
    try:
        how = {"serving_port": serving_port, "console_port": console_port, "reply_tokens": 80}
        settings = Settings(data_dir=data, redis_url=f"redis://127.0.0.1:{valkey_port}/0", **how)
        with serving(settings, base), console(settings):
            yield open_context(settings), base
    finally:
        server.stop()


def _pages(browser: Browser, context: Context, filled: World) -> Iterator[tuple[str, Page, str]]:
    """Each page by its route, the browser of somebody who may see it, and its address. In the end a trial begins."""
    settings = context.settings
    base_url = f"http://127.0.0.1:{settings.console_port}"
    anyone, ann = (browser.new_context(base_url=base_url, viewport=SIZE).new_page() for _ in range(2))
    log_in(ann, "ann")
    open_playground(ann)
    ann.get_by_role("button", name="No, only answer").click()
    for number, question in enumerate(QUESTIONS, 1):
        ask(ann, question)
        answer(ann, number)
    for route in OPEN_TO_ALL:
        yield route, anyone, filled.address(route)
    for route, address in addresses(settings, filled, ann).items():
        if route not in OPEN_TO_ALL:
            yield route, ann, address
    context.registry.start_canary(filled.candidate, 0.2, "ann", "", None, filled.live)
    for route, address in addresses(settings, filled, ann, trial=True).items():
        yield route, ann, address


def _compare(page: Page) -> None:
    """Ask both, pick one, and be told which was which."""
    page.get_by_label("Prompt").fill(COMPARED)
    page.get_by_role("button", name="Ask both").click()
    page.get_by_role("button", name="B is better").click()
    expect(page.locator("#notice")).to_contain_text("Noted.")


def _replay(page: Page) -> None:
    """Have the question answered once more."""
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#notice")).to_contain_text("has answered")


STAGED: dict[str, Callable[[Page], None]] = {"/compare": _compare, "/replay/{turn}": _replay}
"""What is done on a page before its picture is taken."""


def _take(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        taken = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide")))
        taken.convert("RGB").save(path.with_name(f"{path.name}-{scheme}.webp"), lossless=True, quality=100, method=4)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
