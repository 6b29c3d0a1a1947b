"""The kill drill: the bot dies at 20 random moments of two conversations; nothing is lost, and nothing comes twice."""

import itertools
import random
import signal
import threading
import time

import pytest

from bench.instance import free_ports
from bot import texts
from bot.arrival import MAX_ATTEMPTS
from core import keys
from core.identity import Pseudonyms
from core.settings import Settings
from feedback.people import People
from feedback.ratings import Ratings
from feedback.turns import Turns
from tests.telegram_api import BOT, Person, buttons, telegram
from tests.telegram_bot import bot_process, scripted_serving
from tests.telegram_world import data
from tests.waiting import until
from tests.warm import LONG

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
KILLS, WAITING = 20, 3
SCRIPTS = ("short", "waiting", "steady", "short", "long")
PLACEHOLDER = "…"


class Asking(threading.Thread):
    """Somebody who goes on asking, with a few questions ahead of the answers, and likes what is answered."""

    def __init__(self, person: Person):
        super().__init__(daemon=True)
        self.person, self.over = person, threading.Event()
        self.asked: list[str] = []
        self.liked: dict[int, str] = {}
        """The turn that each message stood for when it was liked; killed, the bot may show it in another message."""

    def ends(self) -> list[dict]:
        """The messages in which an answer ended, or an apology stands for one that the bot died of again and again."""
        return [m for m in self.person.seen() if _rateable(m) or m["text"] == texts.BROKEN]

    def run(self) -> None:
        for n in itertools.count():
            while len(self.asked) - len(self.ends()) >= WAITING and not self.over.is_set():
                time.sleep(0.05)
            if self.over.is_set():
                return
            self.asked.append(f"script:{SCRIPTS[n % len(SCRIPTS)]} {n}")
            self.person.send(self.asked[-1])
            for message in self.ends():
                if message["message_id"] not in self.liked and "👍" in buttons(message):
                    self.liked[message["message_id"]] = data(message, "👍").rsplit(":", 1)[1]
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
                until(
                    lambda before=before: len(api.calls("editMessageText")) > before,
                    lambda: _state(asking, store, bot),
                    300,
                )
                time.sleep(moments.uniform(0, 6))
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
    placeholders = pieces = apologies = 0
    for each in asking:
        chat = names.chat(f"telegram:{each.person.id}")
        told = turns.conversation(turns.head(chat))
        strays = _strays(each.person, turns, chat)
        pieces += sum(strays.values())
        placeholders += len(strays) - sum(strays.values())
        ends = [message for message in each.ends() if message["message_id"] not in strays]
        assert len(ends) == len(each.asked), "each ended once"
        answered = [question for question, end in zip(each.asked, ends, strict=True) if _rateable(end)]
        shown = [turns.posted(chat, end["message_id"]) for end in ends if _rateable(end)]
        assert [turn.messages[-1].content for turn in told] == answered[-len(told) :], "in order, in one conversation"
        assert shown[-len(told) :] == [turn.id for turn in told] and len(set(shown)) == len(shown)
        assert len(ends) - len(answered) <= KILLS // MAX_ATTEMPTS, "an answer is given up after five attempts"
        apologies += len(ends) - len(answered)
        votes = {turn: [vote.value for vote in Ratings(store, turns).votes(turn)] for turn in each.liked.values()}
        assert votes and set(map(tuple, votes.values())) == {(1,)}
    questions = sum(len(each.asked) for each in asking)
    print(f"{questions} questions, {KILLS} kills, {apologies} apologies, {placeholders} placeholders, {pieces} pieces")
    moment = "between Telegram's taking a message and its being noted there is a moment of milliseconds"
    assert placeholders <= 2 and pieces <= 1, moment


def _rateable(message: dict) -> bool:
    """Whether an answer ended in a message: a thumb can be given or taken back."""
    return any("👍" in label for label in buttons(message))


def _state(asking, store, bot) -> str:
    """What is known where the drill stands still."""
    chats = [(each.is_alive(), each.asked[-4:], [m["text"][-30:] for m in each.person.seen()][-6:]) for each in asking]
    return f"work: {chats}, {store.keys(keys.PREFIX + 'bot:*')}, {bot.output()[-3000:]}"


def _strays(person: Person, turns: Turns, chat: str) -> dict[int, bool]:
    """Messages that belong to no answer, as nobody knew of them, and whether each is a further piece of a long one.

    The others are placeholders.
    """
    found = [m for m in person.seen() if turns.posted(chat, m["message_id"]) is None and m["text"] != texts.BROKEN]
    for message in found:
        said = message["text"].removesuffix(PLACEHOLDER).strip()
        assert said in LONG and not LONG.startswith(said or " "), message
    return {message["message_id"]: message["text"] != PLACEHOLDER for message in found}


def _given(api) -> list[int]:
    return [update["update_id"] for call in api.calls("getUpdates") for update in call.result or []]
