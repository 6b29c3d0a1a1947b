"""The buttons under the notice, and 🔄; and what every button's handler needs. What they acknowledge is stored."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message, MessageGenerationStopped

from bot import keyboards, texts
from bot.arrival import Arrival
from bot.inbox import Inbox
from bot.keyboards import AboutAnswer, ConsentGiven, Forget
from bot.parts import Contact, Parts, outside
from bot.questions import answer_again
from core.errors import ApprenticeError, NotFound
from core.records import Turn


async def again(
    callback: CallbackQuery,
    callback_data: AboutAnswer,
    bot: Bot,
    parts: Parts,
    contact: Contact,
    inbox: Inbox,
    arrival: Arrival,
) -> None:
    """🔄: another answer to the same question, after what runs in the chat."""
    turn = await own_turn(parts, contact, callback_data.turn)
    if arrival.is_queued:
        await answer_again(bot, parts, contact, arrival, turn)
        return
    await inbox.queue(arrival, contact.chat_id, contact.topic_id)
    await callback.answer(texts.AGAIN)


async def stop(callback: CallbackQuery, contact: Contact, inbox: Inbox, arrival: Arrival) -> None:
    """⏹: end what runs, and keep what was said."""
    found = await inbox.stop(arrival, contact.chat_id, contact.topic_id)
    await callback.answer(texts.STOPPED if found else texts.NOTHING_RUNS)


async def draft_stopped(stopped: MessageGenerationStopped, inbox: Inbox, arrival: Arrival) -> None:
    """The button that Telegram shows beside a draft."""
    await inbox.stop(arrival, stopped.chat.id, stopped.message_thread_id)


async def consent(callback: CallbackQuery, callback_data: ConsentGiven, parts: Parts, contact: Contact) -> None:
    """Whether the presser's words may be learned from."""
    await asyncio.to_thread(parts.people.set_consent, contact.author, callback_data.answer)
    await callback.answer(texts.consent_noted(callback_data.answer))
    if contact.private:
        text = texts.notice(parts.settings.turn_retention_days, callback_data.answer)
        await say_instead(callback, text, keyboards.consent())


async def forget(
    callback: CallbackQuery, callback_data: Forget, parts: Parts, contact: Contact, inbox: Inbox, arrival: Arrival
) -> None:
    """Remove all that is of the presser, or nothing; the message says when it is done."""
    await arrival.name_nobody()
    if arrival.is_queued:
        await _forget(callback, parts, contact)
        return
    if callback_data.answer == "no":
        await callback.answer()
        await say_instead(callback, texts.KEPT)
        return
    await inbox.stop(arrival, contact.chat_id, contact.topic_id)
    await inbox.queue(arrival, contact.chat_id, contact.topic_id)
    await callback.answer()
    await say_instead(callback, texts.FORGETTING)


async def _forget(callback: CallbackQuery, parts: Parts, contact: Contact) -> None:
    """Remove it, after what ran in the chat has ended."""
    said = texts.BROKEN
    try:
        documents = await parts.library.take_out_all(outside(contact.user_id))
        forgotten = await asyncio.to_thread(parts.forgetting.forget, contact.author, "themselves")
        said = texts.FORGOTTEN if forgotten or documents else texts.NOTHING_KNOWN
    except ApprenticeError as error:
        said = texts.sentence(error)
    finally:
        await say_instead(callback, said)


async def unknown(callback: CallbackQuery) -> None:
    """A button of another release, or one that a program made up."""
    await callback.answer(texts.UNKNOWN_BUTTON)


async def own_turn(parts: Parts, contact: Contact, turn_id: str) -> Turn:
    """A turn of this chat; programs can send any id.

    Raises: NotFound, StoreUnavailable.
    """
    turn = await asyncio.to_thread(parts.turns.get, turn_id)
    if turn.chat != contact.chat:
        raise NotFound(f"there is no turn {turn_id} in this chat.")
    return turn


async def askers_turn(callback: CallbackQuery, parts: Parts, contact: Contact, turn_id: str) -> Turn | None:
    """A turn of this chat, for whoever asked for it. None: it was another, and the presser is told so.

    Raises: NotFound, StoreUnavailable.
    """
    turn = await own_turn(parts, contact, turn_id)
    if contact.has_asked(turn):
        return turn
    await callback.answer(texts.FOR_THE_ASKER)
    return None


async def say_instead(callback: CallbackQuery, text: str, keyboard: InlineKeyboardMarkup | None = None) -> None:
    """Let the message that carried the button say something else, where it can still be edited."""
    await _edit(callback, lambda message: message.edit_text(text, reply_markup=keyboard))


async def put_under(callback: CallbackQuery, keyboard: InlineKeyboardMarkup | None) -> None:
    """Let the message that carried the button carry others or none, where it can still be edited."""
    await _edit(callback, lambda message: message.edit_reply_markup(reply_markup=keyboard))


async def _edit(callback: CallbackQuery, edit: Callable[[Message], Awaitable[object]]) -> None:
    if isinstance(callback.message, Message):
        with suppress(TelegramBadRequest):
            await edit(callback.message)
