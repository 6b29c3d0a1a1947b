"""Kinds of task by command: /label, /summary and the like, with a text or in reply to one; and labels to choose."""

import asyncio

from aiogram import Bot
from aiogram.filters import CommandObject
from aiogram.types import CallbackQuery, Message

from bot import keyboards, texts
from bot.arrival import Arrival
from bot.buttons import askers_turn, put_under
from bot.keyboards import AboutChoice
from bot.parts import Contact, Parts, outside
from bot.questions import ask
from bot.votes import note_where
from core.errors import NotFound
from core.records import Turn


async def asked(
    message: Message, command: CommandObject, bot: Bot, parts: Parts, contact: Contact, arrival: Arrival
) -> None:
    """A command that names a kind of task: what follows it, and what it replies to, is the instruction."""
    instruction = material(message, command.args or "")
    if not instruction:
        await message.reply(texts.TASK_NEEDS_TEXT)
        return
    await ask(bot, parts, contact, arrival, instruction, message.message_id, command.command.lower())


def material(message: Message, written: str) -> str:
    """What is written, then the text that a message quotes or replies to."""
    replied = message.reply_to_message
    if message.quote is not None:
        about = message.quote.text
    else:
        about = (replied.text or replied.caption or "") if replied is not None else ""
    return "\n\n".join(part for part in (written.strip(), about.strip()) if part)


async def choose(
    callback: CallbackQuery, callback_data: AboutChoice, parts: Parts, contact: Contact, arrival: Arrival
) -> None:
    """One of the likeliest labels is the right one: a 👍 where it was the answer, a correction where it was not.

    The same again takes it back. In a group only the asker chooses.
    """
    turn = await askers_turn(callback, parts, contact, callback_data.turn)
    if turn is None:
        return
    if callback_data.number >= len(turn.choices):
        raise NotFound("this answer has no such label.")
    label = turn.choices[callback_data.number].text
    if "chosen" not in arrival.notes:
        before = await asyncio.to_thread(chosen, parts, turn, contact.author)
        await arrival.note(chosen="" if before == label else label)
    label = arrival.notes["chosen"]
    await asyncio.to_thread(_store, parts, contact, turn, label)
    await note_where(parts, contact, turn.id)
    await callback.answer(texts.label_noted(label) if label else texts.TAKEN_BACK)
    cited = [citation.number for citation in turn.citations]
    await put_under(callback, keyboards.feedback(turn.id, cited, turn.choices, label))


def chosen(parts: Parts, turn: Turn, author: str) -> str:
    """The label that somebody said is right; empty where they have not."""
    corrected = next((c.text for c in parts.ratings.corrections(turn.id) if c.author == author), "")
    return corrected or (turn.reply if parts.ratings.vote(turn.id, author) == 1 else "")


def _store(parts: Parts, contact: Contact, turn: Turn, label: str) -> None:
    """Let one label be the right one, and take back what the same person said before."""
    corrected = any(c.author == contact.author for c in parts.ratings.corrections(turn.id))
    voted = parts.ratings.vote(turn.id, contact.author) is not None
    if corrected and label in ("", turn.reply):
        parts.ratings.take_back_correction(turn.id, contact.author)
        parts.thanks.expect_no_longer(turn.id, contact.author, contact.chat)
    if label and label != turn.reply:
        parts.thanks.expect(turn.id, contact.author, contact.chat, outside(contact.chat_id))
        parts.ratings.correct(turn.id, contact.author, label)
    if label == turn.reply or voted:
        parts.ratings.rate(turn.id, contact.author, 1 if label == turn.reply else 0)
