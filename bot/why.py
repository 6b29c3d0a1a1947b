"""/why: which version answered and what it learned from, which sources it was given; and the passages that it cites."""

import asyncio
from datetime import UTC, datetime

from aiogram.types import CallbackQuery, Message
from aiogram.utils.formatting import Bold, Text

from bot import texts, wording
from bot.buttons import own_turn
from bot.keyboards import Cited
from bot.parts import Contact, Parts
from bot.splitting import LIMIT, split
from core.errors import NotFound
from core.records import APPROVED_PASSAGE, BASE, Turn

SHORT_ID = 12
PASSAGE_UNITS = LIMIT // 2
"""How much of a passage is shown."""


async def why(message: Message, parts: Parts, contact: Contact) -> None:
    """`/why`, in reply to an answer or about the last one."""
    turn = await asyncio.to_thread(_asked_about, parts, contact, message.reply_to_message)
    if turn is None:
        await message.answer(texts.NO_ANSWER_YET)
        return
    if turn.origin == "operator":
        await message.reply(texts.PERSON_WROTE_IT)
        return
    said = [await asyncio.to_thread(_version, parts, turn)]
    if turn.origin == "approved":
        said.append(await asyncio.to_thread(_approval, parts, turn))
    else:
        said.append(wording.passages(turn))
    if turn.adapter != BASE and said[0] != texts.UNKNOWN_VERSION:
        said.append(wording.examples(await parts.library.examples(turn.id)))
    for piece in split("\n\n".join(said)):
        await message.reply(piece)


async def cited(callback: CallbackQuery, callback_data: Cited, parts: Parts, contact: Contact) -> None:
    """[n] under an answer: the passage it cites, with what supports the answer in bold."""
    turn = await own_turn(parts, contact, callback_data.turn)
    citation = next((c for c in turn.citations if c.number == callback_data.number), None)
    passage = next((p for p in turn.passages if citation and p.id == citation.passage_id), None)
    if citation is None or passage is None or not isinstance(callback.message, Message):
        await callback.answer(texts.NO_SUCH_PASSAGE, show_alert=True)
        return
    await callback.answer()
    before, found, after = passage.text[:PASSAGE_UNITS].partition(citation.text)
    heading = f"[{citation.number}] {texts.name_of(passage)}"
    shown = Text(heading, "\n\n", before, Bold(found), after) if found else Text(heading, "\n\n", before)
    await callback.message.reply(**shown.as_kwargs())


def _asked_about(parts: Parts, contact: Contact, replied: Message | None) -> Turn | None:
    shown = parts.turns.posted(contact.chat, replied.message_id) if replied else None
    if shown is not None:
        return parts.turns.get(shown)
    turns = parts.turns.conversation(parts.turns.head(contact.chat, contact.topic))
    return turns[-1] if turns else None


def _version(parts: Parts, turn: Turn) -> str:
    if turn.adapter == BASE:
        return texts.BASE_VERSION
    try:
        version = parts.registry.get(turn.adapter)
    except NotFound:
        return texts.UNKNOWN_VERSION
    manifest, report = version.manifest, version.report
    said = wording.version(version.id[:SHORT_ID], _day(version.created_at), len(manifest.sources), manifest.chunks)
    return "\n".join([said, wording.gate(report) if report else texts.UNJUDGED])


def _approval(parts: Parts, turn: Turn) -> str:
    """When the answer was approved that was given word for word; the turn it was approved for stands in its passage."""
    for passage in turn.passages:
        review = parts.reviews.get(passage.id.removeprefix(APPROVED_PASSAGE))
        if review is not None:
            return wording.approved(_day(review.created_at))
    return wording.passages(turn)


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"
