"""What people write: questions, and corrections of earlier answers."""

import asyncio
import logging
from collections.abc import Callable

from aiogram import Bot
from aiogram.types import Message

from bot.access import without_mention
from bot.growing import growing
from bot.inbox import Arrival
from bot.parts import Contact, Parts, outside
from bot.proposals import propose
from bot.streaming import Answer, finish, stream
from core import records
from core.client import Asked
from core.errors import ApprenticeError, StoreUnavailable
from feedback.turns import messages

AGAIN_TEMPERATURE = 0.8

log = logging.getLogger(__name__)


async def written(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A text arrives: a correction where one is awaited or an answer is replied to, else a question."""
    text = without_mention(message.text or "", await bot.me())
    if not await propose(message, parts, contact, text):
        await ask(bot, parts, contact, arrival, text, message.message_id)


async def ask(bot: Bot, parts: Parts, contact: Contact, arrival: Arrival, text: str, message_id: int) -> None:
    """Answer a question that stands in a message, and note which turn that message asked for."""
    reply_to = None if contact.private else message_id
    answer = await respond(bot, parts, contact, arrival, lambda: _question(parts, contact, text), reply_to)
    await _note_asked(parts, contact, answer, message_id)


async def answer_again(bot: Bot, parts: Parts, contact: Contact, arrival: Arrival, turn: records.Turn) -> None:
    """Answer a turn's question anew, and note which turn replaced it."""
    answer = await respond(bot, parts, contact, arrival, lambda: _again(parts, contact, turn), None)
    if answer.turn_id is not None:
        try:
            await asyncio.to_thread(parts.ratings.regenerated, turn.id, answer.turn_id, contact.author)
            asked = await asyncio.to_thread(parts.turns.asked, contact.chat, turn.id)
            if asked is not None:
                await _note_asked(parts, contact, answer, asked)
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


async def _note_asked(parts: Parts, contact: Contact, answer: Answer, message_id: int) -> None:
    if answer.turn_id is not None:
        try:
            await asyncio.to_thread(parts.turns.note_asked, contact.chat, answer.turn_id, message_id)
        except StoreUnavailable as error:
            log.warning("which message asked for an answer is not known later: %s", error)


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
