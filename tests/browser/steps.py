"""What a person does in a browser, where it takes more than one line."""

from playwright.sync_api import Locator, Page, expect

from console.pages import PAGES

PATIENCE_MS = 60_000
PASSWORD = "ships sail at dawn"
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
PLAYGROUND = {title: path for path, title in PAGES}["Playground"]


def listen(page: Page, complaints: list[str]) -> None:
    """Collect errors of scripts, and what the browser refuses or cannot load."""
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)


def join(page: Page, code: str, name: str) -> Page:
    """Make an account by an invitation, with the keyboard."""
    page.goto(f"/invitation/{code}")
    page.get_by_label("Name, as others see it").focus()
    page.keyboard.insert_text(name)
    for _ in range(2):
        page.keyboard.press("Tab")
        page.keyboard.insert_text(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    return page


def log_in(page: Page, name: str) -> Page:
    """Log in with an account whose password is the one of these stories."""
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    return page


def open_playground(page: Page) -> None:
    """Open the playground, and wait until it has loaded what was said there."""
    page.goto(PLAYGROUND)
    expect(page.locator("#progress")).not_to_be_empty()


def ask(page: Page, text: str) -> None:
    """Type a question into the box that has the focus, and send it."""
    page.keyboard.insert_text(text)
    page.keyboard.press("Enter")


def answer(page: Page, number: int) -> Locator:
    """The answer to so many questions, once it is complete."""
    expect(page.locator("article")).to_have_count(number)
    expect(page.get_by_role("button", name="Send", exact=True).first).to_be_visible()
    return page.locator("article").nth(number - 1)


def press(page: Page, button: Locator) -> None:
    """Press Enter on a link or a button."""
    button.focus()
    page.keyboard.press("Enter")
