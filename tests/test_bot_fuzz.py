"""Whatever Telegram sends, the bot neither fails nor asks for something that Telegram refuses."""

import asyncio
import collections
import itertools
import logging
import random
from collections.abc import Sequence
from typing import Any

import pytest
from aiogram import Bot
from aiogram.enums import ContentType
from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import AnswerInlineQuery, DeleteMessage
from aiogram.types import Message, Update
from teremok.session import MockedSession

from bot import keyboards
from bot.addressing import wanted
from bot.app import open_parts
from bot.arrival import Arrival
from bot.formatting import formatted
from bot.growing import Drafted, Growing
from bot.inbox import Inbox
from bot.ledger import Ledger
from bot.limits.inline import MORE, result
from bot.media import CONTENT
from bot.once import Once
from bot.routes import make_dispatcher
from bot.splitting import visible
from bot.streaming import Answer
from core import keys
from core.client import Ended
from core.settings import Settings
from tests.model_outputs import output
from tests.telegram_api import TOKEN
from tests.telegram_contract import record
from tests.telegram_rules import Invalid, accept_call, letters, units
from tests.telegram_updates import KINDS, PEOPLE, Updates

BATCH = 50
BARE = ("```", "```\n\n```", "#", ">", "> >", "- ", "\u200b", "**\n", "~~~\n")
"""What is all formatting, or nothing to see."""


