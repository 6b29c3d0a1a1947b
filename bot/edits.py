"""Messages that were edited: the answer follows, in the message where it stands."""

import asyncio
import re

from aiogram import Bot
from aiogram.types import Message

from bot import texts
from bot.arrival import Arrival
from bot.instructing import material
from bot.parts import Contact, Parts
from bot.questions import ask, written
from bot.quoting import said
from core.errors import NotFound
from core.privacy import scrub
from feedback.turns import question


async def edited(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A question was edited, or a message in a group that is meant for the bot only now."""
    if arrival.is_late and not arrival.notes:
        return
    kind, text = _asked(message, said(message, await bot.me(), parts.settings.telegram_trigger))
    turn_id = await asyncio.to_thread(parts.turns.answered, contact.chat, message.message_id)
    if turn_id is None:
        if not contact.private and message.text and not message.text.startswith("/"):
            await written(message, bot, parts, contact, arrival)
        return
    if "parent" not in arrival.notes:
        try:
            turn = await asyncio.to_thread(parts.turns.get, turn_id)
        except NotFound:
            return
        if scrub(text) == question(turn):
            return
        shown = await asyncio.to_thread(parts.turns.shown, contact.chat, turn_id)
        await arrival.note(parent=turn.parent or "", messages=",".join(map(str, shown)))
    await ask(bot, parts, contact, arrival, text, message.message_id, kind)


def _asked(message: Message, text: str) -> tuple[str | None, str]:
    """The kind of task that a message asks for by a command, if any, and the instruction."""
    begun = re.match(rf"/({'|'.join(texts.TASKS)})(?:@\w+)?(?:\s+|$)", message.text or "", re.IGNORECASE)
    if begun is None:
        return None, text
    return begun[1].lower(), material(message, (message.text or "")[begun.end() :])
