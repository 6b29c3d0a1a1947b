"""👍 and 👎: by buttons, which can be undone, with a reason in one tap; and by reactions, where Telegram tells."""

import asyncio
from typing import Literal

from aiogram.types import CallbackQuery, InlineKeyboardMarkup, MessageReactionUpdated, ReactionTypeUnion

from bot import keyboards, texts
from bot.arrival import Arrival
from bot.buttons import askers_turn, own_turn, put_under
from bot.keyboards import AboutAnswer, AboutReason
from bot.parts import Contact, Parts, outside
from core.records import Turn

Value = Literal[-1, 0, 1]
LIKED = frozenset("👍❤🔥🥰👏🎉🤩🙏👌😍💯🏆🍾💋🤗🫡🆒💘😘🤝") | {"❤‍🔥"}
DISLIKED = frozenset("👎🤬🤮💩🖕🤡💔😡")
"""The reactions that say whether an answer was right; of the others no one knows."""


async def vote(
    callback: CallbackQuery, callback_data: AboutAnswer, parts: Parts, contact: Contact, arrival: Arrival
) -> None:
    """👍, 👎, or neither. In a group the buttons stay for the others, and the same one takes it back."""
    turn = await own_turn(parts, contact, callback_data.turn)
    if "vote" not in arrival.notes:
        pressed = {"up": 1, "down": -1}.get(callback_data.action, 0)
        before = None if contact.private else await asyncio.to_thread(parts.ratings.vote, turn.id, contact.author)
        await arrival.note(vote=str(0 if pressed == before else pressed))
    value: Value = int(arrival.notes["vote"])  # type: ignore[assignment]
    await asyncio.to_thread(parts.ratings.rate, turn.id, contact.author, value)
    await note_where(parts, contact, turn.id)
    mine = contact.has_asked(turn)
    asks = value < 0 and mine
    await callback.answer({1: texts.GOOD, 0: texts.TAKEN_BACK, -1: texts.BAD if asks else texts.BAD_FOR_ANOTHER}[value])
    if mine:
        await put_under(callback, _buttons(turn, value, contact.private, asks))


async def give_reason(callback: CallbackQuery, callback_data: AboutReason, parts: Parts, contact: Contact) -> None:
    """Why it was 👎; in a group only the asker is asked."""
    turn = await askers_turn(callback, parts, contact, callback_data.turn)
    if turn is None:
        return
    await asyncio.to_thread(parts.ratings.rate, turn.id, contact.author, -1, callback_data.reason)
    await note_where(parts, contact, turn.id)
    await callback.answer(texts.REASON_NOTED)
    await put_under(callback, _buttons(turn, -1, contact.private, asks=False))


async def react(reaction: MessageReactionUpdated, parts: Parts) -> None:
    """A member's reaction to an answer counts as a thumb; one that is withdrawn takes it back."""
    if reaction.user is None or reaction.user.is_bot:
        return
    before, after = _meaning(reaction.old_reaction), _meaning(reaction.new_reaction)
    contact = await parts.contact(reaction.chat, reaction.user)
    if before == after or contact.person.role is None or contact.person.banned:
        return
    turn = await asyncio.to_thread(parts.turns.posted, contact.chat, reaction.message_id)
    if turn is not None:
        await asyncio.to_thread(parts.ratings.rate, turn, contact.author, after)
        await note_where(parts, contact, turn)


async def note_where(parts: Parts, contact: Contact, turn_id: str) -> None:
    """Remember where who asked is sent a better answer, as long as they say that this one was not right.

    Raises: StoreUnavailable.
    """
    await asyncio.to_thread(parts.amends.note, turn_id, contact.author, outside(contact.chat_id))


def _meaning(reactions: list[ReactionTypeUnion]) -> Value:
    """The newest reaction that says whether an answer was right; 0 where none does."""
    for emoji in (str(getattr(each, "emoji", "")).removesuffix("\ufe0f") for each in reversed(reactions)):
        if emoji in LIKED or emoji in DISLIKED:
            return 1 if emoji in LIKED else -1
    return 0


def _buttons(turn: Turn, value: Value, private: bool, asks: bool) -> InlineKeyboardMarkup:
    """What stands under an answer after a vote, for its only reader, or for everyone in a group."""
    cited = [citation.number for citation in turn.citations]
    whole = (
        keyboards.feedback(turn.id, cited, turn.choices)
        if not private or value == 0
        else keyboards.voted(turn.id, value > 0, cited, turn.choices)
    )
    return keyboards.reasons(turn.id, whole) if asks else whole
