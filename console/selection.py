"""Which part of the queue a page is about, as it stands in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from core.errors import InvalidInput
from feedback.backlog import Filter

DAYS = ("since", "until")
NAMES = tuple(field.name for field in fields(Filter))


@dataclass(frozen=True, slots=True)
class Selection:
    """What stands in the fields of a filter, by name; empty ones are left out."""

    chosen: dict[str, str]
    filter: Filter

    @property
    def encoded(self) -> str:
        """The selection as one field of a form holds it."""
        return urlencode(self.chosen)

    def leading(self, path: str, **more: str | int) -> str:
        """An address below this selection."""
        return f"{path}?{urlencode(self.chosen | more)}" if self.chosen or more else path


def selection(params: Mapping[str, str]) -> Selection:
    """What an address selects.

    Raises: InvalidInput where a day is none.
    """
    chosen = {name: params[name].strip() for name in NAMES if params.get(name, "").strip()}
    days = {name: _day(chosen[name]) for name in DAYS if name in chosen}
    if "until" in days:
        days["until"] += timedelta(days=1)
    instants = {name: int(day.timestamp() * 1000) for name, day in days.items()}
    return Selection(chosen, Filter(**chosen | instants))


def carried(fields: Mapping[str, str]) -> Selection:
    """What a form says that its page was about, in its field `filter`.

    Raises: InvalidInput where a day is none.
    """
    return selection(dict(parse_qsl(fields.get("filter", ""))))


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(f"{text} is not a day; write it as 2026-01-31.") from None
