"""What the bot does beside handling updates: looked at again and again, and never ended by a failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from aiogram.exceptions import AiogramError, TelegramBadRequest, TelegramForbiddenError

from core.errors import StoreUnavailable

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
