"""Every page of a console in which much has happened: for whom it is readable, what it weighs, and what it asks for."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request

from console.pages import PAGES
from tests.browser.pages import OPEN_TO_ALL, addresses
from tests.browser.steps import PHONE, listen, log_in
from tests.browser.world import world

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
MAX_BYTES = 150_000
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
SERIOUS = ("serious", "critical")
OWN = {"/logout", "/account"}
"""What a viewer may send."""


@pytest.fixture
def filled(context, base, api):
    with world(context, base) as filled:
        yield filled


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_is_accessible_small_and_the_consoles_own(visit, settings, context, filled, device):
    anyone, ann = visit(**device), log_in(visit(**device), "ann")
    found = {route: (anyone, filled.address(route)) for route in OPEN_TO_ALL}
    found |= {route: (ann, at) for route, at in addresses(settings, filled, ann).items() if route not in OPEN_TO_ALL}
    assert {path for path, _ in PAGES} <= set(found)
    wrong = [f"{route} {said}" for route, (page, at) in found.items() for said in problems(page.context.new_page(), at)]
    context.registry.start_canary(filled.candidate, 0.2, "ann", "", None, filled.live)
    (during,) = addresses(settings, filled, ann, trial=True).items()
    wrong += [f"{during[0]} {said}" for said in problems(ann.context.new_page(), during[1])]
    assert wrong == []


def problems(page: Page, address: str) -> list[str]:
    """What is wrong with a page, in words, as it is loaded by a browser that knows nothing of it yet."""
    said: list[str] = []
    asked: list[Request] = []
    listen(page, said)
    page.on("requestfinished", lambda request: asked.append(request))
    page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto(address)
    page.wait_for_load_state("networkidle")
    weight = sum(request.sizes()["responseBodySize"] + request.sizes()["responseHeadersSize"] for request in asked)
    if weight > MAX_BYTES:
        said.append(f"weighs {weight} bytes")
    here = page.evaluate("location.origin")
    said += [f"asks for {request.url}" for request in asked if not request.url.startswith(f"{here}/")]
    width, wide = page.viewport_size["width"], page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        said.append(f"is {wide} px wide on a screen of {width}")
    said += violations(page)
    page.close()
    return said


def violations(page: Page) -> list[str]:
    """What axe-core finds serious on a page, light and dark."""
    said = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in SERIOUS:
                where = [node["target"] for node in violation["nodes"]][:4]
                said.append(f"{scheme}: {violation['id']}: {violation['help']}: {where}")
    return said


def test_what_is_wrong_is_found(visit):
    page = visit()
    page.set_content("<html lang=en><title>Wrong</title><p style='color: #ccc; background: #fff'>Pale</p><input>")
    found = " ".join(violations(page))
    assert all(f"{scheme}: {what}" in found for scheme in ("light", "dark") for what in ("color-contrast", "label"))


def test_a_viewer_sees_every_page_and_cannot_act(visit, settings, filled):
    admin, viewer = log_in(visit(), "ann"), log_in(visit(may_complain=True), "eve")
    for route, address in addresses(settings, filled, admin).items():
        if route in OPEN_TO_ALL:
            continue
        told = viewer.goto(address)
        viewer.wait_for_load_state("networkidle")
        if told.status == 403:
            assert "This needs the role" in viewer.get_by_role("alert").inner_text(), route
            continue
        assert told.ok, route
        sends = viewer.eval_on_selector_all(
            "form[method=post], [hx-post]",
            "found => found.map(it => it.getAttribute('hx-post') || new URL(it.action).pathname)",
        )
        assert set(sends) <= OWN, route
