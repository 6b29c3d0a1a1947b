"""Telling operators: each hears once of an event, from whichever bot sees it first, in their own language."""

import asyncio
from collections.abc import Callable, Collection

from aiogram import Bot
from aiogram.types import InlineKeyboardMarkup

from bot.beside import tell
from bot.parts import Parts, speaking_to, telegram_id

Words = Callable[[str], str | None]
"""What is said to an operator (author), in the language that is spoken just then; None: nothing."""


async def tell_operators(
    bot: Bot,
    parts: Parts,
    event: str,
    addresses: Collection[str],
    words: Words,
    keyboard: Callable[[], InlineKeyboardMarkup] | None = None,
) -> bool:
    """Tell those operators who were not told yet. False: some could not be told now."""
    complete = True
    for address in addresses:
        author = parts.pseudonyms.author(address)
        if not await asyncio.to_thread(parts.alerts.claim, event, author):
            continue
        async with speaking_to(parts, author):
            text, buttons = await asyncio.to_thread(words, author), keyboard() if keyboard else None
        if text is None:
            continue
        if await tell(bot.send_message(telegram_id(address), text, reply_markup=buttons), "an operator") == "later":
            await asyncio.to_thread(parts.alerts.give_back, event, author)
            complete = False
    return complete
