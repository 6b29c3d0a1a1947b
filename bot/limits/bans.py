"""/ban and /unban, for operators."""

import asyncio
import re

from aiogram.filters import CommandObject
from aiogram.types import Message, MessageOriginUser

from bot import texts, wording
from bot.parts import Parts, outside


async def ban(message: Message, command: CommandObject, parts: Parts) -> None:
    """`/ban`: whoever wrote the message that is replied to, or is named, is not answered any more."""
    user = _named(message, command)
    if user is None:
        await message.reply(texts.BAN_HOW)
        return
    author = _author(parts, user)
    if (await asyncio.to_thread(parts.people.person, author)).role == "owner":
        await message.reply(texts.OWNERS_STAY)
        return
    await asyncio.to_thread(parts.people.ban, author)
    await message.reply(wording.banned(user))


async def unban(message: Message, command: CommandObject, parts: Parts) -> None:
    """`/unban`."""
    user = _named(message, command)
    if user is None:
        await message.reply(texts.BAN_HOW)
        return
    was_banned = await asyncio.to_thread(parts.people.unban, _author(parts, user))
    await message.reply(wording.unbanned(user) if was_banned else texts.NOT_BANNED)


def _named(message: Message, command: CommandObject) -> str | None:
    """A number in Telegram or a pseudonym; None where nobody else is meant, or a bot."""
    said = (command.args or "").strip()
    if said:
        return said if re.fullmatch(r"\d{1,20}|[0-9a-f]{32}", said) else None
    replied = message.reply_to_message
    origin = replied and replied.forward_origin
    user = origin.sender_user if isinstance(origin, MessageOriginUser) else replied and replied.from_user
    return None if user is None or user.is_bot or user == message.from_user else str(user.id)


def _author(parts: Parts, user: str) -> str:
    return user if len(user) == 32 else parts.pseudonyms.author(outside(user))
