"""Messages that were edited: the answer follows, in the message where it stands."""

import asyncio
import re

from aiogram import Bot
from aiogram.types import Message

from bot import texts
from bot.arrival import Arrival
from bot.instructing import material
from bot.media import listen, look, sound
from bot.parts import Contact, Parts
from bot.questions import ask, written
from bot.quoting import said
from core.privacy import scrub
from core.records import Turn
from feedback.turns import question


async def edited(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A question was edited, also one that failed; or a message in a group that is meant for the bot only now."""
    if arrival.is_late and not arrival.notes:
        return
    turn, failed = await asyncio.to_thread(_so_far, parts, contact, message.message_id)
    if turn is None and failed is None:
        if not contact.private and message.text and not message.text.startswith("/"):
            await written(message, bot, parts, contact, arrival)
        return
    kind, text = await _asked(message, bot, parts, contact, arrival)
    if text is None or (turn is not None and failed is None and scrub(text) == question(turn)):
        return
    if "messages" not in arrival.notes:
        shown = await asyncio.to_thread(parts.turns.shown, contact.chat, turn.id) if failed is None else failed
        before = {"parent": turn.parent or ""} if turn is not None else {}
        await arrival.note(messages=",".join(map(str, shown)), **before)
    if sound(message):
        await message.reply(texts.heard(arrival.notes["heard"]))
    answer = await ask(bot, parts, contact, arrival, text, message.message_id, kind)
    if failed is not None and answer.turn_id is not None:
        await asyncio.to_thread(parts.turns.note_answered, contact.chat, contact.author, message.message_id)


def _so_far(parts: Parts, contact: Contact, message_id: int) -> tuple[Turn | None, list[int] | None]:
    """The turn that a message asked for last, and if it failed since, the messages that say why."""
    turn_id = parts.turns.answered(contact.chat, message_id)
    found = parts.turns.get_many([turn_id] if turn_id else [])
    return next(iter(found.values()), None), parts.turns.unanswered(contact.chat, contact.author, message_id)


async def _asked(
    message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival
) -> tuple[str | None, str | None]:
    """The kind of task that a message asks for by a command, if any, and the instruction; a picture is looked at and a
    recording heard again, and where a sentence has said why that cannot be, there is none.
    """
    if sound(message):
        return None, await listen(message, bot, parts, contact, arrival)
    if message.photo:
        return None, await look(message, bot, parts, contact, arrival)
    text = said(message, await bot.me(), parts.settings.telegram_trigger)
    begun = re.match(rf"/({'|'.join(texts.TASKS)})(?:@\w+)?(?:\s+|$)", message.text or "", re.IGNORECASE)
    if begun is None:
        return None, text
    return begun[1].lower(), material(message, (message.text or "")[begun.end() :])
