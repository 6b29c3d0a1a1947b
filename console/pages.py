"""What every page has in common: its frame, the list of pages, and how it says what went wrong."""

import re
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.templating import Jinja2Templates

from console.who import visit
from core.errors import AliasMoved, Busy, DocumentRefused, InvalidInput, NotAllowed, NotFound

PAGES = (
    ("/", "Today"),
    ("/playground", "Playground"),
    ("/compare", "Compare"),
    ("/review", "Review"),
    ("/adapters", "Adapters"),
    ("/refresh", "Refresh"),
    ("/health", "Health"),
    ("/knowledge", "Knowledge"),
    ("/answers", "Answers"),
    ("/inbox", "Inbox"),
    ("/people", "People"),
    ("/operators", "Operators"),
    ("/activity", "Activity"),
)
"""The pages that the navigation lists: path and title."""
STATUS: dict[type[Exception], int] = {
    NotFound: 404,
    InvalidInput: 400,
    NotAllowed: 403,
    AliasMoved: 409,
    DocumentRefused: 422,
    Busy: 429,
}


def show(request: Request, template: str, facts: dict[str, Any] | None = None, status: int = 200) -> Response:
    """A page, or the part of one that htmx puts in its place."""
    return _templates.TemplateResponse(request, template, facts or {}, status_code=status)


def sorry(request: Request, status: int, sentence: str) -> Response:
    """What went wrong, as the page that asked can show it: JSON for scripts, a paragraph for htmx, else a page."""
    if asks_for_json(request):
        return JSONResponse({"error": sentence}, status)
    if "hx-request" in request.headers:
        return HTMLResponse(escape(_sentence(sentence)), status)
    return show(request, "sorry.html", {"error": sentence}, status)


def asks_for_json(request: Request) -> bool:
    """Whether a script of ours sends a request, and reads the answer itself."""
    return "application/json" in request.headers.get("accept", "") + request.headers.get("content-type", "")


def failure(request: Request, error: Exception) -> Response:
    """What Apprentice explains itself, as one sentence."""
    return sorry(request, STATUS.get(type(error), 503), str(error))


def number(request: Request, name: str) -> int:
    """What an address says of a number of 0 or more; 0 where it says nothing, or something else."""
    said = request.query_params.get(name, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 9 else 0


def csrf_input(request: Request) -> Markup:
    """The hidden field that every form carries."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(visit(request).csrf)


@pass_context
def _is_here(context: Context, path: str) -> bool:
    """Whether the page being shown is that of a path, or below it."""
    here = context["request"].url.path
    return here == path or (path != "/" and here.startswith(path + "/"))


def _sentence(text: str) -> str:
    """What went wrong, as it stands by itself."""
    return text[:1].upper() + text[1:]


def _who(name: str) -> str:
    """Who acted: operators in Telegram have a pseudonym, of which the beginning is enough."""
    return f"{name[:8]} in Telegram" if re.fullmatch("[0-9a-f]{32}", name) else name


def _day(at_ms: int) -> Markup:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return Markup('<time datetime="{:%Y-%m-%dT%H:%MZ}">{:%Y-%m-%d %H:%M} UTC</time>').format(at, at)


def _frame(request: Request) -> dict[str, Any]:
    return {"visit": visit(request)}


_templates = Jinja2Templates(Path(__file__).parent / "templates", context_processors=[_frame])
_templates.env.globals |= {"csrf_input": csrf_input, "pages": PAGES, "is_here": _is_here}
_templates.env.filters |= {"day": _day, "sentence": _sentence, "who": _who}
