"""The inbox in operators' private chats: they are told once of a chat that waits, see who has it, and hand it back."""

import asyncio
import logging
from contextlib import suppress

from aiogram import Bot
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message

from bot import keyboards, texts
from bot.access import is_operator_in_private
from bot.arrival import Arrival
from bot.beside import GONE
from bot.buttons import put_under
from bot.handover.sending import send_all, tell_asker
from bot.keyboards import AboutHandover
from bot.parts import Contact, Parts, outside, speaking_to, telegram_id
from core.records import Handover, Holder, now_ms
from feedback.errands import has_left
from feedback.handovers import Case, last_exchange

CHAT_DIGITS = 6
"""How much of a chat's pseudonym operators are shown."""

log = logging.getLogger(__name__)


def name_of(handover: Handover) -> str:
    """What operators are shown of a chat."""
    return handover.chat[:CHAT_DIGITS]


async def others(parts: Parts, author: str) -> dict[str, str]:
    """The operators except one, with their addresses."""
    addresses = await asyncio.to_thread(parts.people.operators)
    operators = {parts.pseudonyms.author(address): address for address in addresses}
    return {operator: address for operator, address in operators.items() if operator != author}


async def call_operators(bot: Bot, parts: Parts, case: Case) -> None:
    """Tell every operator of a chat that waits for one."""
    for operator, address in (await others(parts, case.handover.author)).items():
        try:
            await _show(bot, parts, case, operator, address)
        except GONE:
            log.info("an operator has blocked the bot, and is not told who waits for a person")


