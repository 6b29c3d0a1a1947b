"""Questions that waited through sleep or an outage: one apology a chat, and no flood of answers."""

from aiogram.types import Message

from bot import texts
from bot.addressing import chat_lane
from bot.arrival import Arrival
from bot.inbox import Inbox
from bot.parts import Contact, Parts


def is_late(message: Message, arrival: Arrival) -> bool:
    """A filter: a message is old. Commands are not, and an answer that was begun ends where it stands."""
    return arrival.is_late and not arrival.notes and not (message.text or "").startswith("/")


async def apologise(message: Message, inbox: Inbox, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """Say once, in each chat, that old questions are not answered."""
    where = f"late:{chat_lane(contact.chat_id, contact.topic_id)}"
    if await inbox.is_first(where, parts.settings.telegram_late_s, arrival):
        await message.reply(texts.LATE)
