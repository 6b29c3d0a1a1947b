"""The whole loop, every part real: a person in Telegram, an operator in a terminal, a worker, and a swap under streams.

Only Telegram itself is at the network's far side.
"""

import json
import re
import subprocess
import sys

import pytest

from bench.demo import (
    CORRECTION,
    DOCUMENT_QUESTION,
    HANDBOOK,
    SAME_QUESTION,
    SEED,
    UNSEEN,
    WRONG_QUESTION,
    streams_during_the_swap,
)
from bench.instance import instance
from bot import texts
from feedback.audit import AuditLog
from tests.telegram_api import Person, telegram
from tests.waiting import until
from workers.context import open_context


@pytest.fixture(scope="module")
def api():
    with telegram() as running:
        yield running


@pytest.fixture(scope="module")
def running(api, tmp_path_factory, base):
    """An installation of its own with a bot; the model that the tests share is linked in, not made again."""
    folder = tmp_path_factory.mktemp("story")
    (folder / "models").symlink_to(base.folder.parent)
    token = {"TELEGRAM_BOT_TOKEN": api.token, "APPRENTICE_TELEGRAM_API_BASE": api.base, "APPRENTICE_TICK_S": "1"}
    with instance(folder, **token) as found:
        yield found


@pytest.fixture(scope="module")
def ann(api, running):
    """The owner, by the one-time link that the start printed; she lets the assistant learn from her."""
    link = until(lambda: re.search(r"start=([\w-]+)", running.log.read_text()), "the owner's link", 60)
    person = Person(api, 42)
    person.send(f"/start {link[1]}")
    notice = person.wait_text("May I learn from your words?")
    person.press(notice, texts.YES)
    return person


@pytest.mark.long
@pytest.mark.timeout(900)
def test_from_a_question_to_a_live_adapter(running, ann):
    running.command("ingest", str(HANDBOOK))
    cited = ann.wait_answer(ann.send(DOCUMENT_QUESTION))
    assert "[1]" in cited["text"] and "Sources: [1] handbook.md" in cited["text"]

    wrong = ann.wait_answer(ann.send(WRONG_QUESTION))
    ann.press(wrong, "👎")
    ann.press(wrong, "✏️")
    ann.wait_text(texts.WRITE_IT[:20], after=wrong)
    shown = ann.wait_text(texts.SHALL_I_SEND, after=ann.send(CORRECTION))
    ann.press(shown, texts.SEND)
    thanked = ann.wait_text("your correction is stored", after=wrong)
    assert "until the next refresh" in thanked["text"]

    _approve_in_the_terminal(running)
    ann.wait_text(texts.live("{time}").partition("{time}")[2], after=thanked)
    told = ann.wait_answer(ann.send(SAME_QUESTION))
    assert CORRECTION in told["text"] and texts.CHECKED in told["text"]
    elsewhere = running.ask(SAME_QUESTION, apprentice={"chat": "another"})
    assert elsewhere["choices"][0]["message"]["content"] == CORRECTION

    running.command("feedback", "import", str(SEED))
    streams = streams_during_the_swap(running)
    assert len(streams) >= 2 and all(s.complete and len(s.versions) == 1 for s in streams)

    live = running.live()
    (version,) = json.loads(running.command("adapters", "list", "--json"))
    assert (version["id"], version["status"]) == (live, "live")
    shown = json.loads(running.command("adapters", "show", live[:12], "--json"))
    assert shown["report"]["outcome"] == "promote" and shown["report"]["p"] <= 0.05
    assert len(shown["manifest"]["sources"]) + len(shown["report"]["wins"]) > 40
    answer = ann.wait_answer(ann.send(UNSEEN[0]))
    context = open_context(running.settings)
    turn = context.turns.get(_turn_id(answer))
    assert turn.adapter == live and "gate" in {entry.who for entry in AuditLog(context.store).page()}
    output = running.log.read_text()
    assert running.environment["TELEGRAM_BOT_TOKEN"] not in output and "Traceback" not in output


def _approve_in_the_terminal(running) -> None:
    """`apprentice feedback review`: approve what waits, for everyone."""
    done = subprocess.run(
        [sys.executable, "-m", "apprentice", "feedback", "review"],
        env=running.environment,
        input="a\ne\nn\n",
        capture_output=True,
        text=True,
        timeout=60,
        cwd=running.settings.data_dir,
    )
    assert "Nothing waits for a decision." in done.stdout, done.stdout + done.stderr


def _turn_id(message) -> str:
    data = message["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    return data.rsplit(":", 1)[1]
