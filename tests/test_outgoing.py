"""Calls to Telegram: shared rates, pauses that are kept, and texts that overtake what only passes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest, TelegramRetryAfter, TelegramServerError
from aiogram.methods import AnswerCallbackQuery, GetUpdates, SendMessage, SetMyCommands
from aiogram.types import Chat, Message, MessageGenerationStopped, Update

from bot import keyboards
from bot.arrival import HANDLED, Arrival
from bot.growing import RICH_LIMIT, Drafted, Growing
from bot.inbox import Inbox
from bot.ledger import Ledger
from bot.once import Once
from bot.outgoing import Outgoing, PassingEdit
from bot.pace import EVERYWHERE, GROUP, MANY, PRIVATE, Pace
from bot.parts import Contact
from bot.resuming import take_over
from bot.routes import make_dispatcher
from core import keys
from core.store import connect
from tests.telegram_api import TOKEN, TelegramApi, buttons, telegram
from tests.unhurried import QUICK

NAME = "sendMessage"
METHOD = SendMessage(chat_id=1, text="x")
EDIT = PassingEdit(chat_id=1, message_id=1, text="x")
UNNAMED = TelegramAPIError(METHOD, "Too Many Requests")
FAILED = TelegramServerError(METHOD, "Bad Gateway")
UPDATE = Update(update_id=1)
REFUSED = TelegramBadRequest(METHOD, "Bad Request: can't parse entities")


def wait_of(seconds: float) -> TelegramRetryAfter:
    """Telegram's refusal of a call that came too soon."""
    return TelegramRetryAfter(METHOD, "Too Many Requests: retry later", seconds)


@pytest.fixture
def pace(store, pseudonyms):
    return Pace(store, pseudonyms)


@pytest.fixture
def unhurried(monkeypatch):
    """Calls may come as fast as they like, where it is not the rates that a story is about."""
    monkeypatch.setattr("bot.outgoing.PRIVATE", QUICK)


class Wire:
    """The far side: what it is to answer, and what came when."""

    def __init__(self, *outcomes: object):
        self.outcomes = list(outcomes)
        self.came: list[tuple[str, int | None, float]] = []

    async def __call__(self, bot, method):
        self.came.append((method.__api_method__, getattr(method, "chat_id", None), asyncio.get_running_loop().time()))
        outcome = self.outcomes.pop(0) if self.outcomes else True
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, asyncio.Event):
            await outcome.wait()
        return True


async def test_each_chat_and_all_together_have_a_rate_that_processes_share(pace, store, pseudonyms):
    other = Pace(store, pseudonyms)
    for n in range(PRIVATE.calls):
        assert await (pace, other)[n % 2].ask(1, NAME, PRIVATE) is None
    assert 0 < (await other.ask(1, NAME, PRIVATE)).seconds <= PRIVATE.window_s
    assert await pace.ask(2, NAME, PRIVATE) is None
    for _ in range(GROUP.calls):
        assert await pace.ask(-1, NAME, GROUP) is None
    told = await pace.ask(-1, NAME, GROUP)
    assert PRIVATE.window_s < told.seconds <= GROUP.window_s and not told.everywhere
    store.flushall()
    at_once = await asyncio.gather(*(other.ask(chat, NAME, PRIVATE) for chat in range(1, 60)))
    assert at_once.count(None) <= EVERYWHERE.calls < 59
    assert all(wait is None or wait.everywhere for wait in at_once)
    for key in store.scan_iter(keys.pace_sent("*")):
        assert 0 < store.pttl(key) <= GROUP.window_s * 1000 and "telegram" not in key


async def test_what_only_passes_leaves_room_for_what_stays(pace):
    passed = [await pace.ask(-1, NAME, GROUP, passing=True) for _ in range(GROUP.calls)]
    assert passed.count(None) == GROUP.passing
    stays = [await pace.ask(-1, NAME, GROUP) for _ in range(GROUP.calls)]
    assert stays.count(None) == GROUP.calls - GROUP.passing


