"""The commands people type."""

import asyncio

from aiogram import Bot
from aiogram.types import Message

from bot import access, keyboards, texts
from bot.arrival import Arrival
from bot.handover.relay import end
from bot.inbox import Inbox
from bot.operators import phrases
from bot.parts import Contact, Parts
from bot.questions import answer_again


async def start(message: Message, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/start`: a greeting, what is stored, and for the owner who waits for a decision."""
    await message.answer(texts.with_model(texts.WELCOME, parts.settings))
    if contact.person.told:
        await access.introduce(bot, parts, contact.chat_id, contact.author)
    if contact.person.role == "owner":
        await access.show_requests(bot, parts)


async def show_help(message: Message, contact: Contact) -> None:
    """`/help`, and for operators what they can do besides."""
    await message.answer(texts.HELP)
    if contact.private and contact.person.is_operator:
        await message.answer(phrases.HELP)


async def reset(message: Message, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/reset`: the next question has no history, and is the model's to answer."""
    await end(bot, parts, contact)
    await asyncio.to_thread(parts.turns.reset, contact.chat, contact.topic)
    await message.answer(texts.RESET)


async def retry(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """`/retry`: another answer to what was asked last, also where it had none."""
    if "again" not in arrival.notes:
        await arrival.note(again=await asyncio.to_thread(parts.turns.latest, contact.chat, contact.topic) or "")
    if not arrival.notes["again"]:
        await message.answer(texts.NOTHING_TO_RETRY)
        return
    turn = await asyncio.to_thread(parts.turns.get, arrival.notes["again"])
    await answer_again(bot, parts, contact, arrival, turn)


async def stop(message: Message, inbox: Inbox, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """`/stop`: end what runs, or take back that a correction is awaited."""
    if await inbox.stop(arrival, contact.chat_id, contact.topic_id):
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
    """Whatever else is not text."""
    await message.reply(texts.ONLY_TEXT)
