"""Every page of the console, by its routes: what a browser that asks for an address is shown as HTML."""

import httpx
from playwright.sync_api import Page
from starlette.routing import Route

from console.app import build
from core.settings import Settings
from tests.browser.world import World

OPEN_TO_ALL = ("/login", "/invitation/{code}")
"""Pages for whoever is not logged in."""
DURING_A_TRIAL = ("/adapters/share",)
"""Pages that are there while a version is tried, when no other can be."""


def routes(settings: Settings) -> list[str]:
    """The paths, as they are declared, of everything that can be asked for."""
    found = [route for route in build(settings).routes if isinstance(route, Route)]
    return list(dict.fromkeys(route.path for route in found if "GET" in route.methods))


def addresses(settings: Settings, world: World, page: Page, trial: bool = False) -> dict[str, str]:
    """By its route, an address of each page that whoever is logged in in a browser may see. A route that answers with
    something else, or leads to another page, is none; one that answers with an error is an error here. While there is a
    `trial`, those that are there only then.
    """
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    base_url, found = f"http://127.0.0.1:{settings.console_port}", {}
    with httpx.Client(base_url=base_url, cookies=cookies, timeout=60) as http:
        for route in [route for route in routes(settings) if (route in DURING_A_TRIAL) == trial]:
            told = http.get(world.address(route))
            assert told.is_success or told.is_redirect, f"{route} answers with {told.status_code}"
            if told.is_success and told.headers["content-type"].startswith("text/html") and "<html" in told.text:
                found[route] = world.address(route)
    return found