async def test_a_pause_is_the_chats_the_methods_or_everybodys(pace):
    await pace.close(1, NAME, 7)
    assert 6 < (await pace.ask(1, "editMessageText", PRIVATE)).seconds <= 7
    assert (await pace.ask(1, "deleteMessage", None)).seconds
    await pace.close(1, NAME, 3)
    assert (await pace.ask(1, NAME, PRIVATE)).seconds > 3, "a shorter pause does not end a longer one"
    for _ in range(MANY):
        await pace.close(None, "setMyCommands", 60)
    assert (await pace.ask(None, "setMyCommands", None)).seconds > 50
    assert await pace.ask(2, NAME, PRIVATE) is None is await pace.ask(None, "answerCallbackQuery", None)
    for chat in range(10, 10 + MANY):
        await pace.close(chat, NAME, 5)
    told = await pace.ask(2, NAME, PRIVATE)
    assert told.everywhere and told.seconds > 4


@pytest.mark.parametrize(
    ("outcomes", "calls"),
    [
        ([wait_of(0.1)] * 3 + [True], 4),
        ([UNNAMED, True], 2),
        ([FAILED, wait_of(0.1), FAILED, True], 4),
        ([FAILED] * 5, 5),
        ([REFUSED], 1),
    ],
)
async def test_a_call_that_did_not_get_through_is_made_again(pace, unhurried, monkeypatch, outcomes, calls):
    monkeypatch.setattr("bot.outgoing.FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("bot.outgoing.UNNAMED_WAIT_S", 0.1)
    wire = Wire(*outcomes)
    if outcomes[-1] is True:
        assert await Outgoing(pace)(wire, None, METHOD)
    else:
        with pytest.raises(type(outcomes[-1])):
            await Outgoing(pace)(wire, None, METHOD)
    assert len(wire.came) == calls
    for outcome, (_, _, at), (_, _, following) in zip(outcomes, wire.came, wire.came[1:], strict=False):
        assert not isinstance(outcome, TelegramRetryAfter) or following - at >= outcome.retry_after


async def test_no_call_of_any_process_falls_into_a_pause_of_its_chat(pace, store, pseudonyms):
    wire, processes = Wire(wait_of(0.5)), (Outgoing(pace), Outgoing(Pace(store, pseudonyms)))
    first = asyncio.create_task(processes[0](wire, None, METHOD))
    while not store.exists(keys.pace_closed(pseudonyms.chat("telegram:1"))):
        await asyncio.sleep(0.01)
    assert await processes[1](wire, None, SendMessage(chat_id=2, text="elsewhere"))
    assert [chat for _, chat, _ in wire.came] == [1, 2] and not first.done()
    await asyncio.gather(first, processes[1](wire, None, METHOD))
    refused, *later = [at for _, chat, at in wire.came if chat == 1]
    assert len(later) == 2 and all(at - refused >= 0.5 for at in later)


async def test_what_only_passes_never_waits_and_nothing_waits_for_it(pace, unhurried):
    outgoing, sending = Outgoing(pace), asyncio.Event()
    wire = Wire(sending)
    final = asyncio.create_task(outgoing(wire, None, METHOD))
    await asyncio.sleep(0.1)
    assert await outgoing(wire, None, EDIT) is False, "the text that stays is on its way"
    sending.set()
    assert await final and await outgoing(wire, None, EDIT) is True
    for trouble in (FAILED, wait_of(0.2)):
        wire.outcomes = [trouble]
        assert await outgoing(wire, None, EDIT) is False
    count = len(wire.came)
    assert await outgoing(wire, None, EDIT) is False and len(wire.came) == count, "the chat is paused"
    assert await outgoing(wire, None, METHOD) and wire.came[-1][2] - wire.came[-2][2] >= 0.2
    wire.outcomes = [REFUSED]
    with pytest.raises(TelegramBadRequest):
        await outgoing(wire, None, PassingEdit(chat_id=2, message_id=1, text="x"))


async def test_polling_and_button_answers_are_not_slowed_by_chats(pace, monkeypatch):
    outgoing, wire = Outgoing(pace), Wire()
    monkeypatch.setattr("bot.outgoing.asyncio.sleep", None)
    await pace.close(1, NAME, 60)
    for _ in range(40):
        assert await outgoing(wire, None, GetUpdates())
        assert await outgoing(wire, None, AnswerCallbackQuery(callback_query_id="1"))
    assert await outgoing(wire, None, SetMyCommands(commands=[]))
    wire.outcomes = [FAILED]
    with pytest.raises(TelegramServerError):
        await outgoing(wire, None, GetUpdates())


async def test_the_texts_of_a_chat_go_out_in_their_order(pace):
    outgoing, order = Outgoing(pace), []

    async def wire(bot, method):
        await asyncio.sleep(0.05 if method.text == "0" else 0)
        order.append(method.text)
        return True

    await asyncio.gather(*(outgoing(wire, None, SendMessage(chat_id=1, text=str(n))) for n in range(4)))
    assert order == ["0", "1", "2", "3"]


async def test_without_the_database_calls_go_on_and_it_is_said_once(pseudonyms, caplog):
    pace = Pace(connect("redis://127.0.0.1:1/0"), pseudonyms)
    wire = Wire(wait_of(0.1))
    with caplog.at_level(logging.WARNING):
        assert await Outgoing(pace)(wire, None, METHOD)
    assert wire.came[1][2] - wire.came[0][2] >= 0.1
    assert len(caplog.messages) == 1 and "without shared rates" in caplog.text


@pytest.fixture
def api(unhurried):
    with telegram() as running:
        yield running


@asynccontextmanager
async def bot_of(api: TelegramApi, pace: Pace) -> AsyncIterator[Bot]:
    """A bot on the wire, with its outgoing layer."""
    session = AiohttpSession(api=TelegramAPIServer.from_base(api.base))
    session.middleware(Once())
    session.middleware(Outgoing(pace))
    bot = Bot(TOKEN, session=session)
    try:
        yield bot
    finally:
        await session.close()


async def test_an_answer_grows_as_plain_text_and_stays_with_its_formatting(api, pace):
    async with bot_of(api, pace) as bot:
        growing = Growing(bot, 7, None, Arrival(UPDATE))
        await growing.begin()
        (begun,) = api.chat(7)
        assert (begun["text"], buttons(begun)) == ("…", ["⏹"])
        await growing.grow("It is **bo")
        (grown,) = api.chat(7)
        assert (grown["text"], buttons(grown), "entities" in grown) == ("It is **bo", ["⏹"], False)
        await growing.show("It is **bold**.", "Sources: [1] a_*b*_.md", keyboards.feedback("f" * 32))
        (final,) = api.chat(7)
    assert final["text"] == "It is bold.\n\nSources: [1] a_*b*_.md" and "👍" in buttons(final)
    assert [(e["type"], e["offset"], e["length"]) for e in final["entities"]] == [("bold", 6, 4)]
    assert not any("parse_mode" in call.params for call in api.journal)


async def test_a_text_that_formatting_made_shorter_leaves_no_message_behind(api, pace):
    async with bot_of(api, pace) as bot:
        growing = Growing(bot, 7, None, Arrival(UPDATE))
        await growing.begin()
        links = " ".join(f"[w{n}](https://example.org/{n})" for n in range(180))
        await growing.grow(links)
        assert len(api.chat(7)) == 2
        await growing.show(links, "", keyboards.feedback("f" * 32))
    first, second = api.chat(7)
    assert first["text"] + " " + second["text"] == " ".join(f"w{n}" for n in range(180))
    assert len(first["entities"]) == 100 and buttons(first) == [] and "👍" in buttons(second)
    async with bot_of(api, pace) as bot:
        growing.message_ids.append(api.remember(second | {"message_id": api.new_id()})["message_id"])
        growing._bot = bot
        await growing._remove(1)
    assert api.chat(7) == [first]


@pytest.mark.parametrize("description", ["can't parse entities", "ENTITY_BOUNDS_INVALID"])
async def test_where_telegram_refuses_the_entities_the_text_stays_plain(api, pace, description):
    async with bot_of(api, pace) as bot:
        growing = Growing(bot, 7, None, Arrival(UPDATE))
        await growing.begin()
        api.fault("editMessageText", 400, f"Bad Request: {description}")
        await growing.show("It is **bold**.", "", None)
        assert [m["text"] for m in api.chat(7)] == ["It is bold."] and "entities" not in api.chat(7)[0]
        api.fault("editMessageText", 429, "Too Many Requests: retry after 1", retry_after=1)
        await growing.show("It is **bold** now.", "", None)
    (shown,) = api.chat(7)
    assert shown["text"] == "It is bold now." and shown["entities"], "a pause says nothing of the markup"
    refused, again = api.calls("editMessageText")[-2:]
    assert refused.status == 429 and again.params == refused.params and again.at - refused.at >= 1


async def test_a_message_that_somebody_deleted_is_written_again_and_the_others_stay(api, pace):
    text = "word " * 1500
    async with bot_of(api, pace) as bot:
        growing = Growing(bot, 7, None, Arrival(UPDATE))
        await growing.grow(text)
        first, second = api.chat(7)
        del api.messages[7, first["message_id"]]
        await growing.show(text.replace("word", "**word**", 1), "", None)
    assert growing.message_ids == [m["message_id"] for m in reversed(api.chat(7))]
    again = api.chat(7)[1]
    assert again["text"] == first["text"] and again["entities"] and api.chat(7)[0]["text"] == second["text"]


async def test_a_long_answer_that_begins_anew_has_all_its_messages(api, pace):
    text, arrival, contact = "word " * 1500, Arrival(UPDATE), Contact(7, 7, True, "chat", "author", None)
    async with bot_of(api, pace) as bot:
        HANDLED.set(arrival)
        await Growing(bot, 7, None, arrival).show(text, "", None)
        whole = [m["text"] for m in api.chat(7)]
        arrival.counts.clear()
        growing = Growing(bot, 7, None, arrival)
        await take_over(bot, contact, arrival, growing)
        await growing.show(text, "", None)
    assert [m["text"] for m in api.chat(7)] == whole and len(whole) == 2
    assert growing.message_ids == [m["message_id"] for m in api.chat(7)]


async def test_telegrams_own_button_beside_a_draft_ends_the_answer(api, pace, store):
    async with bot_of(api, pace) as bot:
        dispatcher, begun, ended = make_dispatcher(None), asyncio.Event(), asyncio.Event()

        async def handle(arrival: Arrival) -> None:
            if arrival.update.message is None:
                await dispatcher.feed_update(bot, arrival.update, arrival=arrival)
            else:
                begun.set()
                await arrival.stop.wait()
                ended.set()

        inbox = dispatcher["inbox"] = Inbox(bot, handle, Ledger(store, bot.id, "a"), lambda _: True, 600)
        chat = Chat(id=7, type="private")
        question = Message(message_id=1, date=int(time.time()), chat=chat, text="Endless?")
        await inbox.take([Update(update_id=1, message=question)])
        await asyncio.wait_for(begun.wait(), 30)
        pressed = MessageGenerationStopped(chat=chat, draft_id=1)
        await inbox.take([Update(update_id=2, stopped_message_generation=pressed)])
        await asyncio.wait_for(ended.wait(), 30)
        await inbox.close()


async def test_as_drafts_the_text_is_no_message_until_it_is_complete(api, pace):
    async with bot_of(api, pace) as bot:
        growing = Drafted(bot, 7, None, Arrival(UPDATE))
        await growing.begin()
        await growing.grow("It is **bo")
        await growing.grow("It is **bo")
        assert api.chat(7) == [] and api.drafts[7]["text"] == "It is **bo"
        await growing.show("It is **bold**.", "", keyboards.feedback("f" * 32))
    (final,) = api.chat(7)
    assert final["text"] == "It is bold." and growing.message_ids == [final["message_id"]]
    drafts = [call.params for call in api.calls("sendMessageDraft")]
    assert [d.get("text") for d in drafts] == [None, "It is **bo"]
    assert len({d["draft_id"] for d in drafts}) == 1 and all(d["can_stop"] and d["keep_on_stop"] for d in drafts)


@pytest.mark.parametrize("kind", [Growing, Drafted])
async def test_rich_messages_fall_back_to_entities(api, pace, kind: Callable[..., Growing]):
    async with bot_of(api, pace) as bot:
        growing = kind(bot, 7, None, Arrival(UPDATE), rich=True)
        await growing.begin()
        await growing.show("| a |\n|---|\n| 1 |", "Sources: [1] a_b.md", keyboards.feedback("f" * 32))
        (final,) = api.chat(7)
        assert final["rich_message"]["markdown"] == "| a |\n|---|\n| 1 |\n\nSources: \\[1\\] a\\_b\\.md"
        assert "👍" in buttons(final) and growing.message_ids == [final["message_id"]]
        growing = kind(bot, 8, None, Arrival(UPDATE), rich=True)
        await growing.begin()
        api.fault("sendRichMessage" if kind is Drafted else "editMessageText", 400, "Bad Request: unsupported")
        await growing.show("It is **bold**.", "", None)
        long = kind(bot, 9, None, Arrival(UPDATE), rich=True)
        await long.show("word " * (RICH_LIMIT // 5 + 1), "", None)
    (plain,) = api.chat(8)
    assert plain["text"] == "It is bold." and plain["entities"]
    assert len(api.chat(9)) == 9 and not any("rich_message" in m for m in api.chat(9))
