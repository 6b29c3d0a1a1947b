"""/invite: a link that makes so many people members, for so many days, and can be withdrawn."""

import asyncio
import re

from aiogram import Bot
from aiogram.filters import CommandObject
from aiogram.types import CallbackQuery, Message
from aiogram.utils.deep_linking import create_start_link

from bot import keyboards, texts, wording
from bot.buttons import say_instead
from bot.keyboards import Withdraw
from bot.parts import Contact, Parts

MOST_USES, MOST_DAYS, DAY_S = 1000, 365, 86_400


async def invite(message: Message, command: CommandObject, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/invite PEOPLE DAYS`."""
    if not contact.private:
        await message.reply(texts.INVITE_IN_PRIVATE)
        return
    numbers = re.fullmatch(r"(\d{1,4})\s+(\d{1,3})", (command.args or "1 1").strip())
    uses, days = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if not (1 <= uses <= MOST_USES and 1 <= days <= MOST_DAYS):
        await message.answer(texts.INVITE_HOW)
        return
    code = await asyncio.to_thread(parts.people.invite, "member", uses, days * DAY_S)
    link = await create_start_link(bot, code)
    await message.answer(wording.invitation(link, uses, days), reply_markup=keyboards.withdraw(code))


async def withdraw(callback: CallbackQuery, callback_data: Withdraw, parts: Parts) -> None:
    """The link works for nobody any more; who has used it stays a member."""
    await asyncio.to_thread(parts.people.withdraw, callback_data.code)
    await callback.answer(texts.WITHDRAWN)
    await say_instead(callback, texts.WITHDRAWN)
