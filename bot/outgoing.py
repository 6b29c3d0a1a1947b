"""What every call to Telegram goes through: paced, in order in its chat, and again where it did not get through."""

import asyncio
import logging
from typing import Any
from weakref import WeakValueDictionary

from aiogram import Bot
from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.exceptions import TelegramAPIError, TelegramNetworkError, TelegramRetryAfter, TelegramServerError
from aiogram.methods import (
    EditMessageText,
    GetUpdates,
    SendChatAction,
    SendMessage,
    SendMessageDraft,
    TelegramMethod,
)
from aiogram.methods.base import TelegramType
from prometheus_client import Counter

from bot.pace import GROUP, PRIVATE, Pace, Rate

RETRIES = 4
FIRST_WAIT_S = 0.5
UNNAMED_WAIT_S = 1.0
"""Where Telegram asks for a pause without saying how long."""
_WRITES = ("send", "edit", "copy", "forward")

CALLS = Counter("apprentice_bot_calls", "Calls of the Bot API, by method and what came of them.", ["method", "outcome"])
log = logging.getLogger(__name__)


class PassingMessage(SendMessage):
    """A message that may as well come later: it goes at once or not at all, and the result is False."""


class PassingEdit(EditMessageText):
    """An edit that a later one makes needless: it goes at once or not at all, and the result is False."""


_PASSING = (PassingMessage, PassingEdit, SendMessageDraft, SendChatAction)


class Outgoing(BaseRequestMiddleware):
    """Keeps the rates and every `retry_after`, and repeats calls that failed; who polls repeats by itself.

    A call waits as long as it must, those of a chat in their order. What only passes (`PassingEdit`, a draft,
    "typing") never waits and is never repeated, so that the text which stays has nothing before it to wait for. A
    message may come twice where only its acknowledgement was lost, but none is missing.
    """

    def __init__(self, pace: Pace):
        self._pace = pace
        self._chats: WeakValueDictionary[int | str, asyncio.Lock] = WeakValueDictionary()
        self._turnstile = asyncio.Lock()

    async def __call__(
        self, make_request: NextRequestMiddlewareType[TelegramType], bot: Bot, method: TelegramMethod[TelegramType]
    ) -> Any:
        """The call's result. Raises: what the last attempt raised."""
        chat = getattr(method, "chat_id", None)
        key = method.__api_method__ if chat is None else chat
        in_order = asyncio.Lock() if chat is None else self._chats.setdefault(key, asyncio.Lock())
        if isinstance(method, _PASSING):
            if in_order.locked():
                return False
            async with in_order:
                return await self._once(make_request, bot, method)
        async with in_order:
            return await self._until_through(make_request, bot, method)

    async def _once(self, make_request: NextRequestMiddlewareType[Any], bot: Bot, method: TelegramMethod[Any]) -> Any:
        """The call's result, or False where it would have to wait or failed in a way that another might not."""
        name = type(method).__name__
        if await self._pace.ask(*_about(method), passing=True):
            return False
        try:
            return await _counted(make_request, bot, method)
        except (TelegramServerError, TelegramNetworkError) as error:
            log.info("%s is left out: %s", name, type(error).__name__)
        except TelegramAPIError as error:
            if (pause_s := _pause(error)) is None:
                raise
            await self._pace.close(*_about(method)[:2], pause_s)
        return False

    async def _until_through(
        self, make_request: NextRequestMiddlewareType[Any], bot: Bot, method: TelegramMethod[Any]
    ) -> Any:
        failures = 0
        while True:
            await self._admitted(method)
            try:
                return await _counted(make_request, bot, method)
            except (TelegramServerError, TelegramNetworkError):
                if isinstance(method, GetUpdates) or failures == RETRIES:
                    raise
                wait_s = FIRST_WAIT_S * 2**failures
                failures += 1
            except TelegramAPIError as error:
                if (pause_s := _pause(error)) is None:
                    raise
                wait_s = pause_s
                await self._pace.close(*_about(method)[:2], wait_s)
            log.info("%s waits %s s for Telegram", type(method).__name__, wait_s)
            await asyncio.sleep(wait_s)

    async def _admitted(self, method: TelegramMethod[Any]) -> None:
        """Wait for the rates. Who waits for all chats' rate does so in line, in front of who came later."""
        wait = None
        while not isinstance(method, GetUpdates):
            async with self._turnstile:
                while (wait := await self._pace.ask(*_about(method))) and wait.everywhere:
                    await asyncio.sleep(wait.seconds)
            if wait is None:
                return
            await asyncio.sleep(wait.seconds)


async def _counted(make_request: NextRequestMiddlewareType[Any], bot: Bot, method: TelegramMethod[Any]) -> Any:
    name = method.__api_method__
    try:
        result = await make_request(bot, method)
    except BaseException as error:
        CALLS.labels(name, type(error).__name__).inc()
        raise
    CALLS.labels(name, "ok").inc()
    return result


def _about(method: TelegramMethod[Any]) -> tuple[int | str | None, str, Rate | None]:
    """The chat of a call, its method's name, and the rate it counts towards."""
    chat, name = getattr(method, "chat_id", None), method.__api_method__
    writes = chat is not None and name.startswith(_WRITES) and not isinstance(method, SendChatAction)
    private = isinstance(chat, int) and chat > 0
    return chat, name, (PRIVATE if private else GROUP) if writes else None


def _pause(error: TelegramAPIError) -> float | None:
    """How long Telegram asks to wait, if that is what it says; a refusal for its rate says nothing of the markup."""
    if isinstance(error, TelegramRetryAfter):
        return error.retry_after
    return UNNAMED_WAIT_S if error.message.startswith("Too Many Requests") else None
