"""How the bot starts, goes on and ends: tokens, other pollers, webhooks, and what is away or dies."""

import os
import signal
import threading
import time

import httpx
import pytest
from pydantic import SecretStr

from bench.instance import free_ports
from bot.keyboards import AboutAnswer
from core.identity import Pseudonyms
from core.records import Message, Turn, new_id, now_ms
from core.settings import Settings
from feedback.people import People
from feedback.ratings import Ratings
from feedback.turns import Turns
from tests.telegram_api import BOT, Person, telegram, until
from tests.telegram_bot import bot_process


@pytest.fixture
def settings(valkey_url, tmp_path):
    """Serving is away in all of this."""
    return Settings(data_dir=tmp_path / "data", redis_url=valkey_url, serving_url="http://127.0.0.1:1")


@pytest.fixture
def api():
    with telegram() as running:
        yield running


@pytest.fixture
def ann(api, store, settings):
    """A member."""
    author = Pseudonyms.of_installation(settings.data_dir).author("telegram:7")
    People(store).grant(author, "member")
    People(store).note_told(author)
    return Person(api, 7)


def test_a_wrong_token_is_one_sentence_and_final(api, store, settings, tmp_path):
    other, odd = SecretStr("123456:AAE-another-token-of-the-right-shape-000"), SecretStr("nonsense-that-is-secret")
    with (
        bot_process(settings, api, tmp_path, telegram_bot_token=other) as refused,
        bot_process(settings, api, tmp_path, telegram_bot_token=odd) as misread,
    ):
        assert (refused.process.wait(20), misread.process.wait(20)) == (os.EX_CONFIG, os.EX_CONFIG)
    for bot, token in ((refused, other), (misread, odd)):
        (line,) = bot.output().splitlines()
        assert "TELEGRAM_BOT_TOKEN" in line and "@BotFather" in line and token.get_secret_value() not in line


def test_another_poller_is_named_once_and_polling_goes_on(api, ann, settings, tmp_path):
    with bot_process(settings, api, tmp_path) as bot, httpx.Client() as http:
        until(lambda: api.calls("getUpdates"), "polling")
        for _ in range(2):
            before = len(api.calls("getUpdates"))
            http.post(f"{api.base}/bot{api.token}/getUpdates", data={"timeout": 0})
            until(lambda before=before: len(api.calls("getUpdates")) > before + 1, "another try")
        sent = ann.send("/help")
        ann.wait_text("/sources", sent)
        assert bot.output().count("Another program polls with this bot's token") == 1
        api.fault("getUpdates", 502, "Bad Gateway")
        api.fault("getUpdates", 429, "Too Many Requests: retry after 1", retry_after=1)
        sent = ann.send("/help")
        ann.wait_text("/sources", sent)
        again = ann.send("/help")
        ann.wait_text("/sources", again)
        assert "does not answer as it should" in bot.output() and "Traceback" not in bot.output()


def test_a_webhook_that_is_left_over_is_deleted_and_named(api, ann, settings, tmp_path):
    api.webhook = {"url": "https://left.example/over"}
    sent = ann.send("/help")
    with bot_process(settings, api, tmp_path) as bot:
        ann.wait_text("/sources", sent)
        assert api.webhook == {} and bot.output().count("A webhook was set for this bot") == 1
        api.webhook = {"url": "https://another.example/program"}
        until(lambda: "has set a webhook for this bot's token" in bot.output(), "the sentence about the webhook")
        api.webhook = {}
        later = ann.send("/help")
        ann.wait_text("/sources", later)


