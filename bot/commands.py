"""The commands people type."""

import asyncio

from aiogram import Bot
from aiogram.types import Message

from bot import access, keyboards, texts
from bot.inbox import Inbox
from bot.parts import Contact, Parts


async def start(message: Message, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/start`: a greeting, what is stored, and for the owner who waits for a decision."""
    await message.answer(texts.WELCOME)
    if contact.person.told:
        await access.introduce(bot, parts, contact.chat_id, contact.author)
    if contact.person.role == "owner":
        await access.show_requests(bot, parts)


async def show_help(message: Message) -> None:
    """`/help`."""
    await message.answer(texts.HELP)


async def reset(message: Message, parts: Parts, contact: Contact) -> None:
    """`/reset`: the next question has no history."""
    await asyncio.to_thread(parts.turns.reset, contact.chat)
    await message.answer(texts.RESET)


async def stop(message: Message, inbox: Inbox, parts: Parts, contact: Contact) -> None:
    """`/stop`: end what runs, or take back that a correction is awaited."""
    if inbox.stop(contact.chat_id):
        await message.answer(texts.STOPPED)
    elif await asyncio.to_thread(parts.ratings.take_pending, contact.chat, contact.author):
        await message.answer(texts.NOT_AWAITED)
    else:
        await message.answer(texts.NOTHING_RUNS)


async def forget(message: Message, contact: Contact) -> None:
    """`/forget`: what it means, and the buttons that decide."""
    if contact.private:
        await message.answer(texts.FORGET, reply_markup=keyboards.forget())
    else:
        await message.reply(texts.FORGET_IN_PRIVATE)


async def unknown(message: Message, contact: Contact) -> None:
    """Any other command; in a group it may be another bot's."""
    if contact.private or "@" in (message.text or "").split()[0]:
        await message.answer(texts.UNKNOWN_COMMAND)


async def not_text(message: Message) -> None:
    """A picture, a voice message, and whatever else is not text."""
    await message.reply(texts.ONLY_TEXT)
