"""What the bot does beside handling updates: looked at again and again, and never ended by a failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from core.errors import StoreUnavailable

log = logging.getLogger(__name__)


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