async def inbox(message: Message, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/inbox`: every chat that waits for a person or talks with one."""
    cases = await asyncio.to_thread(parts.handovers.inbox)
    if not cases:
        await message.answer(texts.INBOX_EMPTY)
    for case in cases:
        await _show(bot, parts, case, contact.author, outside(contact.user_id))


async def take(
    callback: CallbackQuery,
    callback_data: AboutHandover,
    bot: Bot,
    parts: Parts,
    contact: Contact,
    arrival: Arrival,
) -> None:
    """An operator takes a chat over; whoever comes later is told who has it."""
    if not is_operator_in_private(callback, contact):
        await callback.answer(texts.ONLY_OPERATORS, show_alert=True)
        return
    name = callback.from_user.full_name
    case = await take_over(bot, parts, contact, arrival, name, callback_data.handover)
    if case is None or case.holder is None:
        await callback.answer(texts.NOT_IN_INBOX)
        await put_under(callback, None)
    elif case.holder.operator != contact.author:
        await callback.answer(texts.holds(name_of(case.handover), case.holder.name), show_alert=True)
    else:
        await callback.answer(texts.YOURS, show_alert=True)


async def take_over(
    bot: Bot, parts: Parts, contact: Contact, arrival: Arrival, name: str, handover_id: str
) -> Case | None:
    """Give an operator a chat if nobody has it; the others and who asked are told. Gives the case as it stands then.

    Raises: TelegramAPIError, StoreUnavailable.
    """
    case = await asyncio.to_thread(parts.handovers.get, handover_id)
    if case is None or await _has_left(parts, case):
        return None
    if "takes" not in arrival.notes:
        await arrival.note(takes="" if case.holder else "yes")
    holder = Holder(contact.author, outside(contact.user_id), name, now_ms())
    case = await asyncio.to_thread(parts.handovers.take, handover_id, holder)
    if case is not None and case.holder and case.holder.operator == contact.author and arrival.notes["takes"]:
        with suppress(*GONE):
            await tell_asker(bot, parts, case.handover, lambda: texts.HUMAN_HERE)
        await show_taken(bot, parts, case, case.holder)
    return case


async def _has_left(parts: Parts, case: Case) -> bool:
    """Whether who asked may not use the bot any more, so that their handover ends."""
    person = await asyncio.to_thread(parts.people.person, case.handover.author)
    left = has_left(person, case.handover, parts.settings.allowed_people)
    if left:
        await asyncio.to_thread(parts.handovers.end, case)
    return left


async def hand_back(
    callback: CallbackQuery, callback_data: AboutHandover, bot: Bot, parts: Parts, contact: Contact
) -> None:
    """An operator hands a chat back, or takes one that nobody has out of the inbox."""
    if not is_operator_in_private(callback, contact):
        await callback.answer(texts.ONLY_OPERATORS, show_alert=True)
        return
    case = await asyncio.to_thread(parts.handovers.get, callback_data.handover)
    if case is None:
        await callback.answer(texts.NOT_IN_INBOX)
        await put_under(callback, None)
    elif case.holder is not None and case.holder.operator != contact.author:
        await callback.answer(texts.holds(name_of(case.handover), case.holder.name), show_alert=True)
    else:
        await callback.answer(await _hand_back(bot, parts, case), show_alert=True)
        await put_under(callback, None)


async def back(message: Message, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/back`: hand back the chat that the message replied to is from, or the only one that the operator has."""
    replied = message.reply_to_message
    about = await asyncio.to_thread(parts.handovers.forwarded, contact.chat, replied.message_id) if replied else None
    cases = await asyncio.to_thread(parts.handovers.inbox)
    mine = [case for case in cases if case.holder is not None and case.holder.operator == contact.author]
    found = [case for case in mine if about in (None, case.handover.id)]
    if len(found) == 1:
        await message.answer(await _hand_back(bot, parts, found[0]))
    else:
        await message.answer(texts.WHICH_CHAT if found else texts.NOT_IN_INBOX)


async def write(
    bot: Bot, parts: Parts, case: Case, address: str, text: str, keyboard: InlineKeyboardMarkup | None
) -> int:
    """Write to an operator about a chat; a reply to any of the messages answers there. Gives the last one's number.

    Raises: TelegramAPIError.
    """
    numbers = await send_all(bot, address, text, keyboard)
    for number in numbers:
        await asyncio.to_thread(
            parts.handovers.note_forwarded, parts.pseudonyms.chat(address), number, case.handover.id
        )
    return numbers[-1]


async def _hand_back(bot: Bot, parts: Parts, case: Case) -> str:
    """End a handover; the asker is told, where the model was silent. Gives what the operator is told."""
    await asyncio.to_thread(parts.handovers.end, case)
    if case.is_silent:
        with suppress(*GONE):
            await tell_asker(bot, parts, case.handover, lambda: texts.HUMAN_OVER)
    return texts.handed_back(name_of(case.handover))


async def _show(bot: Bot, parts: Parts, case: Case, operator: str, address: str) -> None:
    async with speaking_to(parts, operator):
        text = await asyncio.to_thread(_text, parts, case)
        message = await write(bot, parts, case, address, text, _buttons(case, operator))
    await asyncio.to_thread(parts.handovers.note_told, case.handover.id, operator, address, message)


async def show_taken(bot: Bot, parts: Parts, case: Case, holder: Holder) -> None:
    """Let every operator's message say who has the chat, and give that one what was written meanwhile."""
    handover = case.handover
    told = await asyncio.to_thread(parts.handovers.told, handover.id)
    for operator, (address, message) in told.items():
        with suppress(*GONE):
            if operator == holder.operator:
                keyboard = keyboards.taken(handover.id)
                await bot.edit_message_reply_markup(
                    chat_id=telegram_id(address), message_id=message, reply_markup=keyboard
                )
                continue
            async with speaking_to(parts, operator):
                said = texts.holds(name_of(handover), holder.name)
                await bot.edit_message_text(said, chat_id=telegram_id(address), message_id=message)
    since = [said for message, said in case.said if message > handover.message]
    if since and not holder.at_console:
        text = texts.chat_says(name_of(handover), "\n\n".join(since))
        await write(bot, parts, case, holder.address, text, keyboards.taken(handover.id))


def _text(parts: Parts, case: Case) -> str:
    """A chat of the inbox: who has it, its last exchange, and what is not answered."""
    handover, holder = case.handover, case.holder
    heading = texts.called(name_of(handover))
    if holder is not None:
        heading = texts.holds(name_of(handover), holder.name)
    asked, answered = last_exchange(parts.turns, handover)
    lines = [("👤", asked), ("🤖", answered), *(("👤", said) for _, said in case.said)]
    return "\n\n".join([heading, *(f"{sign} {said}" for sign, said in lines if said)])


def _buttons(case: Case, operator: str) -> InlineKeyboardMarkup | None:
    if case.holder is None:
        return keyboards.waiting(case.handover.id)
    return keyboards.taken(case.handover.id) if case.holder.operator == operator else None
