"""The list of commands that Telegram shows: operators see theirs, in their chat with the bot."""

import asyncio
import logging
import time

from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.types import BotCommand, BotCommandScopeChat

from bot import texts
from bot.beside import again_and_again
from bot.operators import phrases
from bot.parts import Parts, speaking_to, telegram_id

WAIT_S, AGAIN_S = 2.0, 300.0
"""How often it is looked who is an operator, and when a refused list is tried again."""

log = logging.getLogger(__name__)


async def keep_menus(bot: Bot, parts: Parts) -> None:
    """Give every operator their commands, and take them from whoever is none any more, until cancelled."""
    shown, tried = set[str](), dict[str, float]()

    async def look() -> None:
        operators = set(await asyncio.to_thread(parts.people.operators))
        for address in operators ^ shown:
            if tried.get(address, -AGAIN_S) + AGAIN_S > time.monotonic():
                continue
            if await _show(bot, parts, address, address in operators):
                shown.symmetric_difference_update({address})
                tried.pop(address, None)
            else:
                tried[address] = time.monotonic()

    await again_and_again(look, WAIT_S, "who is an operator is not known", "operators may not see their commands")


async def _show(bot: Bot, parts: Parts, address: str, operator: bool) -> bool:
    """Whether Telegram took it; a chat with somebody who never wrote to the bot it does not know."""
    scope = BotCommandScopeChat(chat_id=telegram_id(address))
    async with speaking_to(parts, parts.pseudonyms.author(address)):
        listed = texts.commands() | phrases.commands()
    commands = [BotCommand(command=name, description=text) for name, text in listed.items()]
    try:
        await (bot.set_my_commands(commands, scope=scope) if operator else bot.delete_my_commands(scope=scope))
    except AiogramError as error:
        log.info("Telegram did not take an operator's list of commands (%s)", type(error).__name__)
        return False
    return True
