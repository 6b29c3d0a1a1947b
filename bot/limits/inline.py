"""Inline mode: `@bot question?` in any chat, answered with one result, for members. Each key press sends a query."""

import asyncio
import logging
from contextlib import aclosing, suppress

from aiogram.enums import ChatType
from aiogram.types import (
    Chat,
    InlineQuery,
    InlineQueryResultArticle,
    InlineQueryResultsButton,
    InputTextMessageContent,
    LinkPreviewOptions,
)

from bot import texts, wording
from bot.arrival import Arrival
from bot.formatting import formatted, shown
from bot.limits.spending import count
from bot.parts import Contact, Parts, outside
from bot.splitting import LIMIT, Formatted, pieces, units
from bot.streaming import Answer, tokens_of
from core.client import Asked, Begun, Ended, Said
from core.errors import ApprenticeError, StoreUnavailable
from core.records import Message, now_ms
from core.settings import Settings

ANSWER_S = 8.0
"""Telegram forgets a query after some ten seconds: what was said by then is the answer."""
KEPT_S = 300
"""How long Telegram may give the same person the same answer to the same words."""
MORE = " …"
"""What an answer ends with of which there is more."""
START = "inline"
"""What the button above the results says to /start."""
TOPIC = "inline"
"""Of the person's own chat: so these questions are no part of what is talked about there."""

log = logging.getLogger(__name__)


async def asked(query: InlineQuery, parts: Parts, arrival: Arrival) -> None:
    """Answer a query that is complete, or say on the button above why not."""
    if arrival.is_resumed:
        return
    contact = await parts.contact(Chat(id=query.from_user.id, type=ChatType.PRIVATE), query.from_user)
    text = query.query.strip()
    hint = await _hint(text, parts, contact)
    if hint is not None:
        await _say(query, hint)
        return
    answer = await _answer(parts, contact, text)
    try:
        if answer.error is None and answer.words():
            offered = await asyncio.to_thread(result, text, answer, parts.settings)
            await query.answer([offered], cache_time=KEPT_S, is_personal=True)
        else:
            await _say(query, texts.INLINE_FAILED)
    finally:
        await count(parts, contact, await tokens_of(parts, answer))


async def _hint(text: str, parts: Parts, contact: Contact) -> str | None:
    """Why a query is not answered; a question that is, is counted."""
    if contact.person.role is None or contact.person.banned:
        return texts.INLINE_STRANGER
    if not contact.person.told:
        return texts.INLINE_UNTOLD
    exempt = contact.person.role == "owner"
    try:
        verdict = await asyncio.to_thread(parts.budgets.spend, contact.author, now_ms(), exempt)
    except StoreUnavailable:
        return texts.INLINE_FAILED
    return None if verdict == "yes" else texts.INLINE_BEYOND


async def _answer(parts: Parts, contact: Contact, text: str) -> Answer:
    """What the model says within the time there is."""
    answer = Answer()
    question = Asked([Message("user", text)], outside(contact.chat_id), outside(contact.user_id), topic=TOPIC)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S), aclosing(parts.serving.answer(question)) as events:
                async for event in events:
                    match event:
                        case Begun():
                            answer.turn_id = event.turn_id
                        case Said():
                            answer.add(event)
                        case Ended():
                            answer.ended, answer.text = event, event.text
    except ApprenticeError as error:
        log.warning("an inline query is not answered: %s", error)
        answer.error = error
    return answer


def result(text: str, answer: Answer, settings: Settings) -> InlineQueryResultArticle:
    """The answer, as the one result to choose: one message, which says where there is more than it holds."""
    note = shown(answer.note(settings))
    whole = formatted(answer.words()) + Formatted(f"\n\n{note}" if note else "")
    said, *more = pieces(whole)
    if more or answer.ended is None:
        said = pieces(whole, LIMIT - units(MORE))[0] + Formatted(MORE)
    return InlineQueryResultArticle(
        id="answer",
        title=text,
        description=wording.excerpt(said.text),
        input_message_content=InputTextMessageContent(
            message_text=said.text,
            entities=list(said.entities) or None,
            parse_mode=None,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        ),
    )


async def _say(query: InlineQuery, hint: str) -> None:
    button = InlineQueryResultsButton(text=hint, start_parameter=START)
    await query.answer([], cache_time=0, is_personal=True, button=button)
