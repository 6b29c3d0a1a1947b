"""How the bot starts and goes on: tokens, other pollers, webhooks, and what is away or dies."""

import asyncio
import os
import signal
import socket
import threading
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from bench.instance import free_ports
from bot.app import run
from bot.certificates import is_self_signed
from bot.inbox import Inbox
from bot.intake import KINDS, _tls, insist, webhook
from bot.keyboards import AboutAnswer
from bot.ledger import Ledger
from core.errors import SettingsError
from core.identity import Pseudonyms
from core.records import Message, Turn, new_id, now_ms
from core.settings import Settings
from feedback.people import People
from feedback.ratings import Ratings
from feedback.turns import Turns
from tests.http_proxy import http_proxy
from tests.telegram_api import BOT, TOKEN, Person, telegram
from tests.telegram_bot import bot_process
from tests.waiting import until


def _asks_for_help(person: Person) -> None:
    sent = person.send("/help")
    person.wait_text("/sources", sent)


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
    token = SecretStr("123456:AAE-another-token-of-the-right-shape-000")
    with bot_process(settings, api, tmp_path, telegram_bot_token=token) as bot:
        assert bot.process.wait(60) == os.EX_CONFIG
    (line,) = bot.output().splitlines()
    assert "TELEGRAM_BOT_TOKEN" in line and "@BotFather" in line and token.get_secret_value() not in line


@pytest.mark.parametrize("token", [None, SecretStr("nonsense-that-is-secret")])
def test_what_is_no_token_is_one_sentence_and_final(settings, token, capsys):
    with pytest.raises(SystemExit) as ended:
        run(settings.model_copy(update={"telegram_bot_token": token}))
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == os.EX_CONFIG
    assert "TELEGRAM_BOT_TOKEN" in line and "nonsense" not in line


async def test_while_telegram_is_away_the_bot_waits_and_says_so_once(caplog):
    session = AiohttpSession(api=TelegramAPIServer.from_base("http://127.0.0.1:1"))
    bot = Bot(TOKEN, session=session)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await insist(bot.get_updates)
    await session.close()
    (said,) = caplog.messages
    assert said == "Telegram cannot be reached (ClientConnectorError). I keep trying."


def test_other_pollers_and_webhooks_are_named_once_and_polling_goes_on(api, ann, settings, tmp_path):
    api.webhook = {"url": "https://left.example/over"}
    with bot_process(settings, api, tmp_path, log_level="DEBUG") as bot, httpx.Client() as http:
        _asks_for_help(ann)
        assert api.webhook == {} and bot.output().count("A webhook was set for this bot") == 1

        for _ in range(2):
            before = len(api.calls("getUpdates"))
            http.post(f"{api.base}/bot{api.token}/getUpdates", data={"timeout": 0})
            until(lambda before=before: len(api.calls("getUpdates")) > before + 1, "another try")
        _asks_for_help(ann)
        assert bot.output().count("Another program polls with this bot's token") == 1

        api.webhook = {"url": "https://another.example/program"}
        until(lambda: "has set a webhook for this bot's token" in bot.output(), "the sentence about the webhook")
        api.webhook = {}
        _asks_for_help(ann)

        api.fault("getUpdates", 502, "Bad Gateway")
        api.fault("getUpdates", 429, "Too Many Requests: retry after 1", retry_after=1)
        _asks_for_help(ann)
        _asks_for_help(ann)
        assert "does not answer as it should" in bot.output() and "Traceback" not in bot.output()


