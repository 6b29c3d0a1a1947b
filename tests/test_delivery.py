"""Never lost, never twice: what was taken is handled once, whatever dies, and whoever takes it."""

import asyncio
import itertools
import json
import signal
import time
from contextlib import asynccontextmanager

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiohttp import web
from lo_bot_api_emulator import LoBotApiEmulator
from lo_bot_api_emulator.updates import ALLOWED_UPDATE_TYPES
from pydantic import SecretStr

from bench.instance import free_ports
from bot.inbox import Inbox
from bot.intake import KINDS, Poller, insist
from bot.ledger import Ledger, Taken
from core import keys
from core.identity import Pseudonyms
from core.records import Handover, Message, Turn, new_id
from core.settings import Settings
from feedback.handovers import Handovers
from feedback.people import People
from feedback.ratings import Ratings
from feedback.thanks import Thanks
from feedback.turns import Turns
from tests.telegram_api import Person, TelegramApi, buttons, telegram
from tests.telegram_bot import BotProcess, bot_process, scripted_serving
from tests.waiting import until

BOT_ID = 123456
WORDS = " ".join(f"word{n}" for n in range(60))


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("delivery")
    return Settings(data_dir=folder / "data", redis_url=valkey_url, serving_port=port, reply_tokens=24)


@pytest.fixture
def api():
    with telegram() as running:
        yield running


@pytest.fixture(scope="module")
def serving(settings, base):
    with scripted_serving(settings, base):
        yield


def member(api: TelegramApi, store, settings, number: int = 7) -> Person:
    author = Pseudonyms.of_installation(settings.data_dir).author(f"telegram:{number}")
    People(store).grant(author, "member")
    People(store).note_told(author)
    return Person(api, number)


def kill(bot: BotProcess, store) -> None:
    """End the bot as a crash does, and what it held in Redis as some seconds would."""
    bot.stop(signal.SIGKILL)
    for holder in store.scan_iter(keys.lane_holder(BOT_ID, "*")):
        store.delete(holder)
    for lease in store.scan_iter(keys.lease("*"), _type="string"):
        store.delete(lease)


def noted(store, name: str) -> list[str]:
    """What the bot has noted of the updates in work."""
    return [store.hget(key, name) for key in store.scan_iter(keys.update(BOT_ID, "*"))]


def head(store, settings, person: Person) -> str | None:
    return Turns(store, 90).head(Pseudonyms.of_installation(settings.data_dir).chat(f"telegram:{person.id}"))


# --- the bot is killed ---


def test_what_was_being_said_goes_on_in_the_same_message(api, store, settings, serving, tmp_path):
    ann, turns = member(api, store, settings), Turns(store, 90)
    with bot_process(settings, api, tmp_path) as bot:
        before = ann.wait_answer(ann.send("script:short first"))
        first = head(store, settings, ann)
        asked = ann.send("script:steady please")
        waiting = ann.send("script:short and then this")
        begun = ann.wait_text("word3", asked)
        kill(bot, store)
    with bot_process(settings, api, tmp_path):
        answer = ann.wait_answer(asked)
        last = ann.wait(lambda m: m["message_id"] > answer["message_id"] and "👍" in buttons(m))
        until(lambda: not store.keys(keys.lane(BOT_ID, "*")) + store.keys(keys.update(BOT_ID, "*")), "all is done")
    assert (answer["message_id"], answer["text"]) == (begun["message_id"], WORDS)
    assert last["message_id"] > waiting["message_id"] and last["text"] == "It is scripted."
    assert [m["message_id"] for m in ann.seen()] == [m["message_id"] for m in (before, answer, last)]
    told = turns.conversation(head(store, settings, ann))
    assert [t.messages[-1].content for t in told][1:] == ["script:steady please", "script:short and then this"]
    assert (told[0].id, told[1].status) == (first, "complete"), "what was cut short is not part of the conversation"


def test_an_answer_that_was_complete_is_shown_and_not_asked_again(api, store, settings, serving, tmp_path):
    ann = member(api, store, settings)
    with bot_process(settings, api, tmp_path) as bot:
        until(lambda: api.calls("getUpdates"), "polling")
        api.fault("editMessageText", 500, times=10**6)
        asked = ann.send("script:short")
        turn = until(lambda: head(store, settings, ann), "the answer is complete")
        until(lambda: turn in noted(store, "turn"), "the bot knows which it is")
        kill(bot, store)
    (shown,) = ann.seen()
    assert shown["text"] == "…"
    api.faults.clear()
    with bot_process(settings, api, tmp_path):
        answer = ann.wait_answer(asked)
    assert answer["message_id"] == shown["message_id"] and answer["text"] == "It is scripted."
    assert head(store, settings, ann) == turn, "nothing was asked again"


