"""Telling operators: each hears once of an event, from whichever bot sees it first, in their own language."""

import asyncio
from collections.abc import Callable, Collection

from aiogram import Bot
from aiogram.types import InlineKeyboardMarkup

from bot.beside import about_to_say, tell
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
    authors = {parts.pseudonyms.author(address): address for address in addresses}
    if authors.keys() <= await asyncio.to_thread(parts.alerts.told, event):
        return True
    async with about_to_say(parts, f"alert:{event}") as telling:
        if telling is None:
            return False
        for author in authors.keys() - await asyncio.to_thread(parts.alerts.told, event):
            if await _tell(bot, parts, author, authors[author], words, keyboard):
                await asyncio.to_thread(parts.alerts.note_told, event, author)
                await telling.done()
    return authors.keys() <= await asyncio.to_thread(parts.alerts.told, event)


async def _tell(
    bot: Bot,
    parts: Parts,
    author: str,
    address: str,
    words: Words,
    keyboard: Callable[[], InlineKeyboardMarkup] | None,
) -> bool:
    """Tell one operator, if there is anything to tell. False: they cannot be told now."""
    async with speaking_to(parts, author):
        text, buttons = await asyncio.to_thread(words, author), keyboard() if keyboard else None
    if text is None:
        return True
    saying = bot.send_message(telegram_id(address), text, reply_markup=buttons)
    return await tell(saying, "an operator") != "later"
