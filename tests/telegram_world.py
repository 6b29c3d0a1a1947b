"""What the bot's stories play in: a real bot process, serving over the bundled model, and people with roles."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.base import Base
from bench.instance import free_ports
from core.identity import Pseudonyms
from core.records import Turn
from core.settings import Settings
from tests.telegram_api import Person, TelegramApi, buttons, telegram
from tests.telegram_bot import BotProcess, bot_process, bots, scripted_serving
from tests.telegram_contract import check_recorded
from tests.waiting import until
from workers.context import Context, open_context

ids = itertools.count(1001)


@dataclass
class World:
    """What a story plays in."""

    api: TelegramApi
    bot: BotProcess
    context: Context
    owner: Person
    names: Pseudonyms
    settings: Settings

    def stranger(self, name: str = "Bob") -> Person:
        """Somebody new, without access."""
        return Person(self.api, next(ids), name)

    def member(self, name: str = "Ann") -> Person:
        """Somebody new who may use the bot and has been told what is stored."""
        person = self.stranger(name)
        self.context.people.grant(self.author(person), "member")
        self.context.people.note_told(self.author(person))
        return person

    def author(self, person: Person) -> str:
        """What the record calls a person."""
        return self.names.author(f"telegram:{person.id}")

    def chat(self, person: Person) -> str:
        """What the record calls the chat that a person writes in."""
        return self.names.chat(f"telegram:{person.chat_id}")

    def turn(self, message: dict) -> Turn:
        """The turn that a message's buttons carry."""
        return self.context.turns.get(data(message, buttons(message)[0]).rsplit(":", 1)[1])

    def now(self, message: dict) -> dict:
        """A message as its chat shows it now."""
        return self.api.messages[message["chat"]["id"], message["message_id"]]

    def confirm(self, person: Person, written: dict) -> dict:
        """Send what somebody wrote as a correction, as they are asked; gives the message that thanks them."""
        shown = person.wait_text("Shall I send this", written)
        person.press(shown, "Send")
        until(lambda: "Thank you" in self.now(shown)["text"], "thanks")
        return self.now(shown)

    def edits(self, message: dict) -> list:
        """The edits of a message."""
        mine = (message["chat"]["id"], message["message_id"])
        found = self.api.calls("editMessageText")
        return [c for c in found if (c.params["chat_id"], c.params["message_id"]) == mine]


def data(message: dict, button: str) -> str:
    """What a button of a message carries."""
    rows = message["reply_markup"]["inline_keyboard"]
    return next(b["callback_data"] for row in rows for b in row if b["text"] == button)


@contextmanager
def a_world(valkey_url: str, base: Base, folder: Path, **of_bot: object) -> Iterator[World]:
    """A world with an empty record, whose bot has these settings."""
    (port,) = free_ports(1)
    quiet = {"reply_tokens": 24, "digest_hour": None}
    settings = Settings(data_dir=folder / "data", redis_url=valkey_url, serving_port=port, **quiet)
    context = open_context(settings)
    context.store.flushall()
    with (
        telegram() as api,
        bot_process(settings, api, folder, **of_bot) as bot,
        scripted_serving(settings, base),
    ):
        owner = Person(api, next(ids), "Olga")
        yield World(api, bot, context, owner, Pseudonyms.of_installation(settings.data_dir), settings)
    context.store.close()


@pytest.fixture(scope="session", autouse=True)
def contract():
    """Every call that a story made fits another model of the Bot API."""
    yield
    check_recorded()


@pytest.fixture(scope="session", autouse=True)
def no_bots_left():
    """What bots are forked from ends with the run."""
    yield
    if bots.cache_info().currsize:
        bots().close()


@pytest.fixture(scope="module")
def world(valkey_url, base, tmp_path_factory):
    """A world of a module's own."""
    with a_world(valkey_url, base, tmp_path_factory.mktemp("bot")) as found:
        yield found
