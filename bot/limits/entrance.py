"""What is not even stored: updates of people who are banned. They are told so once."""

import asyncio
import logging
from collections.abc import Sequence

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.exceptions import TelegramAPIError
from aiogram.types import Message, Update, User
from aiogram.types.update import UpdateTypeLookupError

from bot import texts
from bot.parts import Parts, outside
from bot.tongue import speaking
from core.errors import StoreUnavailable

log = logging.getLogger(__name__)


class Entrance:
    """Turns updates of banned people away before they are stored."""

    def __init__(self, bot: Bot, parts: Parts):
        self._bot, self._parts = bot, parts
        self._telling: set[asyncio.Task[None]] = set()

    async def let_in(self, updates: Sequence[Update]) -> list[Update]:
        """The updates of everybody else; all, where the database cannot tell."""
        senders = [_sender(update) for update in updates]
        authors = [sender and self._parts.pseudonyms.author(outside(sender.id)) for sender in senders]
        try:
            banned = await asyncio.to_thread(self._parts.people.banned_of, {author for author in authors if author})
        except StoreUnavailable:
            return list(updates)
        for update, author in zip(updates, authors, strict=True):
            if author in banned and update.message and update.message.chat.type == ChatType.PRIVATE:
                task = asyncio.create_task(self._tell(update.message, author))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)
        return [update for update, author in zip(updates, authors, strict=True) if author not in banned]

    async def _tell(self, message: Message, author: str) -> None:
        try:
            if await asyncio.to_thread(self._parts.people.is_first_since_ban, author):
                with speaking(message.from_user.language_code if message.from_user else None):
                    await self._bot.send_message(message.chat.id, texts.BANNED)
        except (StoreUnavailable, TelegramAPIError) as error:
            log.info("somebody cannot be told that they are banned: %s", type(error).__name__)


def _sender(update: Update) -> User | None:
    """Who an update is from."""
    try:
        event = update.event
    except UpdateTypeLookupError:
        return None
    return getattr(event, "from_user", None) or getattr(event, "user", None)
