"""Answers that were begun before: after a crash or an edit they go on in the same message."""

import asyncio
import time
from contextlib import suppress

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest

from bot import texts
from bot.arrival import Arrival
from bot.growing import Growing
from bot.parts import Contact, Parts
from bot.streaming import Answer
from core.client import Ended
from core.errors import ApprenticeError, NotFound, StoreUnavailable
from core.records import Turn

CLOSING_S, SERVING_S, POLL_S = 5.0, 60.0, 0.2
"""How long serving may take to close a turn whose reader died, and to come back itself."""


async def take_over(bot: Bot, contact: Contact, arrival: Arrival, growing: Growing) -> None:
    """Let an answer grow in the message in which it was begun. Where it had more than one, the others go."""
    begun = [int(message_id) for message_id in arrival.notes.get("messages", "").split(",") if message_id]
    for message_id in begun[1:]:
        with suppress(TelegramBadRequest):
            await bot.delete_message(contact.chat_id, message_id)
    if begun:
        growing.adopt(begun[0])


async def settled(parts: Parts, contact: Contact, arrival: Arrival) -> Answer | None:
    """How an answer that was begun before ends without asking again; None: it is to be asked (again).

    Raises: StoreUnavailable.
    """
    turn = await _closed(parts, arrival.notes.get("turn"))
    if turn is not None and turn.status == "complete":
        seen = (await asyncio.to_thread(parts.observations.of, [turn.id])).get(turn.id)
        said = (turn.id, turn.adapter, turn.reply, turn.origin, turn.citations, "stop", None, turn.confidence)
        ended = Ended(*said, observation=seen, choices=turn.choices)
        vote = await asyncio.to_thread(parts.ratings.vote, turn.id, contact.author) if contact.private else None
        return Answer(turn.reply, turn.id, ended, vote=vote or 0)
    if turn is not None and turn.status == "stopped" and arrival.stop.is_set():
        return Answer(turn.reply, turn.id)
    late = arrival.is_late and bool(arrival.notes.get("messages"))
    if arrival.is_given_up or late:
        if turn is not None:
            await asyncio.to_thread(parts.turns.step_back, turn)
        return Answer(error=ApprenticeError(texts.LATE if late else texts.BROKEN))
    if arrival.is_resumed:
        await _serving_is_back(parts, arrival)
    return None


async def _closed(parts: Parts, turn_id: str | None) -> Turn | None:
    """A turn, once serving has noticed that nobody reads it any more."""
    end = time.monotonic() + CLOSING_S
    while turn_id:
        try:
            turn = await asyncio.to_thread(parts.turns.get, turn_id)
        except (NotFound, StoreUnavailable):
            return None
        if turn.status != "open" or time.monotonic() > end:
            return turn
        await asyncio.sleep(POLL_S)
    return None


async def _serving_is_back(parts: Parts, arrival: Arrival) -> None:
    """Whatever ended the bot may have ended serving as well, which takes longer to start."""
    end = time.monotonic() + SERVING_S
    while time.monotonic() < end and not arrival.stop.is_set() and not await parts.serving.is_ready():
        await asyncio.sleep(POLL_S)
