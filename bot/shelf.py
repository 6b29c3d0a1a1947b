"""Documents in the chat: sent and read into its own sources or everyone's, listed, and removed."""

import logging
import re
import time
from contextlib import suppress
from io import BytesIO

import aiohttp
from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest
from aiogram.types import CallbackQuery, Document, InlineKeyboardMarkup, Message

from bot import keyboards, texts, wording
from bot.addressing import without_address
from bot.arrival import Arrival
from bot.buttons import say_instead
from bot.keyboards import AboutDocument
from bot.limits.spending import may_ask
from bot.parts import Contact, Parts, outside
from bot.questions import ask
from core.errors import ApprenticeError, NotFound
from core.library import Reading, SharedDocument

PACE_S, FETCH_S = 2.0, 120
"""Between two words about how far a document is; how long Telegram may take to give it."""
MAX_LISTED, MAX_NAME = 25, 60
MB = 1_000_000

log = logging.getLogger(__name__)


async def received(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A document arrives: it becomes the chat's own, or everyone's where an operator says so. A caption is answered."""
    assert message.document is not None
    if not await may_ask(bot, parts, contact, arrival):
        return
    caption = without_address(message.caption or "", await bot.me(), parts.settings.telegram_trigger)
    everyone = contact.person.is_operator and re.fullmatch(rf"/?{texts.EVERYONE}", caption, re.IGNORECASE) is not None
    status = await message.reply(wording.reading(_name(message.document)))
    read = await _read(message.document, status, bot, parts, contact, everyone)
    if read is not None and caption and not everyone:
        await ask(bot, parts, contact, arrival, caption, message.message_id)


async def share(
    callback: CallbackQuery, callback_data: AboutDocument, bot: Bot, parts: Parts, contact: Contact
) -> None:
    """An operator gives everyone what was read for a chat; the chat's own copy goes."""
    if not contact.person.is_operator:
        await callback.answer(texts.ONLY_OPERATORS, show_alert=True)
        return
    status = callback.message
    sent = status.reply_to_message.document if isinstance(status, Message) and status.reply_to_message else None
    if sent is None or not isinstance(status, Message):
        await callback.answer(texts.SEND_AGAIN, show_alert=True)
        return
    await callback.answer()
    if await _read(sent, status, bot, parts, contact, everyone=True) is not None:
        with suppress(NotFound):
            await parts.library.take_out(callback_data.document, outside(contact.chat_id))


async def sources(message: Message, parts: Parts, contact: Contact) -> None:
    """`/sources`: the documents that this chat is answered from, with buttons that remove them."""
    text, keyboard = await _list(parts, contact)
    await message.answer(text, reply_markup=keyboard)


async def remove(callback: CallbackQuery, callback_data: AboutDocument, parts: Parts, contact: Contact) -> None:
    """Remove a document of this chat, or an operator one of everyone's, for good."""
    shared = callback_data.action == "remove_shared"
    if shared and not contact.person.is_operator:
        await callback.answer(texts.ONLY_OPERATORS, show_alert=True)
        return
    try:
        name = await parts.library.take_out(callback_data.document, None if shared else outside(contact.chat_id))
        await callback.answer(wording.gone_document(name))
    except NotFound:
        await callback.answer(texts.ALREADY_GONE)
    await say_instead(callback, *await _list(parts, contact))


async def _read(
    document: Document, status: Message, bot: Bot, parts: Parts, contact: Contact, everyone: bool
) -> SharedDocument | None:
    """Fetch a document and have it read, with how far it is in the status message. None: that says why not."""
    name, limit = _name(document), parts.settings.document_max_mb
    if (document.file_size or 0) > limit * MB:
        await _say(status, wording.too_large(name, limit))
        return None
    content = await _fetch(document, status, bot)
    if content is None:
        return None
    chat, told, shown = None if everyone else outside(contact.chat_id), time.monotonic(), ""
    try:
        async for event in parts.library.add(name, content, chat, outside(contact.user_id)):
            if isinstance(event, SharedDocument):
                keyboard = keyboards.share(event.id) if contact.person.is_operator and not everyone else None
                await _say(status, wording.ready(event.name, event.passages, everyone), keyboard)
                return event
            if isinstance(event, Reading) and time.monotonic() - told > PACE_S:
                text = wording.reading(name, 100 * event.done // max(event.total, 1))
                if text != shown:
                    await _say(status, text)
                told, shown = time.monotonic(), text
    except ApprenticeError as error:
        await _say(status, texts.sentence(error))
    return None


async def _fetch(document: Document, status: Message, bot: Bot) -> bytes | None:
    """What Telegram holds of a document; None: the status message says why it gives nothing."""
    into = BytesIO()
    try:
        await bot.download(document, into, timeout=FETCH_S)
        return into.getvalue()
    except TelegramBadRequest as error:
        log.info("a document cannot be fetched: %s", error.message)
        too_big = "too big" in error.message
        await _say(status, wording.too_large(_name(document), 20) if too_big else texts.NOT_FETCHED)
    except (AiogramError, aiohttp.ClientError, TimeoutError) as error:
        log.warning("a document cannot be fetched: %s", type(error).__name__)
        await _say(status, texts.NOT_FETCHED)
    return None


async def _list(parts: Parts, contact: Contact) -> tuple[str, InlineKeyboardMarkup | None]:
    found = await parts.library.documents(outside(contact.chat_id))
    if not found:
        return texts.NO_DOCUMENTS, None
    shown = list(enumerate(found[:MAX_LISTED], 1))
    lines: list[str] = []
    for heading, everyone in ((texts.OWN_DOCUMENTS, False), (texts.SHARED_DOCUMENTS, True)):
        of_these = [wording.document(n, _short(d.name), d.passages) for n, d in shown if d.everyone == everyone]
        lines += [heading, *of_these, ""] if of_these else []
    lines += [wording.more_documents(len(found) - MAX_LISTED)] if len(found) > MAX_LISTED else []
    mine = [(n, d) for n, d in shown if not d.everyone or contact.person.is_operator]
    return "\n".join(lines).strip(), keyboards.documents(mine)


async def _say(status: Message, text: str, keyboard: InlineKeyboardMarkup | None = None) -> None:
    with suppress(TelegramBadRequest):
        await status.edit_text(text, reply_markup=keyboard)


def _name(document: Document) -> str:
    return document.file_name or "document"


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
