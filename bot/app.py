"""The bot process: connects to Telegram, to serving and to the record, and answers until told to stop."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import AiogramError, TelegramNotFound
from aiogram.types import BotCommand, BotCommandScopeAllGroupChats, LinkPreviewOptions, User
from aiogram.utils.token import TokenValidationError

from adapters.registry import Registry
from bot import texts
from bot.addressing import wanted
from bot.beside import keep_signing
from bot.gratitude import keep_thanking
from bot.handover.rounds import keep_rounds
from bot.inbox import Inbox
from bot.intake import WRONG_TOKEN, Poller, insist, webhook
from bot.ledger import Ledger
from bot.limits.entrance import Entrance
from bot.once import Once
from bot.operators.digest import keep_digesting
from bot.operators.menus import keep_menus
from bot.operators.watching import keep_alerting
from bot.outgoing import Outgoing
from bot.pace import Pace
from bot.parts import Parts
from bot.proxied import ProxiedSession
from bot.routes import make_dispatcher
from bot.senses import Senses
from bot.tongue import DEFAULT, LANGUAGES, speaking
from core.client import ServingClient
from core.errors import SettingsError, StoreUnavailable
from core.exporter import export
from core.library import LibraryClient
from core.records import new_id
from core.settings import TOKEN, Settings
from feedback.alerts import Alerts
from feedback.amends import Amends
from feedback.archive import Archive
from feedback.budgets import Budgets
from feedback.drafts import Drafts
from feedback.errands import Errands
from feedback.forget import Forgetting
from feedback.handovers import Handovers
from feedback.leases import Leases
from feedback.observations import Observations
from feedback.people import People
from feedback.portability import Portability
from feedback.thanks import Thanks
from feedback.walks import Walks

STORE_WAIT_S = 5
BESIDE = (keep_thanking, keep_rounds, keep_alerting, keep_digesting, keep_menus, keep_signing)

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Answer in Telegram until SIGTERM or SIGINT; running answers get some seconds to finish.

    Raises: SystemExit with EX_CONFIG where a restart would not help, and 1 where it may.
    """
    try:
        asyncio.run(_main(settings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(os.EX_CONFIG)
    except Exception:
        log.exception("the bot failed")
        sys.exit(1)


async def _main(settings: Settings) -> None:
    export(settings, "bot")
    parts = open_parts(settings)
    bot = _connect(settings, Outgoing(Pace(parts.store, parts.pseudonyms)))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    beside = {asyncio.create_task(keep(bot, parts)) for keep in BESIDE}
    try:
        await _until(stop, _answer(bot, parts))
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        await parts.serving.close()
        await parts.library.close()
        await parts.senses.close()
        await bot.session.close()
        parts.store.close()


async def _answer(bot: Bot, parts: Parts) -> None:
    """Take updates and handle them until cancelled; then what runs has some seconds, and the rest is handed on."""
    me, trigger, is_inline = await _introduce(bot), parts.settings.telegram_trigger, parts.settings.telegram_inline
    if is_inline and not me.supports_inline_queries:
        log.warning("inline mode is off at @BotFather, who turns it on with /setinline; nobody can use it until then")
    dispatcher = make_dispatcher(parts)
    inbox = Inbox(
        bot,
        lambda arrival: dispatcher.feed_update(bot, arrival.update, arrival=arrival),
        Ledger(parts.store, me.id, new_id()),
        lambda update: wanted(update, me, trigger, is_inline),
        parts.settings.telegram_late_s,
        Entrance(bot, parts).let_in,
    )
    dispatcher["inbox"] = inbox
    working = asyncio.create_task(inbox.work())
    try:
        receive = _receive_calls if parts.settings.telegram_webhook_url else _poll
        await receive(bot, inbox, parts)
    finally:
        await inbox.close()
        working.cancel()
        await asyncio.wait({working})


def _connect(settings: Settings, outgoing: Outgoing) -> Bot:
    token = settings.telegram_bot_token
    if token is None:
        raise SettingsError(f"{TOKEN} is not set; the bot needs the token that @BotFather gave you.")
    server, proxy = TelegramAPIServer.from_base(settings.telegram_api_base), settings.telegram_proxy
    session = ProxiedSession(proxy.get_secret_value(), api=server) if proxy else AiohttpSession(api=server)
    session.middleware(Once())
    session.middleware(outgoing)
    try:
        return Bot(
            token.get_secret_value(),
            session=session,
            default=DefaultBotProperties(
                link_preview=LinkPreviewOptions(is_disabled=True), allow_sending_without_reply=True
            ),
        )
    except TokenValidationError:
        raise SettingsError(f"{TOKEN} is no token of @BotFather (digits, a colon, 35 characters).") from None


def open_parts(settings: Settings) -> Parts:
    """What the handlers work with, opened from the settings."""
    archive = Archive.open(settings)
    store, turns, ratings, reviews = archive.store, archive.turns, archive.ratings, archive.reviews
    registry = Registry(store, settings.data_dir / "adapters")
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    return Parts(
        settings=settings,
        serving=ServingClient(settings.serving_base, api_key),
        store=store,
        turns=turns,
        ratings=ratings,
        people=People(store),
        pseudonyms=archive.pseudonyms,
        forgetting=Forgetting(store, turns, reviews, archive.pseudonyms, registry.marks, settings.data_dir),
        library=LibraryClient(settings.serving_base, api_key),
        reviews=reviews,
        registry=registry,
        drafts=Drafts(store, turns, ratings),
        thanks=Thanks(store, turns, reviews),
        portability=Portability(store, turns, ratings, reviews),
        handovers=Handovers(store, turns),
        errands=Errands(store),
        amends=Amends(store, turns, ratings, reviews),
        senses=Senses(settings),
        budgets=Budgets(store, settings),
        walks=Walks(store, reviews),
        alerts=Alerts(store),
        leases=Leases(store),
        observations=Observations(store, turns),
    )


async def _poll(bot: Bot, inbox: Inbox, parts: Parts) -> None:
    poller = Poller(bot, inbox)
    offering = asyncio.create_task(_offer_ownership(bot, parts))
    try:
        await poller.run()
    finally:
        offering.cancel()
        await poller.confirm()


async def _receive_calls(bot: Bot, inbox: Inbox, parts: Parts) -> None:
    async with webhook(bot, inbox, parts.settings):
        await _offer_ownership(bot, parts)
        await asyncio.Event().wait()


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run the work until it fails or is told to stop."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
    working.cancel()
    await asyncio.wait({working})


async def _introduce(bot: Bot) -> User:
    """Check the token, and give Telegram the lists of commands, of everybody and in groups, in every language."""
    me = await insist(lambda: _me(bot))
    log.info("the bot is @%s", me.username)
    try:
        for language in LANGUAGES:
            with speaking(language):
                lists = ((None, texts.commands()), (BotCommandScopeAllGroupChats(), texts.group_commands()))
            for scope, listed in lists:
                commands = [BotCommand(command=name, description=text) for name, text in listed.items()]
                await bot.set_my_commands(commands, scope, None if language == DEFAULT else language)
    except AiogramError as error:
        log.warning("Telegram did not take the list of commands (%s)", type(error).__name__)
    return me


async def _me(bot: Bot) -> User:
    try:
        return await bot.me()
    except TelegramNotFound:
        raise SettingsError(WRONG_TOKEN) from None


async def _offer_ownership(bot: Bot, parts: Parts) -> None:
    """Print a one-time link while the bot has no owner; a database that is away is waited for."""
    me = await bot.me()
    while True:
        try:
            await asyncio.to_thread(parts.people.note_bot, me.username)
            if await asyncio.to_thread(parts.people.owner) is None:
                link = await asyncio.to_thread(parts.people.link, "owner")
                print(f"Open {link} to become the owner of this bot; the link works once, for a day.", flush=True)
            return
        except StoreUnavailable as error:
            log.warning("whether the bot has an owner is not known yet: %s", error)
            await asyncio.sleep(STORE_WAIT_S)