def test_what_was_liked_before_the_bot_died_shows_that_in_the_message_that_takes_its_place(
    api, store, settings, serving, tmp_path
):
    """Dead after the last piece was sent, and before it was noted what it shows: it is sent anew."""
    ann, turns = member(api, store, settings), Turns(store, 90)
    chat = Pseudonyms.of_installation(settings.data_dir).chat("telegram:7")
    with bot_process(settings, api, tmp_path):
        asked = ann.send("script:long")
        first = ann.wait_answer(asked)
        ann.press(first, "👍")
        ann.wait(lambda m: "👍 ↩️ take back" in buttons(m))
    turn = turns.posted(chat, first["message_id"])
    pieces = [m["message_id"] for m in ann.seen() if m["message_id"] > asked["message_id"]]
    assert len(pieces) > 1
    store.delete(keys.posted(chat, first["message_id"]))
    (update,) = [u for call in api.calls("getUpdates") for u in call.result or [] if u.get("message") == asked]
    number = update["update_id"] + 1000
    notes = {"turn": turn, "messages": ",".join(map(str, pieces)), "parent": ""}
    Ledger(store, BOT_ID, "dead").take([Taken(str(number), number, "7", json.dumps(update), notes)])
    with bot_process(settings, api, tmp_path):
        shown = ann.wait(lambda m: m["message_id"] > first["message_id"] and "👍 ↩️ take back" in buttons(m))
        until(lambda: not store.keys(keys.update(BOT_ID, "*")), "all is done")
    assert first["message_id"] not in [m["message_id"] for m in ann.seen()]
    assert turns.posted(chat, shown["message_id"]) == turn and head(store, settings, ann) == turn
    assert [vote.value for vote in Ratings(store, turns).votes(turn)] == [1]


def test_another_answer_that_a_button_asked_for_goes_on_too(api, store, settings, serving, tmp_path):
    ann, turns = member(api, store, settings), Turns(store, 90)
    with bot_process(settings, api, tmp_path) as bot:
        answer = ann.wait_answer(ann.send("script:steady"))
        before = head(store, settings, ann)
        ann.press(answer, "🔄")
        begun = ann.wait_text("Again: word0 word1 word2 word3", answer)
        kill(bot, store)
    with bot_process(settings, api, tmp_path):
        again = ann.wait_answer(answer)
        ratings = Ratings(store, turns)
        until(lambda: ratings.regenerations(before), "the regeneration")
    assert (again["message_id"], again["text"]) == (begun["message_id"], f"Again: {WORDS}") and len(ann.seen()) == 2
    assert [one.replacement for one in ratings.regenerations(before)] == [head(store, settings, ann)]


def test_while_telegram_takes_nothing_the_answer_waits_and_is_shown_once(api, store, settings, serving, tmp_path):
    ann = member(api, store, settings)
    with bot_process(settings, api, tmp_path) as bot:
        until(lambda: api.calls("getUpdates"), "polling")
        api.fault("editMessageText", 500, times=6)
        asked = ann.send("script:short")
        answer = ann.wait_answer(asked, 60)
        assert answer["text"] == "It is scripted." and len(ann.seen()) == 1
        assert "it is tried again" in bot.output() and "Traceback" not in bot.output()


def test_what_cannot_be_resumed_is_apologised_for_in_its_place(api, store, settings, serving, tmp_path):
    ann = member(api, store, settings)
    with bot_process(settings, api, tmp_path, telegram_late_s=60) as bot:
        asked = ann.send("script:endless")
        begun = ann.wait_text("word3", asked)
        kill(bot, store)
    (update,) = store.scan_iter(keys.update(BOT_ID, "*"))
    text = store.hget(update, "update").replace(f'"date":{asked["date"]}', f'"date":{asked["date"] - 61}')
    store.hset(update, "update", text)
    with bot_process(settings, api, tmp_path, telegram_late_s=60):
        told = ann.wait_text("I was away", asked)
    assert told["message_id"] == begun["message_id"] and len(ann.seen()) == 1 and buttons(told) == []
    assert head(store, settings, ann) is None, "what was cut short is not part of the conversation"


