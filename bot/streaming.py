"""An answer on its way into a chat: messages that grow by edits, until the answer is complete, stopped or broken."""

import asyncio
import logging
from contextlib import aclosing, suppress
from dataclasses import dataclass

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest
from aiogram.types import InlineKeyboardMarkup, ReplyParameters

from bot import keyboards, texts
from bot.arrival import Arrival
from bot.parts import Contact, Parts
from bot.splitting import split
from core.client import Asked, Begun, Ended, Said
from core.errors import ApprenticeError, StoreUnavailable

PRIVATE_PACE_S, GROUP_PACE_S = 1.0, 3.0
"""Between two edits; Telegram allows about one a second in a chat, and twenty a minute in a group."""
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

    def final(self) -> str:
        """The text as it stays in the chat."""
        parts = [self.text.strip()]
        if self.error:
            parts.append(texts.sentence(self.error))
        elif self.ended is None:
            parts[0] = parts[0] or texts.STOPPED_UNSAID
        else:
            parts[0] = parts[0] or texts.NO_WORDS
            parts += [texts.CHECKED] if self.ended.origin == "approved" else []
            parts += [texts.sources(self.ended.citations)] if self.ended.citations else []
            parts += [texts.UNRECORDED] if self.turn_id is None else []
        return "\n\n".join(part for part in parts if part)

    def keyboard(self) -> InlineKeyboardMarkup | None:
        """The buttons under it: none where there is no turn, and only 🔄 where nothing was answered."""
        if self.turn_id is None:
            return None
        answered = self.error is None and (self.ended is not None or self.text.strip())
        cited = [citation.number for citation in self.ended.citations] if self.ended else []
        return keyboards.feedback(self.turn_id, cited) if answered else keyboards.again(self.turn_id)


class Growing:
    """A text in a chat, in as many messages as its length needs."""

    def __init__(self, bot: Bot, chat_id: int, reply_to: int | None, arrival: Arrival):
        self._bot = bot
        self._arrival = arrival
        self._chat_id = chat_id
        self._reply = (
            ReplyParameters(message_id=reply_to, allow_sending_without_reply=True) if reply_to is not None else None
        )
        self._shown: list[tuple[str, InlineKeyboardMarkup | None]] = []
        self.message_ids: list[int] = []

    def adopt(self, message_id: int) -> None:
        """Grow in a message that is there already, whatever it shows."""
        self.message_ids.append(message_id)
        self._shown.append(("", None))

    async def show(self, text: str, keyboard: InlineKeyboardMarkup | None = None) -> None:
        """Bring the messages to this text, with the buttons under the last.

        Raises: TelegramAPIError.
        """
        pieces = [piece.strip() for piece in split(text) if piece.strip()]
        for n, piece in enumerate(pieces):
            shown = (piece, keyboard if n == len(pieces) - 1 else None)
            if n == len(self._shown):
                self.message_ids.append(await self._send(*shown))
                self._shown.append(shown)
                await self._note()
            elif self._shown[n] != shown:
                await self._edit(n, *shown)
                self._shown[n] = shown

    async def _send(self, text: str, keyboard: InlineKeyboardMarkup | None) -> int:
        sent = await self._bot.send_message(
            self._chat_id, text, reply_markup=keyboard, reply_parameters=self._reply if not self._shown else None
        )
        return sent.message_id

    async def _edit(self, n: int, text: str, keyboard: InlineKeyboardMarkup | None) -> None:
        try:
            await self._bot.edit_message_text(
                text, chat_id=self._chat_id, message_id=self.message_ids[n], reply_markup=keyboard
            )
        except TelegramBadRequest as error:
            if "message to edit not found" in error.message:
                self.message_ids[n] = await self._send(text, keyboard)
                await self._note()
            elif "message is not modified" not in error.message:
                raise

    async def _note(self) -> None:
        """Remember the messages, so that the answer goes on in them if this process dies."""
        await self._arrival.note(messages=",".join(map(str, self.message_ids)))


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
        answer.text = await _recorded(parts, answer.turn_id) or answer.text
    await finish(parts, contact, growing, answer)
    return answer


async def finish(parts: Parts, contact: Contact, growing: Growing, answer: Answer) -> None:
    """Show an answer as it stays, and remember which messages show its turn, before they can be rated if possible."""
    known = list(growing.message_ids)
    await _remember(parts, contact, known, answer)
    await growing.show(answer.final(), answer.keyboard())
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
                        answer.text += event.text
                    case Ended():
                        answer.ended, answer.turn_id, answer.text = event, event.turn_id, event.text
    except ApprenticeError as error:
        answer.error = error
    except Exception:
        log.exception("an answer could not be read")
        answer.error = ApprenticeError(texts.BROKEN)


async def _keep_showing(growing: Growing, answer: Answer, over: asyncio.Event, private: bool) -> None:
    pace_s = PRIVATE_PACE_S if private else GROUP_PACE_S
    while not over.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), pace_s)
            return
        try:
            await growing.show(answer.text)
        except AiogramError as error:
            log.warning("an answer could not be shown as far as it is: %s", type(error).__name__)


async def _recorded(parts: Parts, turn_id: str) -> str | None:
    """What the record holds of a stopped turn, once serving has closed it: what a rating will be about."""
    with suppress(ApprenticeError, TimeoutError):
        async with asyncio.timeout(CLOSING_S):
            while (turn := await asyncio.to_thread(parts.turns.get, turn_id)).status == "open":
                await asyncio.sleep(POLL_S)
            return turn.reply
    return None
