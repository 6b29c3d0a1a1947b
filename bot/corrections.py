"""✏️ and what follows: a correction is sent, dropped, answered as a question, or taken back."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import CallbackQuery, ForceReply, Message, ReplyParameters

from bot import keyboards, texts
from bot.arrival import Arrival
from bot.buttons import askers_turn, own_turn, say_instead
from bot.inbox import Inbox
from bot.keyboards import AboutAnswer, AboutDraft, TakeBack
from bot.parts import Contact, Parts, outside
from bot.questions import ask
from bot.quoting import said
from bot.votes import note_where
from core.errors import NotFound, StoreUnavailable
from feedback.progress import Progress, read_progress

T = TypeVar("T")


async def correct(
    callback: CallbackQuery, callback_data: AboutAnswer, bot: Bot, parts: Parts, contact: Contact
) -> None:
    """✏️: the next message of this person to the bot here is the right answer. In a group only the asker is asked."""
    turn = await askers_turn(callback, parts, contact, callback_data.turn)
    if turn is None:
        return
    await asyncio.to_thread(parts.ratings.await_correction, contact.chat, contact.author, turn.id)
    await callback.answer()
    message = callback.message
    await bot.send_message(
        contact.chat_id,
        texts.WRITE_IT,
        reply_markup=ForceReply(input_field_placeholder=texts.CORRECTION) if contact.private else None,
        reply_parameters=(
            ReplyParameters(message_id=message.message_id, allow_sending_without_reply=True) if message else None
        ),
    )


async def send(
    callback: CallbackQuery, callback_data: AboutDraft, parts: Parts, contact: Contact, arrival: Arrival
) -> None:
    """The author wants the correction stored."""
    if "sent" not in arrival.notes:
        turn = await _for_writer(callback, _send, parts, contact, callback_data.draft)
        if turn is None:
            return
        await arrival.note(sent=turn)
        await note_where(parts, contact, turn)
    await callback.answer()
    thanks = texts.thanks(await asyncio.to_thread(_progress, parts))
    await say_instead(callback, thanks, keyboards.take_back(arrival.notes["sent"]))


async def drop(callback: CallbackQuery, callback_data: AboutDraft, parts: Parts, contact: Contact) -> None:
    """The author does not want it stored."""
    if await _for_writer(callback, parts.drafts.drop, contact.chat, contact.author, callback_data.draft) is None:
        return
    await callback.answer()
    await say_instead(callback, texts.NOT_AWAITED)


async def ask_instead(
    callback: CallbackQuery,
    callback_data: AboutDraft,
    bot: Bot,
    parts: Parts,
    contact: Contact,
    inbox: Inbox,
    arrival: Arrival,
) -> None:
    """It was a question: answer it, as it was written where that can still be seen."""
    if arrival.is_queued:
        await ask(bot, parts, contact, arrival, arrival.notes["question"], int(arrival.notes["asked_in"]))
        return
    draft = await _for_writer(callback, parts.drafts.drop, contact.chat, contact.author, callback_data.draft)
    if draft is None:
        return
    shown = callback.message
    written = shown.reply_to_message if isinstance(shown, Message) else None
    text = said(written, await bot.me(), parts.settings.telegram_trigger) if written and written.text else draft.text
    message_id = written.message_id if written else shown.message_id if shown else 0
    await inbox.queue(arrival, contact.chat_id, contact.topic_id, question=text, asked_in=str(message_id))
    await callback.answer()
    if isinstance(shown, Message):
        try:
            await shown.delete()
        except TelegramBadRequest:
            await say_instead(callback, texts.NOT_AWAITED)


async def take_back(callback: CallbackQuery, callback_data: TakeBack, parts: Parts, contact: Contact) -> None:
    """A correction that was sent is taken back, as long as nobody has decided on it."""
    turn = await own_turn(parts, contact, callback_data.turn)
    if await _for_writer(callback, _take_back, parts, contact, turn.id) is None:
        return
    await note_where(parts, contact, turn.id)
    await callback.answer(texts.TAKEN_BACK)
    await say_instead(callback, texts.TAKEN_BACK)


async def _for_writer(callback: CallbackQuery, act: Callable[..., T], *given: Any) -> T | None:
    """What an act on a draft or a correction gives; None where none is this person's, who is told so."""
    try:
        return await asyncio.to_thread(act, *given)
    except NotFound:
        await callback.answer(texts.FOR_THE_WRITER)
        return None


def _send(parts: Parts, contact: Contact, draft_id: str) -> str:
    """Store a draft as a correction, and remember first where its author hears of it; gives the turn."""
    draft = parts.drafts.get(contact.chat, contact.author, draft_id)
    parts.thanks.expect(draft.turn, contact.author, contact.chat, outside(contact.chat_id))
    return parts.drafts.send(contact.chat, contact.author, draft_id).turn


def _take_back(parts: Parts, contact: Contact, turn_id: str) -> str:
    """Take a correction back, whose author then waits for no thanks; gives the turn."""
    parts.ratings.take_back_correction(turn_id, contact.author)
    parts.thanks.expect_no_longer(turn_id, contact.author, contact.chat)
    return turn_id


def _progress(parts: Parts) -> Progress | None:
    try:
        return read_progress(parts.store, parts.settings.refresh_min_items)
    except StoreUnavailable:
        return None
