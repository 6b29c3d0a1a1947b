"""/usage: what a person used of their budget today, and for operators what all did."""

import asyncio

from aiogram.types import Message

from bot import wording
from bot.parts import Contact, Parts
from feedback.budgets import minutes_left

SHOWN = 10
"""People that an operator is shown."""


async def usage(message: Message, parts: Parts, contact: Contact) -> None:
    """`/usage`: in a group nobody is shown what others used."""
    mine = await asyncio.to_thread(parts.budgets.used, contact.author)
    said = [wording.used(mine, parts.settings, minutes_left())]
    if contact.private and contact.person.is_operator:
        together = await asyncio.to_thread(parts.budgets.used)
        most = await asyncio.to_thread(parts.budgets.most, SHOWN)
        said += [wording.used_by_all(together, parts.settings), *(wording.used_by(who, used) for who, used in most)]
    await message.answer("\n".join(said))
