"""What the bot does beside handling updates: looked at again and again, and never ended by a failure."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest, TelegramForbiddenError

from bot.arrival import HANDLED
from bot.parts import Parts
from core import keys
from core.errors import StoreUnavailable
from core.records import now_ms
from core.store import durable
from feedback.leases import LEASE_S, Leases

SIGN_S = 2.0
LAST_WORD_S = 2.0
"""At the end, how long a message that is on its way may take to arrive."""
GONE = (TelegramForbiddenError, TelegramBadRequest)
"""What Telegram answers where somebody has blocked the bot or left."""
Told = Literal["told", "gone", "later"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Telling:
    """Something that this bot alone is about to say, of which it is remembered what was sent until it is done."""

    what: str
    leases: Leases
    notes: dict[str, str]
    counts: dict[str, int] = field(default_factory=dict)
    update: None = None

    async def note(self, **notes: str) -> None:
        """Remember something for another bot, if this one dies over it."""
        self.notes |= notes
        try:
            await asyncio.to_thread(self.leases.note, self.what, notes)
        except StoreUnavailable as error:
            log.warning("how much was said cannot be noted: %s", error)

    async def done(self) -> None:
        """It is said, and stored as said: nothing of it is to be remembered."""
        await asyncio.to_thread(self.leases.done, self.what)


@asynccontextmanager
async def about_to_say(parts: Parts, what: str) -> AsyncIterator[Telling | None]:
    """Within it no other bot says the same; None: another is about it.

    Raises: StoreUnavailable.
    """
    notes = await asyncio.to_thread(parts.leases.take, what)
    if notes is None:
        yield None
        return
    telling = Telling(what, parts.leases, notes)
    renewing, before = asyncio.create_task(_renew(telling)), HANDLED.set(telling)
    try:
        yield telling
    finally:
        HANDLED.reset(before)
        renewing.cancel()
        await asyncio.to_thread(parts.leases.end, what)


async def _renew(telling: Telling) -> None:
    while True:
        await asyncio.sleep(LEASE_S / 4)
        try:
            await asyncio.to_thread(telling.leases.renew, telling.what)
        except StoreUnavailable as error:
            log.warning("another may say the same: %s", error)


async def tell(saying: Coroutine[Any, Any, object], whom: str) -> Told:
    """Tell somebody something: they may have left, and where Telegram is away, they are to be told later."""
    running = asyncio.create_task(saying)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running}, timeout=LAST_WORD_S)
        running.cancel()
        raise
    except GONE:
        log.info("%s has left, and is not told", whom)
        return "gone"
    except AiogramError as error:
        log.warning("%s is told later (%s)", whom, type(error).__name__)
        return "later"
    return "told"


async def again_and_again(look: Callable[[], Awaitable[object]], wait_s: float, late: str, lost: str) -> None:
    """Look, and look again after a while, until cancelled.

    `late` is logged where the database is away, and `lost` where something else failed.
    """
    while True:
        try:
            await look()
        except StoreUnavailable as error:
            log.warning("%s: %s", late, error)
        except Exception:
            log.exception(lost)
        await asyncio.sleep(wait_s)


async def keep_signing(_: Bot, parts: Parts) -> None:
    """Give a sign of life that other processes see, until cancelled."""

    def sign() -> None:
        with durable():
            parts.store.hset(keys.WORKERS, "bot", now_ms())

    late, lost = "others cannot see that this bot lives", "others may not see that this bot lives"
    await again_and_again(lambda: asyncio.to_thread(sign), SIGN_S, late, lost)
