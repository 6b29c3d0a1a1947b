"""Whatever Telegram sends, the bot neither fails nor asks for something that Telegram refuses."""

import asyncio
import collections
import itertools
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiogram import Bot, types
from aiogram.enums import ContentType
from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import (
    AnswerCallbackQuery,
    AnswerInlineQuery,
    DeleteMessage,
    EditMessageText,
    SendMessage,
    SendMessageDraft,
)
from aiogram.types import Update
from teremok.session import MockedSession

from bot import keyboards
from bot.addressing import wanted
from bot.app import open_parts
from bot.arrival import Arrival
from bot.formatting import formatted
from bot.growing import Drafted, Growing
from bot.inbox import Inbox
from bot.keyboards import AboutAnswer, AboutChoice, Cited, ConsentGiven
from bot.ledger import Ledger
from bot.limits.inline import MORE, result
from bot.media import CONTENT
from bot.once import Once
from bot.operators.choices import AboutItem
from bot.parts import outside
from bot.routes import make_dispatcher
from bot.splitting import visible
from bot.streaming import Answer
from core import keys
from core.client import AWAY, Asked, Begun, Ended, Said
from core.errors import ApprenticeError, Busy, InvalidInput, ServingUnavailable
from core.identity import Pseudonyms
from core.records import BASE, Choice, Citation, Message, Observation, Passage, Turn, new_id, now_ms
from core.settings import Settings
from feedback.turns import Turns
from tests.model_outputs import output
from tests.telegram_api import TOKEN
from tests.telegram_contract import record
from tests.telegram_rules import Invalid, accept_call, letters, units
from tests.telegram_updates import COMMANDS, KINDS, PEOPLE, Updates

BATCH = 50
BARE = ("```", "```\n\n```", "#", ">", "> >", "- ", "\u200b", "**\n", "~~~\n")
"""What is all formatting, or nothing to see."""