def test_after_an_outage_each_chat_hears_one_apology(api, store, settings, serving, tmp_path):
    people = [member(api, store, settings, number) for number in (7, 8)]
    for person, n in itertools.product(people, range(5)):
        person.send(f"script:short {n}", date=int(time.time()) - 3600)
    people[0].send("/help", date=int(time.time()) - 3600)
    with bot_process(settings, api, tmp_path):
        people[0].wait_text("/sources")
        now = [person.send("script:short now") for person in people]
        for person, asked in zip(people, now, strict=True):
            person.wait_answer(asked)
    texts = [[m["text"][:10] for m in person.seen()] for person in people]
    assert texts == [["I was away", "Write me a", "It is scri"], ["I was away", "It is scri"]]


def test_what_the_bot_says_by_itself_is_said_once_where_it_dies_over_it(
    api, store, settings, turns, ratings, reviews, amends, tmp_path
):
    """Dead while Telegram is told: thanks, an alert, an apology, and a better answer of which one piece was sent."""
    names, thanks = Pseudonyms.of_installation(settings.data_dir), Thanks(store, turns, reviews)
    ann, bob, carl, olga = (Person(api, number) for number in (7, 8, 9, 10))
    better = "word " * 1500 + "The end."

    def answered(person: Person) -> tuple[str, str, str, str]:
        address = f"telegram:{person.id}"
        author, chat = names.author(address), names.chat(address)
        message = Message("user", "When?", author)
        turns.add_closed([Turn(turn := new_id(), (message,), chat=chat, author=author, reply="No.", status="complete")])
        return turn, author, chat, address

    thanks.begin()
    disliked, author, _, address = answered(ann)
    ratings.rate(disliked, author, -1)
    amends.note(disliked, author, address)
    reviews.decide(disliked, "edit", "op", "chat", better)
    amends.ask(disliked, "op")
    corrected, author, chat, address = answered(bob)
    ratings.correct(corrected, author, "At ten.")
    thanks.expect(corrected, author, chat, address)
    reviews.decide(corrected, "edit", "op", "chat", "At ten.")
    _, author, chat, address = answered(carl)
    Handovers(store, turns).begin(Handover("h", chat, author, address, 1, created_at=1))
    People(store).appoint(names.author("telegram:10"), "telegram:10")
    store.set(keys.ALERTS_POSITION, "0-0")
    store.xadd(keys.AUDIT, {"who": "canary", "what": "canary rollback", "subject": "a" * 64, "why": ""})

    def hanging() -> set[int]:
        return {call.params["chat_id"] for call in api.calls("sendMessage") if call.status == 0}

    api.hangs = lambda params: params.get("chat_id") in (8, 9, 10)
    with bot_process(settings, api, tmp_path, digest_hour=None) as bot:
        until(lambda: hanging() == {8, 9, 10}, "thanks, an apology and an alert are on their way")
        kill(bot, store)
    api.hangs = lambda params: "The end." in params.get("text", "")
    with bot_process(settings, api, tmp_path, digest_hour=None) as bot:
        until(lambda: hanging() == {7}, "a piece was sent, and the other is on its way")
        assert amends.why_not(disliked) is None, "it is not sent yet"
        for person, text in ((bob, "I answer this your way"), (carl, "sorry"), (olga, "The trial of")):
            person.wait_text(text)
        until(lambda: not store.xpending(keys.APPROVALS, keys.TELLING)["pending"], "all are thanked")
        kill(bot, store)
    api.hangs = None
    with bot_process(settings, api, tmp_path, digest_hour=None) as bot:
        until(lambda: not amends.waiting(), "it is sent")
        assert bot.stop() == 0
    assert amends.why_not(disliked).code == "sent_already"
    shown = "".join(m["text"] for m in ann.seen())
    assert shown.replace(" ", "").endswith(better.replace(" ", "")) and len(ann.seen()) == 2
    assert [len(person.seen()) for person in (bob, carl, olga)] == [1, 1, 1]
    assert not list(store.scan_iter(keys.lease("*")))


# --- several replicas ---


