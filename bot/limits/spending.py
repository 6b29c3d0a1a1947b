"""Whether a question is within its limits, and what is said where it is not."""

import asyncio
import logging

from aiogram import Bot
from aiogram.types import ReplyParameters

from bot import wording
from bot.arrival import Arrival
from bot.parts import Contact, Parts
from core.errors import StoreUnavailable
from core.records import now_ms
from feedback.budgets import Verdict, minutes_left

log = logging.getLogger(__name__)


async def may_ask(bot: Bot, parts: Parts, contact: Contact, arrival: Arrival) -> bool:
    """Count a question, once for each update. False: it is beyond a limit, which was said; too fast, once a minute.

    Where nothing can be counted, what can be answered is.
    """
    message = arrival.update.message or arrival.update.edited_message
    if "spent" not in arrival.notes:
        written_ms = 1000 * int(message.edit_date or message.date.timestamp()) if message else now_ms()
        exempt = contact.person.role == "owner"
        try:
            spent = await asyncio.to_thread(parts.budgets.spend, contact.author, written_ms, exempt)
        except StoreUnavailable as error:
            log.warning("a question is answered without being counted: %s", error)
            return True
        await arrival.note(spent=spent)
    verdict: Verdict = arrival.notes["spent"]  # type: ignore[assignment]
    if verdict == "yes":
        return True
    if verdict != "fast again":
        reply = ReplyParameters(message_id=message.message_id, allow_sending_without_reply=True) if message else None
        said = wording.beyond(verdict, parts.settings, minutes_left())
        await bot.send_message(contact.chat_id, said, reply_parameters=reply)
    return False


async def count(parts: Parts, contact: Contact, tokens: int) -> None:
    """Count what an answer took. That it cannot be stored does not keep the answer from being shown."""
    try:
        if tokens:
            await asyncio.to_thread(parts.budgets.add_tokens, contact.author, tokens)
    except StoreUnavailable as error:
        log.warning("what an answer took is not counted: %s", error)
