"""Messages that are no text: sound and pictures where they are understood, and a clear word where they are not."""

import logging
from collections.abc import Awaitable, Callable
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
from bot.questions import ask_or_correct, note_unanswered
from bot.quoting import said
from core.errors import ApprenticeError

ALBUM_S, FETCH_S = 3600, 120
"""How long the pictures of an album may take to come; how long Telegram may take to give a file."""
CONTENT = frozenset(list(ContentType)[: list(ContentType).index(ContentType.NEW_CHAT_MEMBERS)])
"""What people send; the other types tell what happened in a chat, and are said to nobody."""

Sense = Callable[[Message, Bot, Parts, Contact, Arrival], Awaitable[str | None]]

log = logging.getLogger(__name__)


async def album(message: Message, inbox: Inbox, arrival: Arrival) -> None:
    """Several pictures or films in one: a word for all of them."""
    if await inbox.is_first(f"album:{message.chat.id}:{message.media_group_id}", ALBUM_S, arrival):
        await message.reply(texts.ALBUM)


async def voice(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A recording or a film: what is said in it is shown, and handled as if it had been written, under its caption."""
    question = await _or_note(listen, message, bot, parts, contact, arrival)
    if question is not None:
        await message.reply(texts.heard(arrival.notes["heard"]))
        await ask_or_correct(message, bot, parts, contact, arrival, question)


async def picture(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A picture: what it shows is part of the question that its caption asks."""
    question = await _or_note(look, message, bot, parts, contact, arrival)
    if question is not None:
        await ask_or_correct(message, bot, parts, contact, arrival, question)


def sound(message: Message) -> Audio | Voice | Video | VideoNote | None:
    """What a message has to be listened to."""
    return message.voice or message.audio or message.video or message.video_note


async def listen(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> str | None:
    """The question that a recording or a film is, under its caption; None where a sentence said why that is not known.

    What was heard is noted.

    Raises: ApprenticeError.
    """
    if not parts.senses.hears:
        await message.reply(texts.NO_VOICE)
        return None
    if not await may_ask(bot, parts, contact, arrival):
        return None
    if "heard" not in arrival.notes:
        name = getattr(sound(message), "file_name", None)
        name = name or ("film.mp4" if message.video or message.video_note else "voice.ogg")
        await arrival.note(heard=await parts.senses.hear(await _fetch(bot, sound(message)), name))
    heard = arrival.notes["heard"]
    if not heard:
        await message.reply(texts.NOTHING_HEARD)
        return None
    caption = without_address(message.caption or "", await bot.me(), parts.settings.telegram_trigger)
    return f"{caption}\n\n{heard}" if caption else heard


async def look(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> str | None:
    """The question that a picture is, with what it shows; None where a sentence has said why that is not known.

    Raises: ApprenticeError.
    """
    if not parts.senses.sees:
        await message.reply(texts.NO_PICTURES)
        return None
    if not await may_ask(bot, parts, contact, arrival):
        return None
    asked = said(message, await bot.me(), parts.settings.telegram_trigger) or texts.ABOUT_PICTURE
    if "seen" not in arrival.notes:
        largest = max(message.photo or (), key=lambda size: size.width * size.height)
        await arrival.note(seen=await parts.senses.see(await _fetch(bot, largest), asked))
    return texts.about_picture(arrival.notes["seen"], asked)


async def _or_note(
    sense: Sense, message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival
) -> str | None:
    """What a message is found to say. That it could not be found out is remembered, for when it is edited.

    Raises: ApprenticeError.
    """
    try:
        return await sense(message, bot, parts, contact, arrival)
    except ApprenticeError:
        await note_unanswered(parts, contact, arrival, message.message_id)
        raise


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
