"""Texts on their way to a chat that is not the one being handled, in as many messages as they need."""

from collections.abc import Callable

from aiogram import Bot
from aiogram.types import InlineKeyboardMarkup, ReplyParameters

from bot.formatting import shown
from bot.parts import Parts, speaking_to, telegram_id
from bot.splitting import Formatted, pieces
from core.records import Handover


async def send_all(
    bot: Bot,
    address: str,
    text: str | Formatted,
    keyboard: InlineKeyboardMarkup | None = None,
    reply_to: int | None = None,
    topic: str | None = None,
) -> list[int]:
    """Send a text to the chat with an outside id, its buttons under the last message; gives the messages' numbers.

    Raises: TelegramAPIError.
    """
    parts = pieces(text if isinstance(text, Formatted) else Formatted(shown(text)))
    reply = None if reply_to is None else ReplyParameters(message_id=reply_to, allow_sending_without_reply=True)
    sent = []
    for n, piece in enumerate(parts):
        message = await bot.send_message(
            telegram_id(address),
            piece.text,
            entities=list(piece.entities) or None,
            message_thread_id=int(topic) if topic else None,
            reply_markup=keyboard if n == len(parts) - 1 else None,
            reply_parameters=reply if n == 0 else None,
        )
        sent.append(message.message_id)
    return sent


async def tell_asker(bot: Bot, parts: Parts, handover: Handover, text: Callable[[], str]) -> None:
    """Say something to who asked for a person, where they asked, in their language.

    Raises: TelegramAPIError.
    """
    async with speaking_to(parts, handover.author):
        await send_all(bot, handover.address, text(), topic=handover.topic)