class Checking(MockedSession):
    """Teremok's session in the place of Telegram, with rules of our own: what breaks them is refused and remembered.

    Whatever is sent is type-checked at the end as well. `chats` is what they show.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.chats: dict[int, dict[int, str]] = collections.defaultdict(dict)

    async def make_request(self, bot, method, timeout=None):
        sent = self.prepare_value(method.model_dump(warnings=False), bot=bot, files={}, _dumps_json=False)
        record([(method.__api_method__, sent)])
        self.validate = "rich_message" not in sent  # teremok does not know that an edit may bring one
        try:
            accept_call(method.__api_method__, sent)
            result = await super().make_request(bot, method, timeout)
        except (Invalid, TelegramBadRequest) as error:
            self.refused.append(f"{type(method).__name__}: {error}")
            raise TelegramBadRequest(method, str(error)) from error
        if isinstance(method, DeleteMessage):
            del self.chats[method.chat_id][method.message_id]
        elif isinstance(result, Message):
            number, rich = getattr(method, "message_id", result.message_id), getattr(method, "rich_message", None)
            self.chats[method.chat_id][number] = rich.markdown if rich else getattr(method, "text", "") or ""
        return result


class Running:
    """The bot in this process, without serving: an owner, a member, and one who is not told yet."""

    def __init__(self, store, settings: Settings):
        self.parts, self.session = open_parts(settings), Checking()
        self.session.middleware(Once())
        self.bot = Bot(TOKEN, session=self.session)
        self.ledger = Ledger(store, self.bot.id, "one")
        self._dispatcher = make_dispatcher(self.parts)
        people, authors = self.parts.people, [self.parts.pseudonyms.author(f"telegram:{one}") for one in PEOPLE]
        people.redeem(people.invite("owner"), authors[0], f"telegram:{PEOPLE[0]}")
        people.note_told(authors[0])
        self._member, self._untold = authors[1], authors[3]

    async def start(self) -> "Running":
        me = await self.bot.me()

        async def handle(arrival: Arrival) -> None:
            await self._dispatcher.feed_update(self.bot, arrival.update, arrival=arrival)

        self._inbox = Inbox(self.bot, handle, self.ledger, lambda update: wanted(update, me, None, True), 600)
        self._dispatcher["inbox"] = self._inbox
        return self

    async def take(self, raw: Sequence[dict[str, Any]]) -> list[Update]:
        """Handle updates to their end; whoever had themselves forgotten is a member again; chats are handed back."""
        for author in (self._member, self._untold):
            self.parts.people.grant(author, "member")
        self.parts.people.note_told(self._member)
        for case in self.parts.handovers.inbox():
            self.parts.handovers.end(case)
        updates = [Update.model_validate(one, context={"bot": self.bot}) for one in raw]
        await self._inbox.take(updates)
        async with asyncio.timeout(120):
            while await asyncio.to_thread(self.ledger.waiting):
                await asyncio.sleep(0.01)
        return updates

    async def stop(self) -> None:
        await self._inbox.close()
        for part in (self.parts.serving, self.parts.library, self.parts.senses):
            await part.close()
        self.parts.store.close()


@pytest.fixture
async def running(valkey_url, store, tmp_path):
    settings = Settings(data_dir=tmp_path, redis_url=valkey_url, serving_url="http://127.0.0.1:1")
    found = await Running(store, settings).start()
    yield found
    await found.stop()


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 500), pytest.param(2, 2000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
async def test_no_update_breaks_anything(running, store, caplog, seed, count):
    caplog.set_level(logging.ERROR)
    source, kinds = Updates(seed), collections.Counter()
    for _ in range(0, count, BATCH):
        updates = await running.take([source.next() for _ in range(BATCH)])
        kinds.update(update.event_type for update in updates)
    assert [record.getMessage() for record in caplog.records] == [] and running.session.refused == []
    said = {str(getattr(request, "text", ""))[:20] for request in running.session.requests}
    assert any(isinstance(request, AnswerInlineQuery) for request in running.session.requests)
    assert set(kinds) == set(KINDS) and len(said) > 15
    assert not list(store.scan_iter(keys.update(running.bot.id, "*")))


async def test_every_type_of_message_gets_a_clear_word(running, caplog):
    caplog.set_level(logging.ERROR)
    source, unheard = Updates(3, ["What is this?"]), []
    for content in sorted(one.value for one in CONTENT - {ContentType.UNKNOWN, ContentType.ANY}):
        before = len(running.session.requests)
        await running.take([source.message(content)])
        if not any(getattr(request, "text", "") for request in running.session.requests[before:]):
            unheard.append(content)
    assert unheard == [] and caplog.records == [] and running.session.refused == []


@pytest.mark.parametrize(("seed", "count"), [(4, 60), pytest.param(5, 600, marks=pytest.mark.long)])
async def test_nothing_that_a_model_says_is_refused_or_lost(running, caplog, seed, count):
    caplog.set_level(logging.WARNING)
    chance = random.Random(seed)
    ways = itertools.product((Growing, Drafted), (False, True), ("", "Sources: [1] a_*b*_.md"))
    for chat, (kind, rich, note) in zip(range(1, count + 1), itertools.cycle(ways), strict=False):
        said = BARE[chat] if chat < len(BARE) else output(chance)[0]
        growing = kind(running.bot, chat, None, Arrival(Update(update_id=chat)), rich)
        await growing.begin()
        for so_far in (said[: len(said) // 2], said):
            await growing.grow(so_far)
        answer = Answer(said)
        note = note or ("" if answer.words() else answer.note(running.parts.settings))
        await growing.show(answer.words(), note, keyboards.feedback("f" * 32, [1]))
        there = "".join(running.session.chats[chat].values())
        assert visible(there) and list(running.session.chats[chat]) == growing.message_ids
        assert letters(there) in {letters(text + note) for text in (answer.words(), formatted(answer.words()).text)}
    assert caplog.records == [] and running.session.refused == []


@pytest.mark.parametrize(("seed", "count"), [(6, 60), pytest.param(7, 600, marks=pytest.mark.long)])
async def test_whatever_a_model_says_can_be_offered_inline(running, seed, count):
    chance, settings = random.Random(seed), running.parts.settings
    ends = [None, Ended(None, "base", "", "model", (), "stop", None)]
    for n, ended in zip(range(count), itertools.cycle(ends), strict=False):
        said = BARE[n] if n < len(BARE) else output(chance)[0]
        answer = Answer(said, "f" * 32, ended)
        if not answer.words():
            continue
        offered = result("What?", answer, settings)
        await running.bot(AnswerInlineQuery(inline_query_id="1", results=[offered]))
        text, whole = offered.input_message_content.message_text, formatted(answer.words()).text
        assert text.endswith(MORE) if ended is None or units(whole.strip()) > 4096 else letters(text) == letters(whole)
    assert running.session.refused == []
