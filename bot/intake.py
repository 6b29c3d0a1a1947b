"""How updates come in: by long polling, or by a webhook that Telegram calls."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hmac import compare_digest
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramUnauthorizedError,
)
from aiogram.types import FSInputFile, Update
from aiohttp import web
from pydantic import ValidationError

from bot.certificates import is_self_signed
from bot.inbox import Inbox
from core.errors import SettingsError
from core.settings import TOKEN, Settings, variable

KINDS = [
    "message",
    "edited_message",
    "callback_query",
    "message_reaction",
    "stopped_message_generation",
    "inline_query",
]
POLL_S, CONFIRM_S = 25, 3
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
WRONG_TOKEN = f"Telegram does not know the token in {TOKEN}; copy it from @BotFather again."
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"

T = TypeVar("T")
log = logging.getLogger(__name__)


class Poller:
    """Long polling. An update is confirmed, by asking for those after it, once the inbox has stored it."""

    def __init__(self, bot: Bot, inbox: Inbox):
        self._bot = bot
        self._inbox = inbox
        self._offset: int | None = None

    async def run(self) -> None:
        """Poll until cancelled. A webhook that is left over is deleted, which polling needs.

        Raises: SettingsError where the token is wrong.
        """
        if await insist(self._hook):
            log.warning("A webhook was set for this bot and is deleted, because polling is configured.")
            await insist(self._bot.delete_webhook)
        while True:
            updates = await insist(self._fetch)
            await self._inbox.take(updates)

    async def confirm(self) -> None:
        """Tell Telegram what has been handled, so that it does not come again at the next start."""
        if self._offset is not None:
            try:
                async with asyncio.timeout(CONFIRM_S):
                    await self._bot.get_updates(offset=self._offset, limit=1, timeout=0)
            except (AiogramError, TimeoutError) as error:
                log.warning("the last updates may come again (%s)", type(error).__name__)

    async def _hook(self) -> str:
        """The webhook that is set; a Bot API server that cannot tell has none."""
        try:
            return (await self._bot.get_webhook_info()).url
        except TelegramNotFound:
            return ""

    async def _fetch(self) -> list[Update]:
        try:
            updates = await self._bot.get_updates(
                offset=self._offset, timeout=POLL_S, allowed_updates=KINDS, request_timeout=POLL_S + 10
            )
        except ClientDecodeError as error:
            raw = error.data.get("result") if isinstance(error.data, dict) else None
            if not raw:
                raise
            return self._readable(raw)
        if updates:
            self._offset = updates[-1].update_id + 1
        return updates

    def _readable(self, raw: list[dict[str, Any]]) -> list[Update]:
        """Those of the updates that can be understood; the others must not hold them up."""
        self._offset = raw[-1]["update_id"] + 1
        return [update for update in (_parse(self._bot, one) for one in raw) if update is not None]


@asynccontextmanager
async def webhook(bot: Bot, inbox: Inbox, settings: Settings) -> AsyncIterator[None]:
    """Listen for Telegram's calls, and tell it where. The webhook stays set: Telegram keeps what comes meanwhile.

    Raises: SettingsError where Telegram refuses it, or the port or the certificate cannot be had.
    """
    url, secret = settings.telegram_webhook_url, settings.telegram_webhook_secret
    assert url is not None and secret is not None
    app = web.Application()
    app.router.add_post(urlsplit(url).path or "/", _hook(bot, inbox, secret.get_secret_value()))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        tls, uploaded = _tls(settings)
        await _listen(runner, settings, tls)
        try:
            await insist(
                lambda: bot.set_webhook(
                    url, certificate=uploaded, secret_token=secret.get_secret_value(), allowed_updates=KINDS
                )
            )
        except TelegramBadRequest as error:
            raise SettingsError(f"{variable('telegram_webhook_url')} is refused: {error.message}") from None
        yield
    finally:
        await runner.cleanup()


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Ask Telegram until it answers, with growing pauses; what stands in the way is said once.

    Raises: SettingsError where the token is wrong; TelegramBadRequest.
    """
    said, wait_s = "", FIRST_WAIT_S
    while True:
        try:
            result = await call()
        except TelegramUnauthorizedError:
            raise SettingsError(WRONG_TOKEN) from None
        except TelegramBadRequest:
            raise
        except (TelegramAPIError, ClientDecodeError) as error:
            trouble = _trouble(error)
            if trouble != said:
                log.warning("%s", trouble)
                said = trouble
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        else:
            if said:
                log.info("Telegram answers again.")
            return result


def _tls(settings: Settings) -> tuple[ssl.SSLContext | None, FSInputFile | None]:
    """How the webhook speaks TLS itself, and the certificate where Telegram has to be given it: one that nobody signed.

    Raises: SettingsError.
    """
    certificate, key = settings.telegram_webhook_certificate, settings.telegram_webhook_key
    if certificate is None:
        return None, None
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        tls.load_cert_chain(certificate, key)
        pem = certificate.read_text("ascii", "replace")
    except OSError as error:
        raise SettingsError(
            f"{variable('telegram_webhook_certificate')} and {variable('telegram_webhook_key')} must be a certificate "
            f"and its key as PEM files that the bot may read ({error.strerror or error})."
        ) from None
    return tls, FSInputFile(certificate) if is_self_signed(pem) else None


async def _listen(runner: web.AppRunner, settings: Settings, tls: ssl.SSLContext | None) -> None:
    host, port = settings.telegram_webhook_host, settings.telegram_webhook_port
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        raise SettingsError(
            f"the webhook cannot listen on {host}:{port} ({error.strerror}); "
            f"set {variable('telegram_webhook_host')} and {variable('telegram_webhook_port')} to a free address."
        ) from None


def _hook(bot: Bot, inbox: Inbox, secret: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def called(request: web.Request) -> web.Response:
        if not compare_digest(request.headers.get(SECRET_HEADER, "").encode(), secret.encode()):
            return web.Response(status=401)
        try:
            raw = await request.json()
        except ValueError:
            return web.Response(status=400)
        update = _parse(bot, raw)
        if update is not None:
            await inbox.take([update])
        return web.Response()

    return called


def _parse(bot: Bot, raw: Any) -> Update | None:
    try:
        return Update.model_validate(raw, context={"bot": bot})
    except ValidationError as error:
        log.warning("an update could not be understood: %s", error.errors()[0]["msg"])
        return None


def _trouble(error: Exception) -> str:
    if isinstance(error, TelegramConflictError):
        what = "has set a webhook for" if "webhook" in error.message.lower() else "polls with"
        return f"Another program {what} this bot's token; stop it, as only one can receive. I keep trying."
    if isinstance(error, TelegramNetworkError):
        return f"Telegram cannot be reached ({error.message.split(':')[0]}). I keep trying."
    return f"Telegram does not answer as it should ({type(error).__name__}). I keep trying."
