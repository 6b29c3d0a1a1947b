"""Who may use the bot: addressed messages only, members only, and what a stranger can do about it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.filters import CommandObject
from aiogram.types import CallbackQuery, Message, TelegramObject, User

from bot import keyboards, texts, wording
from bot.addressing import addressed, topic_of
from bot.operators import phrases
from bot.parts import Contact, Parts, outside, speaking_to, telegram_id
from bot.tongue import DEFAULT, known

DAY_S = 86_400

log = logging.getLogger(__name__)


async def admit(
    handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
    event: TelegramObject,
    data: dict[str, Any],
) -> Any:
    """Give handlers the contact; drop what is not said to the bot. A member's first message is met with the notice."""
    assert isinstance(event, Message | CallbackQuery)
    message = event if isinstance(event, Message) else event.message
    user, parts, bot = event.from_user, data["parts"], data["bot"]
    if isinstance(event, CallbackQuery) and message is None:
        return await event.answer(texts.UNKNOWN_BUTTON)
    if user is None or user.is_bot or message is None:
        return None
    if isinstance(event, Message) and not addressed(event, await bot.me(), parts.settings.telegram_trigger):
        return None
    if message.chat.type != ChatType.PRIVATE and not await _serves(event, message.chat.id, data):
        return None
    contact = await parts.contact(message.chat, user, topic_of(message))
    if contact.person.banned:
        return None
    if contact.person.role:
        await remember_language(parts, contact, user)
    if isinstance(event, Message) and contact.person.role and not contact.person.told:
        await introduce(bot, parts, contact.chat_id, contact.author)
    return await handler(event, data | {"contact": contact})


async def _serves(event: Message | CallbackQuery, group: int, data: dict[str, Any]) -> bool:
    """Whether a group may use the bot; where not, that is said once a day."""
    open_groups = data["parts"].settings.open_groups
    if not open_groups or group in open_groups:
        return True
    if isinstance(event, CallbackQuery):
        await event.answer(wording.group_closed(group), show_alert=True)
    elif await data["inbox"].is_first(f"group:{group}", DAY_S, data["arrival"]):
        await event.reply(wording.group_closed(group))
    return False


def is_stranger(_: TelegramObject, contact: Contact) -> bool:
    """A filter: whoever has no access yet."""
    return contact.person.role is None


def is_member(_: TelegramObject, contact: Contact) -> bool:
    """A filter: whoever has access."""
    return contact.person.role is not None


def is_operator(_: TelegramObject, contact: Contact) -> bool:
    """A filter: whoever decides on answers, versions and who is banned."""
    return contact.person.is_operator


def is_operator_in_private(_: TelegramObject, contact: Contact) -> bool:
    """A filter: such a person, where nobody reads along."""
    return contact.private and contact.person.is_operator


async def remember_language(parts: Parts, contact: Contact, user: User) -> None:
    """Note which language somebody is spoken to in, for what they are told later."""
    language = known(user.language_code)
    if language != (contact.person.language or DEFAULT):
        await asyncio.to_thread(parts.people.note_language, contact.author, language)


async def introduce(bot: Bot, parts: Parts, chat_id: int, author: str) -> None:
    """Say what is stored and ask for consent; only what was said counts as told."""
    person = await asyncio.to_thread(parts.people.person, author)
    text = texts.notice(parts.settings.turn_retention_days, person.consent)
    await bot.send_message(chat_id, text, reply_markup=keyboards.consent())
    await asyncio.to_thread(parts.people.note_told, author)


async def redeem(message: Message, command: CommandObject, bot: Bot, parts: Parts, contact: Contact) -> None:
    """`/start CODE`: a one-time link was opened."""
    code, address = command.args or "", outside(contact.user_id)
    role = await asyncio.to_thread(parts.people.redeem, code, contact.author, address) if contact.private else None
    if role is None:
        await message.answer(texts.LINK_USED, reply_markup=None if contact.person.role else keyboards.ask_access())
        return
    welcome = {"owner": texts.OWNER, "operator": phrases.OPERATOR, "member": texts.MEMBER}[role]
    await message.answer(texts.with_model(welcome, parts.settings))
    if not contact.person.told:
        await introduce(bot, parts, contact.chat_id, contact.author)
    if role == "owner":
        await show_requests(bot, parts)


async def refuse_stranger(message: Message) -> None:
    """A stranger writes."""
    await message.reply(texts.STRANGER, reply_markup=keyboards.ask_access())


async def refuse_strangers_button(callback: CallbackQuery) -> None:
    """A stranger presses a button, in a group."""
    await callback.answer(texts.STRANGER, show_alert=True)


async def ask_access(callback: CallbackQuery, bot: Bot, parts: Parts, contact: Contact) -> None:
    """A stranger asks for access; the owner is told, once there is one."""
    if contact.person.role is not None:
        await callback.answer(texts.HAS_ACCESS)
        return
    name, address = _display_name(callback.from_user), outside(contact.user_id)
    is_new = await asyncio.to_thread(parts.people.request_access, address, name)
    await remember_language(parts, contact, callback.from_user)
    await callback.answer(texts.ASKED if is_new else texts.ASKED_ALREADY, show_alert=True)
    owner = await asyncio.to_thread(parts.people.owner_address)
    if is_new and owner is not None:
        await _show_request(bot, parts, owner, contact.user_id, name)


async def show_requests(bot: Bot, parts: Parts) -> None:
    """Show the owner every request that waits."""
    owner = await asyncio.to_thread(parts.people.owner_address)
    waiting = await asyncio.to_thread(parts.people.requests)
    for address, name in waiting.items():
        if owner is not None:
            await _show_request(bot, parts, owner, telegram_id(address), name)


async def decide(
    callback: CallbackQuery, callback_data: keyboards.Decide, bot: Bot, parts: Parts, contact: Contact
) -> None:
    """The owner allows or refuses, and the stranger is told."""
    if contact.person.role != "owner":
        await callback.answer(texts.OWNER_DECIDES, show_alert=True)
        return
    address, allowed = outside(callback_data.user), callback_data.verdict == "allow"
    name = (await asyncio.to_thread(parts.people.requests)).get(address)
    if name is None:
        await callback.answer(texts.DECIDED_ALREADY)
        return
    author = parts.pseudonyms.author(address)
    if allowed:
        await asyncio.to_thread(parts.people.grant, author, "member")
    await asyncio.to_thread(parts.people.settle_request, address)
    await callback.answer()
    if isinstance(callback.message, Message):
        with suppress(TelegramBadRequest):
            await callback.message.edit_text(texts.settled(name, allowed))
    await _tell_outcome(bot, parts, callback_data.user, author, allowed)


async def _tell_outcome(bot: Bot, parts: Parts, user_id: int, author: str, allowed: bool) -> None:
    try:
        async with speaking_to(parts, author):
            member = texts.with_model(texts.MEMBER, parts.settings)
            await bot.send_message(user_id, member if allowed else texts.REFUSED)
            if allowed:
                await introduce(bot, parts, user_id, author)
    except (TelegramForbiddenError, TelegramBadRequest):
        log.info("somebody who asked for access cannot be told the decision; they never wrote to the bot, or left it")


async def _show_request(bot: Bot, parts: Parts, owner: str, user_id: int, name: str) -> None:
    async with speaking_to(parts, parts.pseudonyms.author(owner)):
        await bot.send_message(telegram_id(owner), texts.asks(name), reply_markup=keyboards.decide(user_id))


def _display_name(user: User) -> str:
    return f"{user.full_name} (@{user.username})" if user.username else user.full_name
