"""The conversation in a terminal, over the real model: what a person types, and what they read."""

import io
import os
import signal
import time
from collections.abc import Callable

import pytest
from conftest import free_port
from rich.console import Console

from console.terminal import chat
from core.identity import Pseudonyms
from core.settings import Settings
from feedback.turns import question
from retrieval.ingest import ingest
from tests.knowledge import embedder

CAPITAL = "What is the capital of France?"


class Typist(Console):
    """A terminal in which a person types line after line, and leaves with Ctrl-D; a function looks up from it."""

    def __init__(self, *lines: str | Callable[[], None]):
        super().__init__(file=io.StringIO(), width=200)
        self.lines = iter(lines)

    @property
    def text(self) -> str:
        return self.file.getvalue()

    def input(self, prompt="", **how) -> str:
        self.print(prompt, end="")
        for line in self.lines:
            if callable(line):
                line()
                continue
            self.print(line)
            return line
        raise EOFError


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    data = tmp_path_factory.mktemp("chat")
    (data / "hours.md").write_text("# Hours\n\nThe workshop is open [/home] until ten on Saturdays.\n")
    ingest(data, [data / "hours.md"], embedder())
    return Settings(data_dir=data, redis_url=valkey_url, serving_port=free_port(), reply_tokens=300)


@pytest.fixture
def consent(context, settings):
    author = Pseudonyms.of_installation(settings.data_dir).author("playground:operator")
    context.people.set_consent(author, "no")


def say(settings: Settings, *lines: str | Callable[[], None]) -> str:
    typist = Typist(*lines)
    chat(settings, typist)
    return typist.text


def turns(context) -> list:
    """Every turn, oldest first."""
    ids = [key.rsplit(":", 1)[1] for key in context.store.scan_iter("apprentice:turn:" + "?" * 32)]
    return sorted(context.turns.get_many(ids).values(), key=lambda turn: turn.created_at)


def test_a_person_is_told_asks_rates_corrects_and_asks_again(api, settings, context):
    looked = []

    def look() -> None:
        looked.extend(context.ratings.votes(turns(context)[0].id))

    feedback = ("/up", look, "/down too short", "/fix Paris, since 987.")
    text = say(settings, "y", CAPITAL, *feedback, "/again", "And of Italy?", "/reset", CAPITAL)
    assert "90 days" in text and "May the assistant also learn" in text and "Noted." in text
    assert "Paris" in text and "\nbase\n" in text and "0 of about 60 approved items" in text

    first, again, italy, afresh = turns(context)
    (item,) = context.reviews.queue()
    assert [v.value for v in looked] == [1] and item.turn == first
    assert [(v.value, v.reason) for v in item.votes] == [(-1, "too short")]
    assert [c.text for c in item.corrections] == ["Paris, since 987."]
    assert [r.replacement for r in item.regenerations] == [again.id] and again.regenerates == first.id
    assert (again.parent, italy.parent, afresh.parent) == (None, again.id, None)
    assert [question(t) for t in (first, again, italy)] == [CAPITAL, CAPITAL, "And of Italy?"]
    assert context.people.person(first.author).consent == "yes"

    again_later = say(settings, "/quit", "never typed")
    assert "May the assistant" not in again_later and "never typed" not in again_later


def test_sources_follow_an_answer_and_what_a_person_checked_says_so(api, settings, context, consent):
    hours = "Until when is the workshop open on Saturdays?"
    text = say(settings, hours, "/fix Until nine.")
    assert "[1] hours.md › Hours: The workshop is open [/home] until ten on Saturdays." in text
    (item,) = context.reviews.queue()
    context.reviews.decide(item.turn.id, "edit", "ann", "everyone", item.suggestion)
    told = say(settings, hours)
    assert "Until nine." in told and "✓ checked by a person" in told


@pytest.fixture
def ctrl_c():
    """Ctrl-C works, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_an_answer_and_keeps_it(api, settings, context, consent, ctrl_c):
    def until_closed() -> None:
        while turns(context)[0].status == "open":
            time.sleep(0.01)

    class Screen(io.StringIO):
        """Ctrl-C is pressed as soon as the answer has begun."""

        pressed = False

        def write(self, text: str) -> int:
            written = super().write(text)
            if not self.pressed and len(self.getvalue().partition("ships.\n")[2]) >= 10:
                self.pressed = True
                os.kill(os.getpid(), signal.SIGINT)
            return written

    typist = Typist("Tell me a story about ships.", "/up", until_closed, "Go on.")
    typist.file = Screen()
    chat(settings, typist)
    assert "Stopped; what was said is kept." in typist.text
    stopped, following = turns(context)
    assert stopped.status == "stopped" and stopped.reply.strip() and following.parent == stopped.id
    assert [vote.value for vote in context.ratings.votes(stopped.id)] == [1]


def test_ctrl_c_at_the_prompt_says_how_to_leave(api, settings, context, consent):
    def press() -> None:
        raise KeyboardInterrupt

    assert "/quit or Ctrl-D leaves." in say(settings, press, "/help")


def test_commands_without_an_answer_and_unknown_ones_are_one_sentence(api, settings, context, consent):
    text = say(settings, "/up", "/again", "/fly", "", "/help", "x " * 50_000)
    assert text.count("ask something first") == 2 and "there is no /fly" in text
    assert "/down [reason]" in text and "Send it in parts" in text
    assert turns(context) == []


def test_what_is_away_is_one_sentence_and_the_chat_goes_on(settings, store):
    nobody = settings.model_copy(update={"serving_port": free_port()})
    assert say(nobody, "n", CAPITAL, CAPITAL).count("please ask again in a moment.") == 2
    without = nobody.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    assert say(without, CAPITAL, CAPITAL).count("please try again in a moment.") == 3


def test_an_answer_that_cannot_be_stored_says_so(api, settings, context, consent):
    context.store.config_set("maxmemory", "1")
    try:
        text = say(settings, CAPITAL, "/up")
    finally:
        context.store.config_set("maxmemory", "0")
    assert "Paris" in text and "could not be stored" in text and "ask something first" in text