def test_telegram_is_reached_through_a_proxy_and_no_other_way(api, ann, settings, tmp_path):
    """The name of the Bot API server is known to the proxy alone."""
    server = urlsplit(api.base)
    with http_proxy((server.hostname, server.port)) as proxy:
        through = {"telegram_proxy": SecretStr(proxy.url), "telegram_api_base": "http://telegram.invalid"}
        with bot_process(settings, api, tmp_path, **through) as bot:
            _asks_for_help(ann)
            ann.send_document("notes.md", "The mill opens at nine.")
            ann.wait_text("starting or busy elsewhere")
            assert bot.stop() == 0 and "pass-word" not in bot.output()
        methods, targets, credentials = zip(*proxy.asked, strict=True)
        assert set(methods) == {"POST", "GET"}, "the file came through it too"
        assert all(target.startswith("http://telegram.invalid/") for target in targets)
        assert set(credentials) == {"Basic " + b64encode(b"bot:pass-word").decode()}
        tls = through | {"telegram_api_base": "https://telegram.invalid"}
        with bot_process(settings, api, tmp_path, **tls) as bot:
            until(
                lambda: "Telegram cannot be reached (ClientHttpProxyError)" in bot.output(), "a tunnel that is refused"
            )
        assert ("CONNECT", "telegram.invalid:443", credentials[0]) in proxy.asked


def _answered(api, store, settings, person: Person) -> tuple[str, dict]:
    """An answer in the record, and the message that shows it."""
    turns, chat = Turns(store, 90), Pseudonyms.of_installation(settings.data_dir).chat(f"telegram:{person.id}")
    turn = Turn(new_id(), (Message("user", "q"),), chat=chat, reply="a", status="complete", created_at=now_ms())
    turns.add_closed([turn])
    private = {"id": person.id, "type": "private"}
    shown = api.remember({"message_id": api.new_id(), "date": 1, "chat": private, "from": BOT, "text": "a"})
    turns.note_posted(chat, shown["message_id"], turn.id)
    return turn.id, shown


def test_a_webhook_serves_and_checks_its_secret(api, ann, store, settings, tmp_path):
    (port,) = free_ports(1)
    hook = f"127.0.0.1:{port}/telegram/hook"
    changes = {
        "telegram_webhook_url": f"https://{hook}",
        "telegram_webhook_secret": SecretStr("a-long_secret"),
        "telegram_webhook_port": port,
    }
    with bot_process(settings, api, tmp_path, **changes) as bot:
        until(lambda: api.webhook, "the webhook")
        assert api.webhook["secret_token"] == "a-long_secret" and api.webhook["allowed_updates"] == KINDS
        turn, shown = _answered(api, store, settings, ann)
        ann.react(shown, "👍")
        until(lambda: Ratings(store, Turns(store, 90)).votes(turn), "a reaction is brought too")
        _asks_for_help(ann)
        asked = ann.send("Is serving there?")
        ann.wait_text("starting or busy elsewhere", asked)
        assert set(api.deliveries) == {200} and not api.calls("getUpdates")
        for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": "wröng".encode()}):
            assert httpx.post(f"http://{hook}", json={}, headers=headers).status_code == 401
        known = {"X-Telegram-Bot-Api-Secret-Token": "a-long_secret"}
        assert httpx.post(f"http://{hook}", content=b"{", headers=known).status_code == 400
        assert httpx.post(f"http://{hook}", json={"update_id": "?"}, headers=known).status_code == 200
        assert httpx.get(f"http://{hook}").status_code == 405
        assert bot.stop() == 0 and api.webhook, "Telegram keeps what comes meanwhile"
        assert "a-long_secret" not in bot.output()


