"""A text that grows in a chat: plain and in passing while it does, and with its formatting once it is complete."""

import asyncio
import logging
import re
import secrets
import time
from contextlib import suppress
from typing import Any

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramNotFound
from aiogram.methods import EditMessageText, SendMessage, SendMessageDraft, SendRichMessage, TelegramMethod
from aiogram.types import InlineKeyboardMarkup, InputRichMessage, Message, ReplyParameters

from bot import keyboards, texts
from bot.arrival import Arrival
from bot.formatting import formatted, shown
from bot.outgoing import PassingEdit, PassingMessage
from bot.parts import Contact
from bot.splitting import Formatted, pieces
from core.settings import Settings

RICH_LIMIT = 32_768
"""Bytes of a rich message."""
DRAFT_S = 20.0
"""A draft is shown for 30 seconds, and sent again before."""
PASSING_TIMEOUT_S = 10
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~=$])")

log = logging.getLogger(__name__)
_Shown = tuple[Formatted, InlineKeyboardMarkup | None]


class Growing:
    """A text in a chat, in as many messages as its length needs."""

    def __init__(self, bot: Bot, chat_id: int, reply_to: int | None, arrival: Arrival, rich: bool = False):
        self._bot = bot
        self._arrival = arrival
        self._chat_id = chat_id
        self._reply = (
            ReplyParameters(message_id=reply_to, allow_sending_without_reply=True) if reply_to is not None else None
        )
        self._rich = rich
        self._shown: list[_Shown] = []
        self.message_ids: list[int] = []

    def adopt(self, message_id: int) -> None:
        """Grow in a message that is there already, whatever it shows."""
        self.message_ids.append(message_id)
        self._shown.append((Formatted(""), None))

    async def begin(self) -> None:
        """Show that an answer is on its way, and how to stop it.

        Raises: TelegramAPIError.
        """
        await self._place(0, Formatted(texts.PLACEHOLDER), keyboards.stop())

    async def grow(self, text: str) -> bool:
        """Bring the messages towards this text, as far as that needs no waiting. Whether they are all of it now.

        Raises: TelegramAPIError.
        """
        for n, piece, keyboard in _last_with(pieces(Formatted(shown(text))), keyboards.stop()):
            if not await self._place(n, piece, keyboard, passing=True):
                return False
        return True

    async def show(self, markdown: str, note: str, keyboard: InlineKeyboardMarkup | None) -> None:
        """Bring the messages to the whole text, with a note below it that is no Markdown, and the buttons.

        Raises: TelegramAPIError.
        """
        if self._rich and markdown and await self._show_rich(markdown, note, keyboard):
            return
        said = await asyncio.to_thread(formatted, markdown)
        whole = said + Formatted("\n\n" * bool(said.text and note) + shown(note))
        placed = 0
        for n, piece, under in _last_with(pieces(whole), keyboard):
            await self._place(n, piece, under)
            placed = n + 1
        await self._remove(placed)

    async def _place(
        self, n: int, piece: Formatted, keyboard: InlineKeyboardMarkup | None, passing: bool = False
    ) -> bool:
        """Whether the message with this number now shows the piece."""
        if n < len(self._shown) and self._shown[n] == (piece, keyboard):
            return True
        content = {
            "chat_id": self._chat_id,
            "text": piece.text,
            "entities": list(piece.entities) or None,
            "reply_markup": keyboard,
        }
        if n < len(self.message_ids):
            done = await self._edit(content | {"message_id": self.message_ids[n]}, passing)
            if done is not None:
                self._shown[n] = (piece, keyboard) if done else self._shown[n]
                return done
        kind = PassingMessage if passing else SendMessage
        sent = await self._write(kind, content | {"reply_parameters": None if self.message_ids else self._reply})
        if isinstance(sent, Message):
            self.message_ids[n : n + 1], self._shown[n : n + 1] = [sent.message_id], [(piece, keyboard)]
            await self._note()
        return isinstance(sent, Message)

    async def _edit(self, content: dict[str, Any], passing: bool) -> bool | None:
        """Whether the message now has this content; None where somebody has deleted it."""
        try:
            return await self._write(PassingEdit if passing else EditMessageText, content) is not False
        except TelegramBadRequest as error:
            if "message to edit not found" in error.message:
                return None
            if "message is not modified" in error.message:
                return True
            raise

    async def _write(self, kind: type[TelegramMethod[Any]], content: dict[str, Any]) -> Message | bool:
        """Make a call; once more with plain text where Telegram refuses it with its entities."""
        timeout = PASSING_TIMEOUT_S if issubclass(kind, PassingEdit | PassingMessage) else None
        try:
            return await self._bot(kind.model_validate(content), request_timeout=timeout)
        except TelegramBadRequest as error:
            known = ("message is not modified", "not found")
            if not content["entities"] or any(said in error.message for said in known):
                raise
            log.warning("an answer is shown without its formatting: %s", error.message)
            return await self._bot(kind.model_validate(content | {"entities": None}))

    async def _show_rich(self, markdown: str, note: str, keyboard: InlineKeyboardMarkup | None) -> bool:
        """Whether the text is shown as one rich message."""
        whole = shown(markdown) + ("\n\n" + _SPECIAL.sub(r"\\\1", shown(note)) if note else "")
        if len(whole.encode()) > RICH_LIMIT:
            return False
        rich, chat = InputRichMessage(markdown=whole), self._chat_id
        try:
            if self.message_ids:
                first = self.message_ids[0]
                await self._bot(
                    EditMessageText(chat_id=chat, message_id=first, rich_message=rich, reply_markup=keyboard)
                )
            else:
                sent = await self._bot(
                    SendRichMessage(
                        chat_id=chat, rich_message=rich, reply_markup=keyboard, reply_parameters=self._reply
                    )
                )
                self.message_ids.append(sent.message_id)
                self._shown.append((Formatted(whole), keyboard))
                await self._note()
        except (TelegramBadRequest, TelegramNotFound) as error:
            log.warning("an answer is shown as a plain message, not as a rich one: %s", error.message)
            return False
        await self._remove(1)
        return True

    async def _remove(self, first: int) -> None:
        """Delete the messages from this number on."""
        for message_id in self.message_ids[first:]:
            with suppress(TelegramBadRequest):
                await self._bot.delete_message(self._chat_id, message_id)
        del self.message_ids[first:], self._shown[first:]

    async def _note(self) -> None:
        """Remember the messages, so that the answer goes on in them if this process dies."""
        await self._arrival.note(messages=",".join(map(str, self.message_ids)))


