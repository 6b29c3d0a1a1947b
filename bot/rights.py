"""/privacy and /export: what is stored of a person, and all of it in a file. Strangers have these rights too."""

import asyncio
import json

from aiogram import Bot
from aiogram.types import BufferedInputFile, Message

from bot import access, texts
from bot.parts import Contact, Parts, outside

FILE = "apprentice-export.json"


async def privacy(message: Message, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/privacy`: what is stored and a person's rights, then for how long, with the choice about learning."""
    await message.answer(texts.PRIVACY)
    if contact.person.role is not None:
        await access.introduce(bot, parts, contact.chat_id, contact.author)


async def export(message: Message, parts: Parts, contact: Contact) -> None:
    """`/export`: a JSON file of everything that is stored of the person; whole, or not at all."""
    if not contact.private:
        await message.reply(texts.EXPORT_IN_PRIVATE)
        return
    address = outside(contact.user_id)
    requests = await asyncio.to_thread(parts.people.requests)
    everything = await asyncio.to_thread(parts.portability.of, contact.author)
    everything |= {
        "address": address,
        "access_request": requests.get(address),
        "documents": await parts.library.sent_by(address),
    }
    content = json.dumps(everything, ensure_ascii=False, indent=2).encode()
    await message.answer_document(BufferedInputFile(content, FILE), caption=texts.EXPORT)