def test_replicas_share_what_comes_and_take_over_from_one_that_dies(api, store, settings, serving, tmp_path):
    ann, bob = member(api, store, settings), member(api, store, settings, 8)
    first, second = free_ports(2)
    webhook = {
        "telegram_webhook_url": "https://bot.example/hook",
        "telegram_webhook_secret": SecretStr("a-secret"),
    }
    with (
        bot_process(settings, api, tmp_path, telegram_webhook_port=first, **webhook) as one,
        bot_process(settings, api, tmp_path, telegram_webhook_port=second, **webhook) as two,
    ):
        api.replicas += [f"http://127.0.0.1:{port}/hook" for port in (first, second)]
        until(lambda: len(api.calls("setWebhook")) == 2, "both have set the webhook")
        asked = [ann.send(f"script:short {n}") for n in range(3)]
        until(lambda: len([m for m in ann.seen() if "👍" in buttons(m)]) == 3, "three answers")
        told = Turns(store, 90).conversation(head(store, settings, ann))
        assert [t.messages[-1].content for t in told] == [f"script:short {n}" for n in range(3)], "in their order"

        endless = bob.send("script:endless")
        begun = bob.wait_text("word3", endless)
        api.replicas.reverse()
        bob.wait_text("Stopped", bob.send("/stop"))
        assert bob.wait_answer(endless)["message_id"] == begun["message_id"], "/stop reaches whoever answers"

        api.replicas[:] = [api.replicas[0]]
        killed, left = (one, two) if api.replicas[0].startswith(f"http://127.0.0.1:{first}/") else (two, one)
        steady = ann.send("script:steady")
        begun = ann.wait_text("word3", steady)
        killed.stop(signal.SIGKILL)
        api.replicas[:] = [f"http://127.0.0.1:{second if killed is one else first}/hook"]
        later = ann.send("script:short later")
        answer = ann.wait_answer(steady, 60)
        assert answer["text"] == WORDS and answer["message_id"] == begun["message_id"]
        last = ann.wait(lambda m: m["message_id"] > later["message_id"] and m["text"] == "It is scripted.")
        assert len(ann.seen()) == len(asked) + 2 and last in ann.seen() and left.process.poll() is None


# --- two pollers, and redelivery ---


def test_two_programs_that_poll_handle_everything_once(api, store, settings, serving, tmp_path):
    ann = member(api, store, settings)
    with bot_process(settings, api, tmp_path), bot_process(settings, api, tmp_path):
        until(lambda: any(c.status == 409 for c in api.calls("getUpdates")), "they are in each other's way")
        for n in range(5):
            ann.send(f"script:short {n}")
        until(lambda: len([m for m in ann.seen() if "👍" in buttons(m)]) == 5, "five answers", 60)
    assert len(ann.seen()) == 5


@asynccontextmanager
async def another_emulator():
    """Somebody else's emulator of delivery, on a free port."""
    emulator = LoBotApiEmulator()
    runner = web.AppRunner(emulator.app(), access_log=None)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield emulator, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def private(number: int, text: str) -> dict:
    user = {"id": 7, "is_bot": False, "first_name": "Ann"}
    return {
        "message": {
            "message_id": number,
            "date": int(time.time()),
            "chat": {"id": 7, "type": "private"},
            "from": user,
            "text": text,
        }
    }  # noqa: E501


async def test_offsets_and_redelivery_as_another_emulator_has_them(store, monkeypatch):
    """Killed between the storing and the confirming, the next poller gets everything again, and does it once."""
    monkeypatch.setattr("bot.intake.KINDS", [kind for kind in KINDS if kind in ALLOWED_UPDATE_TYPES])
    token, done = "123456:" + "A" * 35, []

    async def handle(arrival) -> None:
        done.append(arrival.update.message.text)

    async with another_emulator() as (emulator, base), AiohttpSession(api=TelegramAPIServer.from_base(base)) as session:
        bot = Bot(token, session=session)
        for n in range(1, 6):
            await emulator.enqueue_update(private(n, str(n)), token=token)
        for life in range(3):
            ledger = Ledger(store, bot.id, f"life {life}")
            inbox = Inbox(bot, handle, ledger, lambda update: True, 600)
            await inbox.take(await bot.get_updates())
            if life < 2:
                await inbox.close()
        poller = Poller(bot, inbox)
        polling = asyncio.create_task(poller.run())
        await emulator.enqueue_update(private(6, "6"), token=token)
        async with asyncio.timeout(30):
            while "6" not in done or await asyncio.to_thread(ledger.waiting):
                await asyncio.sleep(0.01)
        polling.cancel()
        await asyncio.wait({polling})
        await insist(bot.get_updates)
        await poller.confirm()
        await inbox.close()
        assert await bot.get_updates() == [] and done == ["1", "2", "3", "4", "5", "6"]