class Drafted(Growing):
    """A text that is a draft in a private chat while it grows: until it is complete, its newest piece is seen."""

    def __init__(self, bot: Bot, chat_id: int, reply_to: int | None, arrival: Arrival, rich: bool = False):
        super().__init__(bot, chat_id, reply_to, arrival, rich)
        self._id = secrets.randbelow(2**31 - 1) + 1
        self._drafted, self._at = "", 0.0

    async def begin(self) -> None:
        """Show that an answer is on its way; the draft has Telegram's own button to stop it."""
        await self._draft("")

    async def grow(self, text: str) -> bool:
        """Show the text's newest piece, where that needs no waiting. Whether it is shown now."""
        newest = pieces(Formatted(shown(text)))[-1:]
        if newest and (newest[0].text != self._drafted or time.monotonic() - self._at > DRAFT_S):
            return await self._draft(newest[0].text)
        return True

    async def _draft(self, text: str) -> bool:
        draft = SendMessageDraft(chat_id=self._chat_id, draft_id=self._id, text=text, can_stop=True, keep_on_stop=True)
        drafted = await self._bot(draft, request_timeout=PASSING_TIMEOUT_S)
        if drafted:
            self._drafted, self._at = text, time.monotonic()
        return drafted


def growing(bot: Bot, contact: Contact, reply_to: int | None, arrival: Arrival, settings: Settings) -> Growing:
    """An answer's text in a chat, the way the settings have it."""
    drafts = settings.telegram_streaming == "drafts" and contact.private
    return (Drafted if drafts else Growing)(bot, contact.chat_id, reply_to, arrival, settings.telegram_rich)


def _last_with(
    found: list[Formatted], keyboard: InlineKeyboardMarkup | None
) -> list[tuple[int, Formatted, InlineKeyboardMarkup | None]]:
    """The pieces with their numbers, and the keyboard under the last."""
    return [(n, piece, keyboard if n == len(found) - 1 else None) for n, piece in enumerate(found)]
