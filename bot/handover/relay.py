"""What a person and an operator write to each other: passed on by the bot, while the model is silent."""

import asyncio
import logging
from dataclasses import replace
from secrets import token_hex

from aiogram import Bot
from aiogram.dispatcher.event.bases import SkipHandler
from aiogram.exceptions import TelegramForbiddenError
from aiogram.types import CallbackQuery, Message, TelegramObject

from bot import keyboards, texts
from bot.access import is_operator_in_private
from bot.arrival import Arrival
from bot.beside import GONE
from bot.handover.desk import call_operators, name_of, others, take_over, write
from bot.handover.sending import send_all
from bot.parts import Contact, Parts, outside, speaking_to
from bot.quoting import said
from core.privacy import scrub
from core.records import Handover, Holder, new_id, now_ms
from feedback.handovers import Case

log = logging.getLogger(__name__)


async def is_silent(_: TelegramObject, parts: Parts, contact: Contact) -> bool | dict[str, Case]:
    """A filter: the chat is with a person, or waits for one."""
    if not contact.private or contact.person.role is None:
        return False
    case = await asyncio.to_thread(parts.handovers.of_chat, contact.chat, contact.topic)
    return {"case": case} if case is not None and case.is_silent else False


async def is_from_operator(message: Message, parts: Parts, contact: Contact) -> bool | dict[str, str]:
    """A filter: a reply to what came from somebody's chat."""
    replied = message.reply_to_message
    if replied is None or not contact.private or not is_said(message):
        return False
    handover = await asyncio.to_thread(parts.handovers.forwarded, contact.chat, replied.message_id)
    return {"handover": handover} if handover else False


def is_said(message: Message) -> bool:
    """A filter: no command."""
    return message.forward_origin is not None or not (message.text or "").startswith("/")


async def human(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """`/human`: the chat waits for an operator, who are told once; the model is silent until it is handed back."""
    if not contact.private:
        await message.reply(texts.HUMAN_IN_PRIVATE)
        return
    if "handover" not in arrival.notes:
        if not await others(parts, contact.author):
            await message.answer(texts.HUMAN_NOBODY)
            return
        case = await asyncio.to_thread(parts.handovers.of_chat, contact.chat, contact.topic)
        if case is not None and case.is_silent:
            await message.answer(texts.HUMAN_CALLED)
            return
        head = await asyncio.to_thread(parts.turns.head, contact.chat, contact.topic)
        await arrival.note(handover=case.handover.id if case else token_hex(8), head=head or "")
    handover = Handover(
        arrival.notes["handover"],
        contact.chat,
        contact.author,
        outside(contact.chat_id),
        message.message_id,
        arrival.notes["head"] or None,
        contact.topic,
        now_ms(),
    )
    await asyncio.to_thread(parts.handovers.begin, handover)
    await message.answer(texts.HUMAN)
    words = (message.text or "").partition(" ")[2].strip()
    case = Case(handover)
    if words:
        case = await asyncio.to_thread(parts.handovers.say, case, message.message_id, words) or case
    await call_operators(bot, parts, case)


async def pass_on(message: Message, bot: Bot, parts: Parts, contact: Contact, case: Case) -> None:
    """The person writes: an operator who has the chat is sent it, and who takes it later sees it."""
    if message.text is None:
        await message.reply(texts.ONLY_TEXT_PASSED_ON)
        return
    text = said(message, await bot.me(), parts.settings.telegram_trigger)
    now = await asyncio.to_thread(parts.handovers.say, case, message.message_id, text)
    if now is None:
        raise SkipHandler
    holder = now.holder
    if holder is None or holder.at_console:
        return
    if not await _forward(bot, parts, now, holder, scrub(text)):
        log.warning("an operator is none any more, or has blocked the bot; their chat waits for another")
        await asyncio.to_thread(parts.handovers.release, now.handover.id)
        await call_operators(bot, parts, replace(now, holder=None))


async def _forward(bot: Bot, parts: Parts, case: Case, holder: Holder, text: str) -> bool:
    """Write what was said in a chat to the operator who has it. False: it does not reach them any more."""
    if holder.address not in await asyncio.to_thread(parts.people.operators):
        return False
    try:
        async with speaking_to(parts, holder.operator):
            said_there = texts.chat_says(name_of(case.handover), text)
            await write(bot, parts, case, holder.address, said_there, keyboards.taken(case.handover.id))
    except TelegramForbiddenError:
        return False
    return True


async def answer(message: Message, handover: str, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """An operator replies to what came from a chat: it is theirs if nobody has it, and the person is answered."""
    if not is_operator_in_private(message, contact):
        await message.reply(texts.ONLY_OPERATORS)
        return
    if message.text is None or message.from_user is None:
        await message.reply(texts.ONLY_TEXT_PASSED_ON)
        return
    case = await take_over(bot, parts, contact, arrival, message.from_user.full_name, handover)
    if case is None or case.holder is None:
        await message.reply(texts.NOT_IN_INBOX)
    elif case.holder.operator != contact.author:
        await message.reply(texts.holds(name_of(case.handover), case.holder.name))
    else:
        await message.reply(await _answer(bot, parts, arrival, case, message.text))


async def _answer(bot: Bot, parts: Parts, arrival: Arrival, case: Case, text: str) -> str:
    """Store an operator's words as a turn, and send them; gives what the operator is told."""
    if "turn" not in arrival.notes:
        asked = case.said[-1][0] if case.said else case.handover.message if case.missed else ""
        await arrival.note(turn=new_id(), answers=str(asked))
    turn = await asyncio.to_thread(parts.handovers.answer, case, arrival.notes["turn"], text)
    to = arrival.notes["answers"]
    try:
        await send_answer(bot, parts, case.handover, turn.id, text, int(to) if to else None)
    except GONE:
        await asyncio.to_thread(parts.handovers.end, case)
        return texts.NOT_REACHED
    return texts.PASSED_ON


async def send_answer(bot: Bot, parts: Parts, handover: Handover, turn: str, text: str, question: int | None) -> None:
    """Send an operator's words to who asked, under their question, with the buttons of the turn that holds them.

    Raises: TelegramAPIError.
    """
    async with speaking_to(parts, handover.author):
        said, keyboard = texts.human_says(text), keyboards.feedback(turn)
        sent = await send_all(bot, handover.address, said, keyboard, question, handover.topic)
    for number in sent:
        await asyncio.to_thread(parts.turns.note_posted, handover.chat, number, turn)
    await asyncio.to_thread(parts.turns.note_shown, handover.chat, turn, sent)
    await asyncio.to_thread(parts.turns.note_latest, handover.chat, handover.topic, turn)


async def end(bot: Bot, parts: Parts, contact: Contact) -> None:
    """The person begins afresh: their handover ends, and the operator who has it is told."""
    case = await asyncio.to_thread(parts.handovers.of_chat, contact.chat, contact.topic)
    if case is None:
        return
    await asyncio.to_thread(parts.handovers.end, case)
    if case.holder is not None and not case.holder.at_console:
        try:
            async with speaking_to(parts, case.holder.operator):
                await send_all(bot, case.holder.address, texts.ended_by_them(name_of(case.handover)))
        except GONE:
            log.info("an operator has blocked the bot, and is not told that a chat is not theirs any more")


async def keep_silent(message: Message) -> None:
    """The model is asked to answer again."""
    await message.reply(texts.MODEL_IS_SILENT)


async def keep_silent_about(callback: CallbackQuery) -> None:
    """A button asks the model to answer."""
    await callback.answer(texts.MODEL_IS_SILENT, show_alert=True)
