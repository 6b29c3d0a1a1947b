"""Whatever Telegram sends, the bot neither fails nor asks for something that Telegram refuses."""

import asyncio
import collections
import logging

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import Update
from teremok.session import MockedSession

from bot.addressing import wanted
from bot.app import open_parts
from bot.arrival import Arrival
from bot.inbox import Inbox
from bot.ledger import Ledger
from bot.once import Once
from bot.routes import make_dispatcher
from core import keys
from core.settings import Settings
from tests.telegram_api import TOKEN
from tests.telegram_updates import KINDS, PEOPLE, Updates

BATCH = 50


class Checking(MockedSession):
    """Teremok's session in the place of Telegram: it knows the Bot API's limits, and what breaks them is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []

    async def make_request(self, bot, method, timeout=None):
        try:
            return await super().make_request(bot, method, timeout)
        except TelegramBadRequest as error:
            self.refused.append(f"{type(method).__name__}: {error.message}")
            raise


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 500), pytest.param(2, 2000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
async def test_no_update_breaks_anything(valkey_url, store, tmp_path, caplog, seed, count):
    caplog.set_level(logging.ERROR)
    settings = Settings(data_dir=tmp_path, redis_url=valkey_url, serving_url="http://127.0.0.1:1")
    parts, session = open_parts(settings), Checking()
    session.middleware(Once())
    bot = Bot(TOKEN, session=session)
    owner, member, _, untold = (parts.pseudonyms.author(f"telegram:{number}") for number in PEOPLE)
    parts.people.redeem(parts.people.invite("owner"), owner, f"telegram:{PEOPLE[0]}")
    parts.people.note_told(owner)

    dispatcher, me, ledger = make_dispatcher(parts), await bot.me(), Ledger(store, bot.id, "one")

    async def handle(arrival: Arrival) -> None:
        await dispatcher.feed_update(bot, arrival.update, arrival=arrival)

    inbox = Inbox(bot, handle, ledger, lambda update: wanted(update, me, None), 600)
    dispatcher["inbox"] = inbox
    updates, kinds = Updates(seed), collections.Counter()
    for _ in range(0, count, BATCH):
        for author in (member, untold):
            parts.people.grant(author, "member")
        parts.people.note_told(member)
        batch = []
        while len(batch) < BATCH:
            raw = updates.next()
            batch.append(Update.model_validate(raw, context={"bot": bot}))
            kinds[batch[-1].event_type] += 1
        await inbox.take(batch)
        async with asyncio.timeout(120):
            while await asyncio.to_thread(ledger.waiting):
                await asyncio.sleep(0.01)
    await inbox.close()
    for part in (parts.serving, parts.library, parts.senses):
        await part.close()
    parts.store.close()
    assert [record.getMessage() for record in caplog.records] == [] and session.refused == []
    said = {str(getattr(request, "text", ""))[:20] for request in session.requests}
    assert set(kinds) == set(KINDS) and len(session.requests) > count / 5 and len(said) > 15
    assert not list(store.scan_iter(keys.update(bot.id, "*")))