def test_a_webhook_serves_and_checks_its_secret(api, ann, settings, tmp_path):
    (port,) = free_ports(1)
    hook = f"127.0.0.1:{port}/telegram/hook"
    changes = {
        "telegram_webhook_url": f"https://{hook}",
        "telegram_webhook_secret": SecretStr("a-long_secret"),
        "telegram_webhook_port": port,
    }
    with bot_process(settings, api, tmp_path, **changes) as bot:
        until(lambda: api.webhook, "the webhook")
        assert api.webhook["secret_token"] == "a-long_secret"
        sent = ann.send("/help")
        ann.wait_text("/sources", sent)
        asked = ann.send("Is serving there?")
        ann.wait_text("starting or busy elsewhere", asked)
        assert set(api.deliveries) == {200} and not api.calls("getUpdates")
        for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": "wröng".encode()}):
            assert httpx.post(f"http://{hook}", json={}, headers=headers).status_code == 401
        known = {"X-Telegram-Bot-Api-Secret-Token": "a-long_secret"}
        assert httpx.post(f"http://{hook}", content=b"{", headers=known).status_code == 400
        assert httpx.post(f"http://{hook}", json={"update_id": "?"}, headers=known).status_code == 200
        assert httpx.get(f"http://{hook}").status_code == 405
        with bot_process(settings, api, tmp_path, **changes) as second:
            assert second.process.wait(20) == os.EX_CONFIG
            assert "APPRENTICE_TELEGRAM_WEBHOOK_PORT" in second.output()
        assert bot.stop() == 0 and api.webhook, "Telegram keeps what comes meanwhile"
        assert "a-long_secret" not in bot.output()


def test_without_the_database_people_are_told_and_polling_goes_on(api, settings, tmp_path):
    ann = Person(api, 7)
    with bot_process(settings, api, tmp_path, redis_url="redis://127.0.0.1:1/0") as bot:
        for text in ("What is the capital of France?", "/reset"):
            sent = ann.send(text)
            ann.wait_text("The database cannot be reached just now", sent)
        shown = ann.seen()[0]
        turn = AboutAnswer(action="up", turn="0" * 32).pack()
        told = ann.press_data(shown, turn)
        assert told["text"].startswith("That was not stored") and told["show_alert"]
        assert bot.process.poll() is None and "start=" not in bot.output() and "Traceback" not in bot.output()


def test_while_telegram_is_away_the_bot_waits_and_its_log_holds_no_token(api, store, settings, tmp_path):
    away = {"telegram_api_base": "http://127.0.0.1:1", "log_level": "DEBUG"}
    with bot_process(settings, api, tmp_path, **away) as bot:
        until(lambda: "waits 0.5 s for Telegram" in bot.output(), "the first pause")
        assert bot.stop() == 0
        assert "Traceback" not in bot.output()


def test_a_bot_that_has_an_owner_prints_no_link_and_an_unreadable_update_holds_nothing_up(
    api, ann, store, settings, tmp_path
):
    people = People(store)
    people.redeem(people.invite("owner"), "olga", "telegram:9")
    api.push(message={"message_id": "not a number"})
    sent = ann.send("/help")
    with bot_process(settings, api, tmp_path) as bot:
        ann.wait_text("/sources", sent)
        assert bot.stop() == 0
    assert "start=" not in bot.output() and "could not be understood" in bot.output()
    assert api.confirmed == max(u for c in api.calls("getUpdates") for u in [u["update_id"] for u in c.result or []])


def test_a_press_that_was_not_stored_before_a_crash_comes_again(api, ann, store, settings, tmp_path):
    pseudonyms = Pseudonyms.of_installation(settings.data_dir)
    turns = Turns(store, 90)
    chat = pseudonyms.chat("telegram:7")
    turn = Turn(new_id(), (Message("user", "q"),), chat=chat, reply="a", status="complete", created_at=now_ms())
    turns.close(turn)
    shown = api.remember(
        {"message_id": api.new_id(), "date": 1, "chat": {"id": 7, "type": "private"}, "from": BOT, "text": "a"}
    )
    ratings = Ratings(store, turns)
    with bot_process(settings, api, tmp_path) as bot:
        until(lambda: api.calls("getUpdates"), "polling")
        store.execute_command("CLIENT", "PAUSE", 30_000, "WRITE")
        data = AboutAnswer(action="up", turn=turn.id).pack()
        pressing = threading.Thread(target=ann.press_data, args=(shown, data))
        pressing.start()
        until(lambda: any(c.result for c in api.calls("getUpdates")), "the press is delivered")
        time.sleep(0.3)
        bot.stop(signal.SIGKILL)
    store.execute_command("CLIENT", "UNPAUSE")
    assert ratings.votes(turn.id) == []
    with bot_process(settings, api, tmp_path):
        until(lambda: ratings.votes(turn.id), "the vote")
        pressing.join(20)
    assert [v.value for v in ratings.votes(turn.id)] == [1]
