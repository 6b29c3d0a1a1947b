"""What every call to Telegram goes through: it waits as long as Telegram asks, and tries again what failed there."""

import asyncio
import logging

from aiogram import Bot
from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.exceptions import TelegramAPIError, TelegramNetworkError, TelegramRetryAfter, TelegramServerError
from aiogram.methods import GetUpdates, Response, TelegramMethod
from aiogram.methods.base import TelegramType

RETRIES = 4
FIRST_WAIT_S = 0.5
UNNAMED_WAIT_S = 1.0
"""Where Telegram asks for a pause without saying how long."""

log = logging.getLogger(__name__)


class Patience(BaseRequestMiddleware):
    """Honours `retry_after` without limit, and repeats calls that did not get through; who polls repeats by itself.

    A message may then come twice where only its acknowledgement was lost, but none is missing.
    """

    async def __call__(
        self, make_request: NextRequestMiddlewareType[TelegramType], bot: Bot, method: TelegramMethod[TelegramType]
    ) -> Response[TelegramType]:
        """The call's result. Raises: what the last attempt raised."""
        failures = 0
        while True:
            try:
                return await make_request(bot, method)
            except TelegramRetryAfter as error:
                wait_s: float = error.retry_after
            except (TelegramServerError, TelegramNetworkError):
                if isinstance(method, GetUpdates) or failures == RETRIES:
                    raise
                wait_s = FIRST_WAIT_S * 2**failures
                failures += 1
            except TelegramAPIError as error:
                if not error.message.startswith("Too Many Requests"):
                    raise
                wait_s = UNNAMED_WAIT_S
            log.info("%s waits %s s for Telegram", type(method).__name__, wait_s)
            await asyncio.sleep(wait_s)
