"""What people write: questions, and corrections of earlier answers."""

import asyncio
import logging
from collections.abc import Callable

from aiogram import Bot
from aiogram.types import Message

from bot import texts
from bot.access import without_mention
from bot.growing import growing
from bot.inbox import Arrival
from bot.parts import Contact, Parts, outside
from bot.streaming import Answer, finish, stream
from core import records
from core.client import Asked
from core.errors import ApprenticeError, StoreUnavailable
from feedback.progress import read_progress
from feedback.turns import messages

AGAIN_TEMPERATURE = 0.8

log = logging.getLogger(__name__)


async def written(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A text arrives: a correction where one is awaited or an answer is replied to, else a question."""
    text = without_mention(message.text or "", await bot.me())
    if await asyncio.to_thread(_correct, parts, contact, message.reply_to_message, text):
        await message.reply(texts.thanks(await asyncio.to_thread(_progress, parts)))
        return
    reply_to = None if contact.private else message.message_id
    await respond(bot, parts, contact, arrival, lambda: _question(parts, contact, text), reply_to)


async def answer_again(bot: Bot, parts: Parts, contact: Contact, arrival: Arrival, turn: records.Turn) -> None:
    """Answer a turn's question anew, and note which turn replaced it."""
    answer = await respond(bot, parts, contact, arrival, lambda: _again(parts, contact, turn), None)
    if answer.turn_id is not None:
        try:
            await asyncio.to_thread(parts.ratings.regenerated, turn.id, answer.turn_id, contact.author)
        except ApprenticeError as error:
            log.warning("a regeneration could not be noted: %s", error)


async def respond(
    bot: Bot, parts: Parts, contact: Contact, arrival: Arrival, asking: Callable[[], Asked], reply_to: int | None
) -> Answer:
    """Ask serving and show its answer, or in its place the sentence that says why there is none."""
    text, unsaid = growing(bot, contact, reply_to, parts.settings), Answer()
    if not arrival.stop.is_set():
        await text.begin()
        try:
            asked = await asyncio.to_thread(asking)
            return await stream(parts, contact, arrival, asked, text)
        except ApprenticeError as error:
            unsaid.error = error
    await finish(parts, contact, text, unsaid)
    return unsaid


def _correct(parts: Parts, contact: Contact, replied: Message | None, text: str) -> bool:
    """Take the text as a correction, if it is one."""
    shown = parts.turns.posted(contact.chat, replied.message_id) if replied else None
    if shown is None:
        return parts.ratings.correct_pending(contact.chat, contact.author, text) is not None
    parts.ratings.correct(shown, contact.author, text)
    parts.ratings.take_pending(contact.chat, contact.author)
    return True


def _progress(parts: Parts) -> str | None:
    try:
        return str(read_progress(parts.store, parts.settings.refresh_min_items))
    except StoreUnavailable:
        return None


def _question(parts: Parts, contact: Contact, text: str) -> Asked:
    past = parts.turns.conversation(parts.turns.head(contact.chat))
    new = records.Message("user", text)
    return Asked(
        [*messages(past), new],
        outside(contact.chat_id),
        outside(contact.user_id),
        parent=past[-1].id if past else None,
    )


def _again(parts: Parts, contact: Contact, turn: records.Turn) -> Asked:
    past = parts.turns.conversation(turn.parent)
    return Asked(
        [*messages(past), *turn.messages],
        outside(contact.chat_id),
        outside(contact.user_id),
        parent=past[-1].id if past else None,
        regenerates=turn.id,
        temperature=AGAIN_TEMPERATURE,
    )
