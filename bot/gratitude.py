"""Thank you: who corrected an answer hears, under their question, since when their correction answers."""

import asyncio
from datetime import UTC, datetime

from aiogram import Bot
from aiogram.types import ReplyParameters
from aiogram.utils.formatting import DateTime, Text

from bot import texts
from bot.beside import about_to_say, again_and_again, tell
from bot.parts import Parts, speaking_to, telegram_id
from core.records import new_id, now_ms
from feedback.thanks import Due, Heard

WAIT_S = 1.0
DAY_MS = 86_400_000


async def keep_thanking(bot: Bot, parts: Parts) -> None:
    """Listen for approvals, also those of while no bot ran, until cancelled. Several bots may listen side by side."""
    name, begun = new_id(), False

    async def look() -> None:
        nonlocal begun
        if not begun:
            await asyncio.to_thread(parts.thanks.begin)
            begun = True
        for heard in await asyncio.to_thread(parts.thanks.heard, name):
            await _tell_all(bot, parts, heard)

    late, lost = "who corrected an answer hears of it later", "who corrected an answer may not hear of it"
    await again_and_again(look, WAIT_S, late, lost)


async def _tell_all(bot: Bot, parts: Parts, heard: Heard) -> None:
    """Tell everyone whose correction a decision took over; where Telegram is away, they are told later."""
    async with about_to_say(parts, f"thanks:{heard.turn}") as telling:
        if telling is None:
            return
        for due in await asyncio.to_thread(parts.thanks.due, heard.turn):
            if await tell(_thank(bot, parts, due), "somebody who corrected an answer") == "later":
                return
            await asyncio.to_thread(parts.thanks.told, due)
            await telling.done()
        await asyncio.to_thread(parts.thanks.acknowledge, heard)


async def _thank(bot: Bot, parts: Parts, due: Due) -> None:
    async with speaking_to(parts, due.author):
        before, _, after = texts.live("{time}").partition("{time}")
    at = datetime.fromtimestamp(due.at / 1000, UTC)
    recent = now_ms() - due.at < DAY_MS
    said, how = (f"{at:%H:%M} UTC", "t") if recent else (f"{at:%Y-%m-%d %H:%M} UTC", "Dt")
    shown = Text(before, DateTime(said, unix_time=at, date_time_format=how), after)
    reply = ReplyParameters(message_id=due.question, allow_sending_without_reply=True) if due.question else None
    await bot.send_message(telegram_id(due.address), **shown.as_kwargs(), reply_parameters=reply)