async def test_two_pollers_as_another_emulator_has_them(store, monkeypatch, caplog):
    """The second is refused while the first polls, goes on trying, and does what the first has not done."""
    monkeypatch.setattr("bot.intake.KINDS", [kind for kind in KINDS if kind in ALLOWED_UPDATE_TYPES])
    token, done = "123456:" + "A" * 35, []

    async def handle(arrival) -> None:
        done.append(arrival.update.message.text)

    async def until_done(number: int, ledger: Ledger) -> None:
        await emulator.enqueue_update(private(number, str(number)), token=token)
        async with asyncio.timeout(30):
            while str(number) not in done or await asyncio.to_thread(ledger.waiting):
                await asyncio.sleep(0.01)

    async with another_emulator() as (emulator, base), AiohttpSession(api=TelegramAPIServer.from_base(base)) as session:
        bot = Bot(token, session=session)
        ledgers = [Ledger(store, bot.id, name) for name in ("one", "two")]
        inboxes = [Inbox(bot, handle, ledger, lambda update: True, 600) for ledger in ledgers]
        polling = [asyncio.create_task(Poller(bot, inbox).run()) for inbox in inboxes]
        async with asyncio.timeout(30):
            while "Another program polls with this bot's token" not in caplog.text:
                await asyncio.sleep(0.01)
        for number in (1, 2):
            await until_done(number, ledgers[0])
        polling[0].cancel()
        await until_done(3, ledgers[1])
        polling[1].cancel()
        await asyncio.wait(polling)
        for inbox in inboxes:
            await inbox.close()
    assert done == ["1", "2", "3"]


# --- the ledger ---


def taken(number: int, lane: str = "l") -> Taken:
    return Taken(str(number), number, lane, f"update {number}")


def test_updates_are_kept_in_order_each_once_and_held_by_one(store):
    ours, theirs = Ledger(store, 1, "ours"), Ledger(store, 1, "theirs")
    ours.take([taken(2), taken(1)])
    theirs.take([taken(1), taken(3), taken(9, "other")])
    assert ours.waiting() == {"l", "other"}
    assert ours.next("l").update == "update 1" and theirs.next("l") is None
    ours.note("1", {"parent": "p"})
    ours.hand_on({"l": "1"})
    again = theirs.next("l")
    assert (again.update, again.notes, again.attempts) == ("update 1", {"parent": "p"}, 1)
    assert theirs.next("l", "1").update == "update 2" and ours.next("l") is None
    store.delete(keys.lane_holder(1, "l"))
    assert ours.next("l").attempts == 2, "whoever held it is dead"
    assert theirs.next("l", "2") is None and ours.next("l", "2").update == "update 3"
    assert ours.next("l", "3") is None and ours.waiting() == {"other"}
    ours.take([taken(1)])
    assert ours.next("l") is None, "it was taken before"
    assert Ledger(store, 2, "ours").next("other") is None, "another bot's"


def test_a_stop_is_about_what_came_before_it(store):
    ours = Ledger(store, 1, "ours")
    assert not ours.stop("l", 5)
    ours.take([taken(4), taken(6)])
    assert ours.stop("l", 5) and ours.stopped(["l", "other"]) == {"l": 5}
    assert ours.next("l").stopped and not ours.next("l", "4").stopped
    assert not ours.stop("l", 6)


async def test_an_update_that_cannot_be_read_or_kills_does_not_hold_up_the_others(store, caplog):
    done, ledger = [], Ledger(store, 1, "ours")

    async def handle(arrival) -> None:
        done.append((arrival.update.update_id, arrival.is_given_up))
        raise RuntimeError("a bug")

    inbox = Inbox(None, handle, ledger, lambda update: True, 600)
    ledger.take([taken(1, "update:1"), Taken("2", 2, "update:1", '{"update_id": 2}')])
    ledger.note("2", {"attempts": "5"})
    working = asyncio.create_task(inbox.work())
    async with asyncio.timeout(20):
        while not done:
            await asyncio.sleep(0.05)
    await inbox.close()
    working.cancel()
    assert done == [(2, True)] and ledger.waiting() == set()
    assert "cannot be read" in caplog.text