def _certificate(issuer: str = "bot", authority: bool = False) -> tuple[bytes, bytes]:
    """A certificate for this machine, signed by itself or in somebody's name, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    by, of = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (issuer, "bot"))
    here = x509.IPAddress(ip_address("127.0.0.1"))
    built = x509.CertificateBuilder(by, of, key.public_key(), 1, now, now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([here]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    signer = key if issuer == "bot" else ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return built.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM), private


def test_a_certificate_that_somebody_signed_is_not_given_to_telegram(settings, tmp_path):
    file = tmp_path / "both.pem"
    for (certificate, key), given in (
        (_certificate(), True),
        (_certificate(authority=True), True),
        (_certificate("somebody"), False),
    ):
        file.write_bytes(key + certificate)
        tls, uploaded = _tls(settings.model_copy(update={"telegram_webhook_certificate": file}))
        assert tls is not None and (uploaded is not None) == given
    root, leaf = _certificate(authority=True)[0], _certificate("somebody")[0]
    assert is_self_signed((leaf + root).decode()), "a private authority's root is what Telegram checks by"


def test_a_webhook_on_a_port_of_its_own_speaks_tls_and_sends_its_certificate(api, ann, settings, tmp_path):
    (port,) = free_ports(1)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for file, content in zip((certificate, key), _certificate(), strict=True):
        file.write_bytes(content)
    changes = {
        "telegram_webhook_url": f"https://127.0.0.1:{port}/hook",
        "telegram_webhook_secret": SecretStr("a-long_secret"),
        "telegram_webhook_port": port,
        "telegram_webhook_certificate": certificate,
        "telegram_webhook_key": key,
    }
    with bot_process(settings, api, tmp_path, **changes) as bot:
        until(lambda: api.webhook, "the webhook")
        assert api.files[api.webhook["certificate"]["file_id"]] == certificate.read_bytes()
        _asks_for_help(ann)
        assert set(api.deliveries) == {200} and bot.stop() == 0
    with bot_process(settings, api, tmp_path, **changes | {"telegram_webhook_key": tmp_path / "none.pem"}) as bot:
        assert bot.process.wait(60) == os.EX_CONFIG
    last = bot.output().splitlines()[-1]
    assert "APPRENTICE_TELEGRAM_WEBHOOK_KEY" in last and "No such file" in last and "Traceback" not in bot.output()


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


def _inbox(bot: Bot, store) -> Inbox:
    return Inbox(bot, lambda arrival: asyncio.sleep(0), Ledger(store, bot.id, "a"), lambda update: True, 600)


async def test_a_webhook_that_cannot_listen_or_is_refused_is_one_sentence(api, store, settings):
    (port,) = free_ports(1)
    wanted = {"telegram_webhook_secret": SecretStr("secret"), "telegram_webhook_port": port}
    session = AiohttpSession(api=TelegramAPIServer.from_base(api.base))
    bot = Bot(api.token, session=session)
    refused = settings.model_copy(update=wanted | {"telegram_webhook_url": "ftp://bot.example"})
    with pytest.raises(SettingsError, match="APPRENTICE_TELEGRAM_WEBHOOK_URL is refused"):
        async with webhook(bot, _inbox(bot, store), refused):
            pass
    await session.close()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(SettingsError, match="WEBHOOK_PORT"):
        async with webhook(bot, _inbox(bot, store), refused):
            pass


def test_a_press_that_was_not_stored_before_a_crash_comes_again(api, ann, store, settings, tmp_path):
    turn, shown = _answered(api, store, settings, ann)
    ratings, people = Ratings(store, Turns(store, 90)), People(store)
    people.redeem(people.invite("owner"), "olga", "telegram:9")
    with bot_process(settings, api, tmp_path) as bot:
        until(lambda: api.calls("getUpdates"), "polling")
        store.execute_command("CLIENT", "PAUSE", 30_000, "WRITE")
        data = AboutAnswer(action="up", turn=turn).pack()
        pressing = threading.Thread(target=ann.press_data, args=(shown, data))
        pressing.start()
        until(lambda: any(c.result for c in api.calls("getUpdates")), "the press is delivered")
        time.sleep(0.3)
        bot.stop(signal.SIGKILL)
    store.execute_command("CLIENT", "UNPAUSE")
    assert ratings.votes(turn) == []
    api.push(message={"message_id": "not a number"})
    with bot_process(settings, api, tmp_path) as bot:
        until(lambda: ratings.votes(turn), "the vote")
        pressing.join(20)
        assert bot.stop() == 0
    assert [v.value for v in ratings.votes(turn)] == [1]
    assert "could not be understood" in bot.output() and "Traceback" not in bot.output()
    assert "start=" not in bot.output(), "there is an owner"
    assert api.confirmed == max(u["update_id"] for c in api.calls("getUpdates") for u in c.result or [])
