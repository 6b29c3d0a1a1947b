"""What people write: questions, and corrections of earlier answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from aiogram import Bot
from aiogram.types import Message

from bot.arrival import Arrival
from bot.growing import growing
from bot.limits.spending import may_ask
from bot.parts import Contact, Parts, outside
from bot.proposals import propose
from bot.quoting import is_about_others_words, said
from bot.resuming import settled, take_over
from bot.streaming import Answer, finish, stream
from core import records
from core.client import Asked
from core.errors import ApprenticeError, StoreUnavailable
from feedback.turns import messages

AGAIN_TEMPERATURE = 0.8

log = logging.getLogger(__name__)


async def written(message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> None:
    """A text arrives."""
    text = said(message, await bot.me(), parts.settings.telegram_trigger)
    await ask_or_correct(message, bot, parts, contact, arrival, text)


async def ask_or_correct(
    message: Message, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival, text: str
) -> None:
    """What a message says is a correction where one is awaited or an answer is replied to, else a question."""
    if is_about_others_words(message) or not await propose(message, parts, contact, arrival, text):
        await ask(bot, parts, contact, arrival, text, message.message_id)


async def ask(
    bot: Bot,
    parts: Parts,
    contact: Contact,
    arrival: Arrival,
    text: str,
    message_id: int,
    kind: str | None = None,
) -> Answer:
    """Answer a question that stands in a message, and note which turn that message asked for, or that it has none.

    `kind` is a kind of task; None: the installation's.
    """
    reply_to = None if contact.private else message_id

    async def asking() -> Asked:
        return replace(await _question(parts, contact, arrival, text), kind=kind)

    answer = await respond(bot, parts, contact, arrival, asking, reply_to)
    if answer.turn_id is None:
        await note_unanswered(parts, contact, arrival, message_id)
    else:
        await _note_asked(parts, contact, answer.turn_id, message_id)
    return answer


async def note_unanswered(parts: Parts, contact: Contact, arrival: Arrival, message_id: int) -> None:
    """Remember that a message failed: once it is edited, it is asked again where the failure stands."""
    shown = [int(number) for number in arrival.notes.get("messages", "").split(",") if number]
    try:
        await asyncio.to_thread(parts.turns.note_unanswered, contact.chat, contact.author, message_id, shown)
    except StoreUnavailable as error:
        log.warning("an edit of a message that failed will not be followed: %s", error)


async def answer_again(bot: Bot, parts: Parts, contact: Contact, arrival: Arrival, turn: records.Turn) -> None:
    """Answer a turn's question anew, and note which turn replaced it."""
    answer = await respond(bot, parts, contact, arrival, lambda: _again(parts, contact, turn), None)
    if answer.turn_id is not None:
        try:
            await asyncio.to_thread(parts.ratings.regenerated, turn.id, answer.turn_id, contact.author)
            asked = await asyncio.to_thread(parts.turns.asked, contact.chat, turn.id)
            if asked is not None:
                await _note_asked(parts, contact, answer.turn_id, asked)
        except ApprenticeError as error:
            log.warning("a regeneration could not be noted: %s", error)


async def respond(
    bot: Bot,
    parts: Parts,
    contact: Contact,
    arrival: Arrival,
    asking: Callable[[], Awaitable[Asked]],
    reply_to: int | None,
) -> Answer:
    """Ask serving and show its answer, or in its place the sentence that says why there is none."""
    text = growing(bot, contact, reply_to, arrival, parts.settings)
    try:
        if not arrival.stop.is_set() and not await may_ask(bot, parts, contact, arrival):
            return Answer()
        await take_over(bot, contact, arrival, text)
        answer = await settled(parts, contact, arrival)
        if answer is None and not arrival.stop.is_set():
            await text.begin()
            return await stream(parts, contact, arrival, await asking(), text)
    except ApprenticeError as error:
        answer = Answer(error=error)
    await finish(parts, contact, text, answer := answer or Answer())
    return answer


async def _note_asked(parts: Parts, contact: Contact, turn_id: str, message_id: int) -> None:
    try:
        await asyncio.to_thread(parts.turns.note_asked, contact.chat, turn_id, message_id)
    except StoreUnavailable as error:
        log.warning("which message asked for an answer is not known later: %s", error)


async def _question(parts: Parts, contact: Contact, arrival: Arrival, text: str) -> Asked:
    """A question after what was said before it. Which turn that was is settled once, whatever happens afterwards."""
    if "parent" not in arrival.notes:
        head = await asyncio.to_thread(parts.turns.head, contact.chat, contact.topic)
        await arrival.note(parent=head or "")
    return await _asked(parts, contact, arrival.notes["parent"] or None, [records.Message("user", text)])


async def _again(parts: Parts, contact: Contact, turn: records.Turn) -> Asked:
    asked = await _asked(parts, contact, turn.parent, turn.messages)
    return replace(asked, regenerates=turn.id, temperature=AGAIN_TEMPERATURE, kind=turn.kind)


async def _asked(parts: Parts, contact: Contact, parent: str | None, new: Sequence[records.Message]) -> Asked:
    past = await asyncio.to_thread(parts.turns.conversation, parent)
    return Asked(
        [*messages(past), *new],
        outside(contact.chat_id),
        outside(contact.user_id),
        topic=contact.topic,
        parent=past[-1].id if past else None,
    )
