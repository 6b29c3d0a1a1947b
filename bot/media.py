"""Messages that are no text: sound and pictures where they are understood, and a clear word where they are not."""

import logging
from io import BytesIO

import aiohttp
from aiogram import Bot
from aiogram.enums import ContentType
from aiogram.exceptions import AiogramError
from aiogram.types import Audio, Message, PhotoSize, Video, VideoNote, Voice

from bot import texts
from bot.addressing import without_address
from bot.arrival import Arrival
from bot.inbox import Inbox
from bot.limits.spending import may_ask
from bot.parts import Contact, Parts
from bot.questions import ask_or_correct
from bot.quoting import said
from core.errors import ApprenticeError

ALBUM_S, FETCH_S = 3600, 120
"""How long the pictures of an album may take to come; how long Telegram may take to give a file."""
CONTENT = frozenset(list(ContentType)[: list(ContentType).index(ContentType.NEW_CHAT_MEMBERS)])
"""What people send; the other types tell what happened in a chat, and are said to nobody."""

log = logging.getLogger(__name__)


async def album(message: Message, inbox: Inbox, arrival: Arrival) -> None:
    """Several pictures or films in one: a word for all of them."""
    if await inbox.is_first(f"album:{message.chat.id}:{message.media_group_id}", ALBUM_S, arrival):
        await message.reply(texts.ALBUM)


async def voice(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A recording or a film: what is said in it is shown, and handled as if it had been written, under its caption."""
    if not parts.senses.hears:
        await message.reply(texts.NO_VOICE)
        return
    if not await may_ask(bot, parts, contact, arrival):
        return
    if "heard" not in arrival.notes:
        recording, film = message.voice or message.audio, message.video or message.video_note
        name = getattr(recording or film, "file_name", None) or ("voice.ogg" if recording else "film.mp4")
        await arrival.note(heard=await parts.senses.hear(await _fetch(bot, recording or film), name))
    heard = arrival.notes["heard"]
    if not heard:
        await message.reply(texts.NOTHING_HEARD)
        return
    await message.reply(texts.heard(heard))
    caption = without_address(message.caption or "", await bot.me(), parts.settings.telegram_trigger)
    text = f"{caption}\n\n{heard}" if caption else heard
    await ask_or_correct(message, bot, parts, contact, arrival, text)


async def picture(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A picture: what it shows is part of the question that its caption asks."""
    if not parts.senses.sees:
        await message.reply(texts.NO_PICTURES)
        return
    if not await may_ask(bot, parts, contact, arrival):
        return
    asked = said(message, await bot.me(), parts.settings.telegram_trigger) or texts.ABOUT_PICTURE
    if "seen" not in arrival.notes:
        largest = max(message.photo or (), key=lambda size: size.width * size.height)
        await arrival.note(seen=await parts.senses.see(await _fetch(bot, largest), asked))
    await ask_or_correct(message, bot, parts, contact, arrival, texts.about_picture(arrival.notes["seen"], asked))


async def _fetch(bot: Bot, file: Audio | Voice | Video | VideoNote | PhotoSize | None) -> bytes:
    """What Telegram holds of a file.

    Raises: ApprenticeError where it gives nothing.
    """
    into = BytesIO()
    try:
        assert file is not None
        await bot.download(file, into, timeout=FETCH_S)
    except (AiogramError, aiohttp.ClientError, TimeoutError) as error:
        log.warning("a file cannot be fetched: %s", type(error).__name__)
        raise ApprenticeError(texts.FILE_NOT_FETCHED) from error
    return into.getvalue()
