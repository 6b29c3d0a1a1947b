"""A text that may be the right answer to an earlier question: shown to its author as a difference, with buttons."""

import asyncio

from aiogram.types import Message

from bot import keyboards, texts
from bot.arrival import Arrival
from bot.difference import difference
from bot.parts import Contact, Parts
from feedback.shown import approvable


async def propose(message: Message, parts: Parts, contact: Contact, arrival: Arrival, text: str) -> bool:
    """Show a text as a correction where who asked replies to an answer, or where one is awaited. False: it is none.

    Raises: NotFound, InvalidInput, StoreUnavailable.
    """
    if "corrects" not in arrival.notes:
        corrected = await asyncio.to_thread(_corrected, parts, contact, message.reply_to_message)
        await arrival.note(corrects=corrected or "")
    turn_id = arrival.notes["corrects"]
    if not turn_id:
        return False
    draft, stored = await asyncio.to_thread(parts.drafts.propose, contact.chat, contact.author, turn_id, text)
    turn = await asyncio.to_thread(parts.turns.get, turn_id)
    shown = difference(texts.SHALL_I_SEND, approvable(turn), stored)
    await message.reply(**shown.as_kwargs(), reply_markup=keyboards.draft(draft))
    await asyncio.to_thread(parts.ratings.take_pending, contact.chat, contact.author)
    return True


def _corrected(parts: Parts, contact: Contact, replied: Message | None) -> str | None:
    """The turn whose answer is replied to by who asked for it, or whose correction is awaited."""
    shown = parts.turns.posted(contact.chat, replied.message_id) if replied else None
    if shown is None:
        return parts.ratings.pending(contact.chat, contact.author)
    turn = parts.turns.get_many([shown]).get(shown)
    return shown if turn is None or contact.has_asked(turn) else None
