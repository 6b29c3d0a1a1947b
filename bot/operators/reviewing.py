"""/review: an operator walks the queue, and approves, edits, rejects or skips each answer, or undoes a decision."""

import asyncio
from contextlib import suppress

from aiogram import Bot
from aiogram.types import CallbackQuery, ForceReply, Message, ReplyParameters

from bot import texts
from bot.arrival import Arrival
from bot.buttons import put_under, say_instead
from bot.difference import difference
from bot.operators import choices, phrases
from bot.operators.cards import card
from bot.operators.choices import AboutItem, AboutRewritten, Decided, SendEdited, Undo, Verdict
from bot.parts import Contact, Parts
from bot.splitting import pieces
from core.errors import InvalidInput, NotFound
from core.records import Review
from feedback.reviews import QueueItem


async def review(message: Message, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/review`: begin with the first answer that waits."""
    await asyncio.to_thread(parts.walks.begin, contact.author)
    await _show_next(bot, parts, contact)


async def consider(callback: CallbackQuery, callback_data: AboutItem, bot: Bot, parts: Parts, contact: Contact) -> None:
    """A button under an answer that waits: its decision is asked for, an edit is, or it is skipped."""
    item = await _still_waiting(callback, bot, parts, contact, callback_data.turn)
    if item is None:
        return
    match callback_data.action:
        case "skip":
            await asyncio.to_thread(parts.walks.skip, contact.author, item.turn.id)
            await callback.answer(phrases.SKIPPED)
            await put_under(callback, None)
            await _show_next(bot, parts, contact)
        case "edit":
            await callback.answer()
            await _ask_to_rewrite(callback, bot, parts, contact, item)
        case "back":
            await callback.answer()
            await put_under(callback, choices.item(item))
        case asked:
            decision: Verdict = "approve" if asked == "ask_approve" else "reject"
            await callback.answer(phrases.FOR_WHOM)
            await put_under(callback, choices.for_whom(item, callback_data.seen, decision))


async def decide(
    callback: CallbackQuery, callback_data: Decided, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival
) -> None:
    """Approve what was shown, or reject it; what was said about it meanwhile is shown first."""
    if "decided" not in arrival.notes:
        item = await _still_waiting(callback, bot, parts, contact, callback_data.turn)
        if item is None:
            return
        if choices.digest(item.suggestion) != callback_data.seen:
            await callback.answer(phrases.SAID_MEANWHILE, show_alert=True)
            await put_under(callback, None)
            await _show(bot, parts, contact, item)
            return
        reviews, scope = parts.reviews, callback_data.scope
        if callback_data.decision == "approve":
            made = await asyncio.to_thread(reviews.approve, item, contact.author, scope)
        else:
            made = await asyncio.to_thread(reviews.decide, item.turn.id, "reject", contact.author, scope)
        await arrival.note(decided=str(made.created_at))
    await _go_on(callback, bot, parts, contact, callback_data.turn)


async def rewritten(message: Message, bot: Bot, parts: Parts, contact: Contact, reviewed: str) -> None:
    """The operator replied to an answer that waits: their text is shown as a difference before it is approved."""
    item = await asyncio.to_thread(parts.reviews.item, reviewed)
    propose = parts.drafts.propose
    draft, stored = await asyncio.to_thread(propose, contact.chat, contact.author, reviewed, message.text or "")
    text = difference(phrases.SHALL_I_APPROVE, item.suggestion, stored)
    await message.reply(**text.as_kwargs(), reply_markup=choices.rewritten(item, draft))


async def approve_rewritten(
    callback: CallbackQuery, callback_data: AboutRewritten, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival
) -> None:
    """The operator wants their text approved, or not."""
    try:
        draft = await asyncio.to_thread(parts.drafts.get, contact.chat, contact.author, callback_data.draft)
    except NotFound:
        await callback.answer(texts.FOR_THE_WRITER)
        return
    if callback_data.action == "drop":
        await asyncio.to_thread(parts.drafts.drop, contact.chat, contact.author, callback_data.draft)
        await callback.answer()
        await say_instead(callback, phrases.NOT_APPROVED)
        return
    if "decided" not in arrival.notes:
        item = await _still_waiting(callback, bot, parts, contact, draft.turn)
        if item is None:
            return
        approve, scope = parts.reviews.approve, callback_data.action
        made = await asyncio.to_thread(approve, item, contact.author, scope, draft.text)
        await arrival.note(decided=str(made.created_at))
    await _go_on(callback, bot, parts, contact, draft.turn)


async def undo(callback: CallbackQuery, callback_data: Undo, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """Take a decision back, if it is still the one in force; the answer waits again, with its buttons."""
    if "undone" not in arrival.notes:
        try:
            await asyncio.to_thread(parts.reviews.undo, callback_data.turn, callback_data.made_at, contact.author)
        except NotFound:
            await callback.answer(phrases.NOT_IN_FORCE)
            await put_under(callback, None)
            return
        await arrival.note(undone="yes")
    item = await asyncio.to_thread(parts.reviews.item, callback_data.turn)
    await callback.answer(phrases.UNDONE)
    await put_under(callback, choices.item(item))


async def send_edited(callback: CallbackQuery, callback_data: SendEdited, parts: Parts, contact: Contact) -> None:
    """The edited answer goes to whoever asked and did not like the first, once."""
    try:
        await asyncio.to_thread(parts.amends.ask, callback_data.turn, contact.author)
    except InvalidInput as error:
        await callback.answer(texts.sentence(error), show_alert=True)
    else:
        await callback.answer(phrases.IS_SENT)
    made = await asyncio.to_thread(parts.reviews.get, callback_data.turn)
    await put_under(callback, choices.decided(made, sendable=False) if made else None)


async def is_rewriting(message: Message, parts: Parts, contact: Contact) -> dict[str, str] | bool:
    """A filter: an operator replies to an answer that they were shown; gives its turn as `reviewed`."""
    replied = message.reply_to_message
    if replied is None or not contact.private or not contact.person.is_operator:
        return False
    turn = await asyncio.to_thread(parts.walks.card, contact.chat, replied.message_id)
    return {"reviewed": turn} if turn else False


async def _go_on(callback: CallbackQuery, bot: Bot, parts: Parts, contact: Contact, turn_id: str) -> None:
    """Show what was decided in the place of the buttons, then what comes next."""
    made: Review | None = await asyncio.to_thread(parts.reviews.get, turn_id)
    sendable = await asyncio.to_thread(parts.amends.why_not, turn_id) is None
    await callback.answer()
    await put_under(callback, choices.decided(made, sendable) if made else None)
    await _show_next(bot, parts, contact)


async def _still_waiting(
    callback: CallbackQuery, bot: Bot, parts: Parts, contact: Contact, turn_id: str
) -> QueueItem | None:
    """The turn with all that was said; where another has decided, or it is gone, the next one is shown instead."""
    with suppress(NotFound):
        item = await asyncio.to_thread(parts.reviews.item, turn_id)
        if item.why:
            return item
    await callback.answer(phrases.DECIDED_ALREADY)
    await put_under(callback, None)
    await _show_next(bot, parts, contact)
    return None


async def _ask_to_rewrite(callback: CallbackQuery, bot: Bot, parts: Parts, contact: Contact, item: QueueItem) -> None:
    about = callback.message
    sent = await bot.send_message(
        contact.chat_id,
        phrases.REWRITE,
        reply_markup=ForceReply(input_field_placeholder=phrases.THE_ANSWER),
        reply_parameters=(
            ReplyParameters(message_id=about.message_id, allow_sending_without_reply=True) if about else None
        ),
    )
    await asyncio.to_thread(parts.walks.note_card, contact.chat, sent.message_id, item.turn.id)


async def _show_next(bot: Bot, parts: Parts, contact: Contact) -> None:
    item = await asyncio.to_thread(parts.walks.next, contact.author)
    if item is not None:
        await _show(bot, parts, contact, item)
        return
    waiting = await asyncio.to_thread(parts.reviews.waiting)
    await bot.send_message(contact.chat_id, phrases.ONLY_SKIPPED if waiting else phrases.NOTHING_WAITS)


async def _show(bot: Bot, parts: Parts, contact: Contact, item: QueueItem) -> None:
    """Show an answer with its buttons, in as many messages as it takes; each may be replied to."""
    waiting = await asyncio.to_thread(parts.reviews.waiting)
    messages = pieces(card(item, waiting))
    for number, piece in enumerate(messages, 1):
        keyboard = choices.item(item) if number == len(messages) else None
        sent = await bot.send_message(contact.chat_id, piece.text, entities=list(piece.entities), reply_markup=keyboard)
        await asyncio.to_thread(parts.walks.note_card, contact.chat, sent.message_id, item.turn.id)
