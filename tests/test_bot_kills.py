"""The kill drill: the bot dies at 20 random moments of two conversations; nothing is lost, and nothing comes twice."""

import itertools
import random
import signal
import threading
import time

import pytest

from bench.instance import free_ports
from core import keys
from core.identity import Pseudonyms
from core.settings import Settings
from feedback.people import People
from feedback.ratings import Ratings
from feedback.turns import Turns
from tests.telegram_api import BOT, Person, buttons, telegram
from tests.telegram_bot import bot_process, scripted_serving
from tests.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
KILLS, WAITING = 20, 3
SCRIPTS = ("short", "waiting", "steady", "short", "long")
PLACEHOLDER = "…"


class Asking(threading.Thread):
    """Somebody who goes on asking, with a few questions ahead of the answers, and likes what is answered."""

    def __init__(self, person: Person):
        super().__init__()
        self.person, self.over = person, threading.Event()
        self.asked: list[str] = []
        self.liked: set[int] = set()

    def answers(self) -> list[dict]:
        """The messages that end an answer."""
        return [m for m in self.person.seen() if buttons(m)]

    def run(self) -> None:
        for n in itertools.count():
            while len(self.asked) - len(self.answers()) >= WAITING and not self.over.is_set():
                time.sleep(0.05)
            if self.over.is_set():
                return
            self.asked.append(f"script:{SCRIPTS[n % len(SCRIPTS)]} {n}")
            self.person.send(self.asked[-1])
            for message in self.answers():
                if message["message_id"] not in self.liked and "👍" in buttons(message):
                    self.liked.add(message["message_id"])
                    self.person.press(message, "👍")
            time.sleep(0.2)


def test_killed_at_random_moments_nothing_is_lost_and_nothing_comes_twice(valkey_url, store, base, tmp_path):
    (port,) = free_ports(1)
    settings = Settings(data_dir=tmp_path / "data", redis_url=valkey_url, serving_port=port, reply_tokens=24)
    names, people = Pseudonyms.of_installation(settings.data_dir), People(store)
    turns, moments = Turns(store, 90), random.Random(20)
    with telegram() as api, scripted_serving(settings, base):
        asking = [Asking(Person(api, number)) for number in (7, 8)]
        for each in asking:
            author = names.author(f"telegram:{each.person.id}")
            people.grant(author, "member")
            people.note_told(author)
            each.start()
        for _ in range(KILLS):
            before = len(api.calls("editMessageText"))
            with bot_process(settings, api, tmp_path) as bot:
                until(lambda before=before: len(api.calls("editMessageText")) > before, "it is at work", 60)
                time.sleep(moments.uniform(0, 3))
                bot.stop(signal.SIGKILL)
        with bot_process(settings, api, tmp_path) as bot:
            for each in asking:
                each.over.set()
            done = keys.update(BOT["id"], "*")
            until(lambda: not store.keys(done) and api.confirmed == max(_given(api)), "all is done", 300)
            for each in asking:
                each.join(60)
            until(lambda: not store.keys(done), "the last thumbs are stored", 60)
            assert "Traceback" not in bot.output()
    strays = 0
    for each in asking:
        chat = names.chat(f"telegram:{each.person.id}")
        told = turns.conversation(turns.head(chat))
        asked = each.asked[-len(told) :]
        assert [turn.messages[-1].content for turn in told] == asked, "each once, in order, in one conversation"
        ends = each.answers()
        shown = [turns.posted(chat, message["message_id"]) for message in ends]
        assert len(ends) == len(each.asked) and shown[-len(told) :] == [turn.id for turn in told]
        assert len(set(shown)) == len(shown)
        strays += len(_strays(each.person, turns, chat))
        liked = [turns.posted(chat, message) for message in each.liked]
        assert all(len(Ratings(store, turns).votes(turn)) == 1 for turn in liked) and liked
    assert strays <= 1, "between Telegram's taking a message and its being noted there is a moment of milliseconds"
    print(f"{sum(len(each.asked) for each in asking)} questions, {KILLS} kills, {strays} strays")


def _strays(person: Person, turns: Turns, chat: str) -> list[dict]:
    """What stands in the chat and belongs to no answer: a placeholder that nobody knew of."""
    found = [m for m in person.seen() if turns.posted(chat, m["message_id"]) is None]
    assert all(m["text"] == PLACEHOLDER for m in found), found
    return found


def _given(api) -> list[int]:
    return [update["update_id"] for call in api.calls("getUpdates") for update in call.result or []]
