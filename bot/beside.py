"""What the bot does beside handling updates: looked at again and again, and never ended by a failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest, TelegramForbiddenError

from bot.parts import Parts
from core import keys
from core.errors import StoreUnavailable
from core.records import now_ms
from core.store import durable

SIGN_S = 2.0
GONE = (TelegramForbiddenError, TelegramBadRequest)
"""What Telegram answers where somebody has blocked the bot or left."""
Told = Literal["told", "gone", "later"]

log = logging.getLogger(__name__)


async def tell(telling: Awaitable[object], whom: str) -> Told:
    """Tell somebody something: they may have left, and where Telegram is away, they are to be told later."""
    try:
        await telling
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
