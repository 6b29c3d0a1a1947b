"""An answer on its way into a chat: it grows until it is complete, stopped or broken."""

import asyncio
import logging
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from aiogram.exceptions import AiogramError
from aiogram.types import InlineKeyboardMarkup

from bot import keyboards, texts
from bot.arrival import Arrival
from bot.formatting import shown
from bot.growing import Growing
from bot.limits.spending import count
from bot.parts import Contact, Parts
from bot.splitting import visible
from core.client import Asked, Begun, Ended, Said
from core.errors import ApprenticeError, StoreUnavailable
from core.records import Turn
from core.settings import Settings
from kinds.kind import UNSURE

PRIVATE_PACE_S, GROUP_PACE_S = 1.0, 3.0
"""Between two edits; Telegram allows about one a second in a chat, and twenty a minute in a group."""
LEFT_OUT_S = 0.25
"""After an edit that was left out, until it is tried again with what was said meanwhile."""
CLOSING_S, POLL_S = 3.0, 0.05
"""How long serving may take to close a stopped turn."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Answer:
    """What has been said so far, and how it ended."""

    text: str = ""
    turn_id: str | None = None
    ended: Ended | None = None
    error: ApprenticeError | None = None
    vote: int = 0
    """What its only reader has said of it already, where it is shown once more."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, said: Said) -> None:
        """The next piece; between two attempts it is what came of the first, in the person's language."""
        self.text += f"\n\n{texts.outcome(said.failed)}\n\n" if said.failed else said.text

    def words(self) -> str:
        """What was said, as Markdown; empty where nothing of it could be seen."""
        if self.ended is not None and self.ended.origin == "model" and self.text == UNSURE:
            return texts.UNSURE
        return self.text.strip() if visible(shown(self.text)) else ""

    def note(self, settings: Settings) -> str:
        """What stands below it in the chat, or in its place."""
        if self.error:
            return texts.sentence(self.error)
        if self.ended is None:
            return "" if self.words() else texts.STOPPED_UNSAID
        notes = [] if self.words() else [texts.NO_WORDS]
        notes += [texts.CHECKED] if self.ended.origin == "approved" else []
        notes += [texts.NOT_SURE] if settings.is_unsure(self.ended.confidence) else []
        notes += [texts.sources(self.ended.citations)] if self.ended.citations else []
        notes += [texts.outcome(self.ended.observation)] if self.ended.observation else []
        notes += [texts.UNRECORDED] if self.turn_id is None else []
        return "\n\n".join(notes)

    def keyboard(self) -> InlineKeyboardMarkup | None:
        """The buttons under it: none where there is no turn, and only 🔄 where nothing was answered."""
        if self.turn_id is None:
            return None
        answered = self.error is None and (self.ended is not None or self.words())
        cited = [citation.number for citation in self.ended.citations] if self.ended else []
        choices = self.ended.choices if self.ended else ()
        if not answered:
            return keyboards.again(self.turn_id)
        if self.vote:
            return keyboards.voted(self.turn_id, self.vote > 0, cited, choices)
        return keyboards.feedback(self.turn_id, cited, choices)


async def stream(parts: Parts, contact: Contact, arrival: Arrival, asked: Asked, growing: Growing) -> Answer:
    """Show an answer as it is said, until it ends by itself or is stopped; then as it stays, with its buttons."""
    answer, over = Answer(), asyncio.Event()
    listening = asyncio.create_task(_listen(parts, asked, answer, arrival))
    stopping = asyncio.create_task(arrival.stop.wait())
    showing = asyncio.create_task(_keep_showing(growing, answer, over, contact.private))
    await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopped = not listening.done()
    listening.cancel()
    stopping.cancel()
    over.set()
    await asyncio.wait({listening, stopping, showing})
    if stopped and answer.turn_id is not None:
        turn = await _recorded(parts, answer.turn_id)
        answer.text = (turn and turn.reply) or answer.text
    await finish(parts, contact, growing, answer)
    await count(parts, contact, await tokens_of(parts, answer))
    return answer


async def tokens_of(parts: Parts, answer: Answer) -> int:
    """How many tokens an answer took; of one that was not said to its end, the record knows those that were written."""
    if answer.ended is not None:
        return answer.ended.tokens
    turn = await _recorded(parts, answer.turn_id) if answer.turn_id else None
    return turn.reply_tokens if turn else 0


async def finish(parts: Parts, contact: Contact, growing: Growing, answer: Answer) -> None:
    """Show an answer as it stays, and remember which messages show its turn, before they can be rated if possible."""
    known = list(growing.message_ids)
    await _remember(parts, contact, known, answer)
    await growing.show(answer.words(), answer.note(parts.settings), answer.keyboard())
    if growing.message_ids != known:
        await _remember(parts, contact, growing.message_ids, answer)


async def _remember(parts: Parts, contact: Contact, message_ids: list[int], answer: Answer) -> None:
    try:
        if answer.turn_id is not None:
            for message_id in message_ids:
                await asyncio.to_thread(parts.turns.note_posted, contact.chat, message_id, answer.turn_id)
            await asyncio.to_thread(parts.turns.note_shown, contact.chat, answer.turn_id, message_ids)
        await asyncio.to_thread(parts.turns.note_latest, contact.chat, contact.topic, answer.turn_id)
    except StoreUnavailable as error:
        log.warning("replies to an answer will not be taken as corrections: %s", error)


async def _listen(parts: Parts, asked: Asked, answer: Answer, arrival: Arrival) -> None:
    try:
        async with aclosing(parts.serving.answer(asked)) as events:
            async for event in events:
                match event:
                    case Begun():
                        answer.turn_id = event.turn_id
                        await arrival.note(turn=event.turn_id or "")
                    case Said():
                        answer.add(event)
                        answer.begun.set()
                    case Ended():
                        answer.ended, answer.turn_id, answer.text = event, event.turn_id, event.text
    except ApprenticeError as error:
        answer.error = error
    except Exception:
        log.exception("an answer could not be read")
        answer.error = ApprenticeError(texts.BROKEN)


async def _keep_showing(growing: Growing, answer: Answer, over: asyncio.Event, private: bool) -> None:
    waits = {asyncio.create_task(answer.begun.wait()), asyncio.create_task(over.wait())}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for waiting in waits:
        waiting.cancel()
    while not over.is_set():
        wait_s = PRIVATE_PACE_S if private else GROUP_PACE_S
        try:
            if not await growing.grow(answer.text):
                wait_s = LEFT_OUT_S
        except AiogramError as error:
            log.warning("an answer could not be shown as far as it is: %s", type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), wait_s)


async def _recorded(parts: Parts, turn_id: str) -> Turn | None:
    """What the record holds of a stopped turn, once serving has closed it: what a rating will be about."""
    with suppress(ApprenticeError, TimeoutError):
        async with asyncio.timeout(CLOSING_S):
            while (turn := await asyncio.to_thread(parts.turns.get, turn_id)).status == "open":
                await asyncio.sleep(POLL_S)
            return turn
    return None