class Checking(MockedSession):
    """Teremok's session in the place of Telegram, with rules of our own: what breaks them is refused and remembered.

    Whatever is sent is type-checked at the end as well. `chats` is what they show, and `offered` what buttons carry.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.chats: dict[int, dict[int, str]] = collections.defaultdict(dict)
        self.offered: list[tuple[int, int, str]] = []

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
            self.chats[method.chat_id].pop(method.message_id, None)
        elif isinstance(result, types.Message):
            number, rich = getattr(method, "message_id", result.message_id), getattr(method, "rich_message", None)
            self.chats[method.chat_id][number] = rich.markdown if rich else getattr(method, "text", "") or ""
            rows = (sent.get("reply_markup") or {}).get("inline_keyboard", ())
            carried = (button["callback_data"] for row in rows for button in row if "callback_data" in button)
            self.offered += [(method.chat_id, number, data) for data in carried]
        return result


class Serving:
    """Serving, in whose place anything is said; turns are kept as it keeps them, and now and then it fails."""

    def __init__(self, turns: Turns, pseudonyms: Pseudonyms, chance: random.Random):
        self._turns, self._pseudonyms, self._chance = turns, pseudonyms, chance

    async def answer(self, asked: Asked) -> AsyncGenerator[Begun | Said | Ended, None]:
        fails = self._chance.choice(
            [*[None] * 9, Busy("busy.", 2), ServingUnavailable(AWAY), InvalidInput("too long.")]
        )
        if fails is not None:
            raise fails
        said, passage = (
            output(self._chance)[0].encode(errors="replace").decode(),
            Passage("p", "a.md", "A", "A passage."),
        )
        cited = Citation(1, "p", "a.md", "A", "A passage.", 0.5)
        turn = Turn(
            new_id(),
            tuple(asked.messages[-1:]),
            parent=asked.parent,
            regenerates=asked.regenerates,
            chat=asked.chat and self._pseudonyms.chat(asked.chat),
            author=self._pseudonyms.author(asked.author),
            topic=asked.topic,
            passages=self._chance.choice(((), (passage,))),
            choices=self._chance.choice(((), (Choice("one", 0.7), Choice("two " * 20, 0.3)))),
            created_at=now_ms(),
        )
        turn, status, at = replace(turn, citations=(cited,) if turn.passages else ()), "stopped", len(said) // 2
        self._turns.open(turn)
        try:
            yield Begun(turn.id, BASE)
            yield Said(said[:at])
            await asyncio.sleep(self._chance.choice((0, 0, 0.05)))
            if self._chance.random() < 0.1:
                status = "failed"
                raise ServingUnavailable("the answer broke off.", "broke_off")
            yield Said(said[at:], None) if said[at:] else Said(" ")
            at, status = len(said), "complete"
        finally:
            self._turns.close(replace(turn, reply=said[:at].strip(), status=status))
        seen = self._chance.choice((None, Observation(turn.id, 0.0, "another", "It printed: *1*")))
        yield Ended(turn.id, BASE, said, "model", turn.citations, "stop", None, 0.3, 9, seen, turn.choices)

    def turn(self, asked: Asked) -> Turn:
        """The turn that a question begins."""
        passage, cited = Passage("p", "a.md", "A", "A passage."), Citation(1, "p", "a.md", "A", "A passage.", 0.5)
        found = self._chance.random() < 0.5
        return Turn(
            new_id(),
            tuple(asked.messages[-1:]),
            parent=asked.parent,
            regenerates=asked.regenerates,
            chat=self._pseudonyms.chat(asked.chat),
            author=self._pseudonyms.author(asked.author),
            topic=asked.topic,
            passages=(passage,) if found else (),
            citations=(cited,) if found else (),
            choices=self._chance.choice(((), (Choice("one", 0.7), Choice("two " * 20, 0.3)))),
            created_at=now_ms(),
        )

    async def is_ready(self) -> bool:
        return True

    async def metrics(self) -> str:
        return ""

    async def close(self) -> None:
        pass


class Senses:
    """What is heard and seen in the place of the endpoints, which fail now and then."""

    hears = sees = True

    def __init__(self, chance: random.Random):
        self._chance = chance

    async def hear(self, sound: bytes, name: str) -> str:
        return self._found("not_heard")

    async def see(self, picture: bytes, question: str) -> str:
        return self._found("not_seen")

    async def close(self) -> None:
        pass

    def _found(self, failed: str) -> str:
        if self._chance.random() < 0.2:
            raise ApprenticeError("the endpoint gave no text.", failed)
        return self._chance.choice(("a red bicycle", "", "*"))


class Running:
    """The bot in this process: an owner, a member, and one who is not told yet. What is not Telegram may fail."""

    def __init__(self, store, settings: Settings):
        self.parts, self.session, chance = open_parts(settings), Checking(), random.Random(8)
        serving = Serving(self.parts.turns, self.parts.pseudonyms, chance)
        self.parts = replace(self.parts, serving=serving, senses=Senses(chance))
        self.session.middleware(Once())
        self.bot = Bot(TOKEN, session=self.session)
        self.ledger = Ledger(store, self.bot.id, "one")
        self._dispatcher = make_dispatcher(self.parts)
        self._authors = [self.parts.pseudonyms.author(outside(one)) for one in PEOPLE]

    async def start(self) -> "Running":
        me = await self.bot.me()

        async def handle(arrival: Arrival) -> None:
            await self._dispatcher.feed_update(self.bot, arrival.update, arrival=arrival)

        self._inbox = Inbox(self.bot, handle, self.ledger, lambda update: wanted(update, me, None, True), 600)
        self._dispatcher["inbox"] = self._inbox
        return self

    async def take(self, raw: Sequence[dict[str, Any]], **settings: Any) -> list[Update]:
        """Handle updates to their end. Before, whoever had themselves forgotten or was banned is what they were, chats
        are handed back, and an answer that the member did not like waits for a decision.
        """
        self._dispatcher["parts"] = replace(self.parts, settings=self.parts.settings.model_copy(update=settings))
        people, (owner, member, _, untold) = self.parts.people, self._authors
        if people.owner() is None:
            people.redeem(people.invite("owner"), owner, outside(PEOPLE[0]))
        for author in (member, untold):
            people.unban(author)
            people.grant(author, "member")
        for author in (owner, member):
            people.note_told(author)
        for case in self.parts.handovers.inbox():
            self.parts.handovers.end(case)
        turn = self.parts.serving.turn(Asked([Message("user", "What?")], outside(PEOPLE[1]), outside(PEOPLE[1])))
        self.parts.turns.open(turn)
        self.parts.turns.close(replace(turn, reply="That.", status="complete"))
        self.parts.ratings.rate(turn.id, member, -1, "wrong")
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
    settings = Settings(
        data_dir=tmp_path, redis_url=valkey_url, serving_url="http://127.0.0.1:1", telegram_minute_messages=0
    )
    found = await Running(store, settings).start()
    yield found
    await found.stop()


@pytest.mark.parametrize(
    ("seed", "count"),
    [
        (1, 500),
        pytest.param(2, 2000, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
async def test_no_update_breaks_anything(running, store, caplog, seed, count):
    caplog.set_level(logging.ERROR)
    session, kinds = running.session, collections.Counter()
    source, ways = Updates(seed, offered=session.offered), itertools.product(("edits", "drafts"), (False, True))
    named = itertools.cycle(COMMANDS)
    for _, (streaming, rich) in zip(range(0, count, BATCH), itertools.cycle(ways), strict=False):
        batch = [source.command(next(named)) if n % 6 == 5 else source.next() for n in range(BATCH)]
        updates = await running.take(batch, telegram_streaming=streaming, telegram_rich=rich)
        kinds.update(update.event_type for update in updates)
    assert [record.getMessage() for record in caplog.records] == [] and session.refused == []
    called = {type(request) for request in session.requests}
    assert {SendMessage, EditMessageText, SendMessageDraft, AnswerCallbackQuery} <= called
    assert any(getattr(request, "rich_message", None) for request in session.requests)
    assert any(isinstance(request, AnswerInlineQuery) and request.results for request in session.requests)
    said = {str(getattr(request, "text", ""))[:20] for request in session.requests}
    assert set(kinds) == set(KINDS) and len(said) > 50
    prefixes = {data.partition(":")[0] for _, _, data in session.offered}
    assert {cls.__prefix__ for cls in (AboutAnswer, AboutChoice, Cited, ConsentGiven, AboutItem)} <= prefixes
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
        said = BARE[chat - 1] if chat <= len(BARE) else output(chance)[0]
        growing = kind(running.bot, chat, None, Arrival(Update(update_id=chat)), rich)
        await growing.begin()
        for so_far in (said[: len(said) // 2], said):
            await growing.grow(so_far)
        answer = Answer(said)
        words = answer.words()
        note = note or ("" if words else answer.note(running.parts.settings))
        await growing.show(words, note, keyboards.feedback("f" * 32, [1]))
        there = "".join(running.session.chats[chat].values())
        assert visible(there) and list(running.session.chats[chat]) == growing.message_ids
        is_rich = rich and len(growing.message_ids) == 1
        assert letters(there) == letters((words if is_rich else formatted(words).text) + note)
    assert caplog.records == [] and running.session.refused == []


@pytest.mark.parametrize(("seed", "count"), [(6, 60), pytest.param(7, 300, marks=pytest.mark.long)])
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
