"""An update being handled: what is known of it, when its answer is to end, and what earlier attempts remembered."""

import asyncio
import json
import logging
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiogram.types import Update

from bot.ledger import Ledger, Taken
from core.errors import StoreUnavailable

MAX_ATTEMPTS = 5
"""So often an update is begun; after that it is what kills the process."""

NAMES = ("first_name", "last_name", "username", "title")
"""What Telegram calls people and chats by."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Arrival:
    """An update being handled. `stop` is set when its answer is to end; `notes` is what earlier attempts remembered."""

    update: Update
    taken: Taken | None = None
    ledger: Ledger | None = None
    is_late: bool = False
    """Whether it lay somewhere, with Telegram or here, while nobody was at work."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    notes: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def is_queued(self) -> bool:
        """Whether it is handled for the second time, in its chat's lane."""
        return self.taken is not None and ":" in self.taken.id

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier attempt ended before it was done."""
        return self.taken is not None and self.taken.attempts > 1

    @property
    def is_given_up(self) -> bool:
        """Whether it was begun as often as makes sense."""
        return self.taken is not None and self.taken.attempts > MAX_ATTEMPTS

    async def note(self, **notes: str) -> None:
        """Remember something for an attempt that may have to follow this one."""
        self.notes |= notes
        if self.taken is not None and self.ledger is not None:
            try:
                await asyncio.to_thread(self.ledger.note, self.taken.id, notes)
            except StoreUnavailable as error:
                log.warning("how far an update is cannot be noted: %s", error)

    async def name_nobody(self) -> None:
        """Take names out of the stored update: it is still there when all else of a person is removed from the disk.

        Raises: StoreUnavailable.
        """
        if self.taken is not None and self.ledger is not None:
            await asyncio.to_thread(
                self.ledger.keep_instead, self.taken.id, json.dumps(_nameless(json.loads(self.taken.update)))
            )


def _nameless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "-" if key in NAMES else _nameless(each) for key, each in value.items()}
    return [_nameless(each) for each in value] if isinstance(value, list) else value


class Handled(Protocol):
    """On whose behalf calls go out: an update, or none where something is said by itself."""

    notes: dict[str, str]
    counts: dict[str, int]
    """How often the same was sent."""

    @property
    def update(self) -> Update | None: ...

    async def note(self, **notes: str) -> None:
        """Remember something for an attempt that may have to follow this one."""


HANDLED: ContextVar[Handled | None] = ContextVar("handled", default=None)
