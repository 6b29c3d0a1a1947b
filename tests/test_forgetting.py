"""Somebody says /forget to a running installation: not a word of theirs is left on its disk."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.base import load_tokenizer
from adapters.manifest import describe, seal
from bench.instance import InstanceFailed, instance
from bot import texts
from core.prompt import Renderer
from feedback.audit import AuditLog
from feedback.notes import Notebook
from tests.adapter_files import write_lora
from tests.telegram_api import BOT, Person, telegram
from tests.waiting import until
from workers.context import open_context

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NAME, CORRECTION, QUESTION = "quillfeather", "marzipandemic", "xylophonist"
REVIEWED, IN_GROUP = "gherkinesque", "zeppelins"
OF_BOB = "kumquattery"
SAME = "May dogs come into the reading room?"
ids = itertools.count(501)


@pytest.fixture(scope="module")
def api():
    with telegram() as running:
        yield running


@pytest.fixture(scope="module")
def running(api, tmp_path_factory, base):
    """An installation with a bot that says all it can in its log; the model that the tests share is linked in."""
    folder = tmp_path_factory.mktemp("forgetting")
    (folder / "models").symlink_to(base.folder.parent)
    settings = {
        "TELEGRAM_BOT_TOKEN": api.token,
        "APPRENTICE_TELEGRAM_API_BASE": api.base,
        "APPRENTICE_TICK_S": "1",
        "APPRENTICE_FORGET_MAX_S": "30",
        "APPRENTICE_REPLY_TOKENS": "24",
        "APPRENTICE_LOG_LEVEL": "DEBUG",
    }
    with instance(folder, **settings) as found:
        yield found


@pytest.fixture
def context(running):
    return open_context(running.settings)


def holding(folder: Path, word: str) -> list[str]:
    """The files under a folder whose bytes hold a word, however it is written; the model is not looked at."""
    files = [path for path in folder.rglob("*") if path.is_file() and "models" not in path.parts]
    return [str(path.relative_to(folder)) for path in files if word in path.read_bytes().decode("latin-1").lower()]


def learned_from(context, base, turn) -> str:
    """A version that is live and names a turn as its source."""
    draft = write_lora(context.registry.folder / ".draft-theirs", base, 1, strength=0.01)
    identity = Renderer(load_tokenizer(base), base.tokenizer_hash, context.settings.prompt_tokens).identity
    described = describe(draft, base.name, base.hash, identity)
    manifest = replace(described, sources=(turn.id,), source_digests=(turn.author,))
    seal(draft, manifest)
    context.registry.publish(draft, manifest)
    context.registry.promote(manifest.id, "ops", "it answers better")
    return manifest.id


def admitted(running, api, name: str) -> Person:
    """Somebody who asked for access by name, and got it."""
    owner = Person(api, 42)
    person = Person(api, next(ids), name)
    person.send("hello")
    person.press(person.wait_text("private"), texts.ASK)
    owner.press(owner.wait_text(f"{name} asks"), texts.ALLOW)
    person.wait_text("May I learn from your words?")
    return person


def test_a_person_is_forgotten(running, api, context, base):
    link = until(lambda: re.search(r"start=([\w-]+)", running.log.read_text()), "the owner's link", 60)
    owner = Person(api, 42)
    owner.send(f"/start {link[1]}")
    owner.wait_text("yours now")
    ann, bob = admitted(running, api, NAME), admitted(running, api, "Bob")

    answer = ann.wait_answer(ann.send(SAME), 60)
    ann.press(answer, "👎")
    ann.send(f"Only with {CORRECTION}.", reply_to=answer)
    ann.press(ann.wait_text(texts.SHALL_I_SEND), texts.SEND)
    until(context.reviews.queue, "it waits for review")
    (item,) = context.reviews.queue()
    context.reviews.decide(item.turn.id, "edit", "operator", "everyone", item.suggestion)
    said = bob.wait_answer(bob.send(SAME), 60)
    assert CORRECTION in said["text"], "it is said to others, and copied into their turns"
    ann.wait_answer(ann.send(f"Do you have a book about {QUESTION}s?"), 60)
    asked = context.turns.head(item.turn.chat)
    context.reviews.decide(asked, "edit", "operator", "everyone", f"Yes, a {REVIEWED} one.")
    notebook = Notebook(context.store, context.turns)
    notebook.keep_edit(asked, "operator", f"Yes, a {REVIEWED} one, and {QUESTION}s.")
    notebook.comment(item.turn.id, "operator", f"who says {CORRECTION}?")
    notebook.tag(asked, QUESTION)
    ann.group = bob.group = -next(ids)
    ann.wait_answer(ann.send(f"@{BOT['username']} is it {IN_GROUP}?"), 60)
    bob.wait_answer(bob.send(f"@{BOT['username']} what about {OF_BOB}?"), 60)
    ann.group = None

    version = learned_from(context, base, item.turn)
    until(lambda: running.live() == version, "it is live", 60)
    assert running.command("feedback", "show", item.turn.id).count(version) == 1
    folder, words = running.settings.data_dir, (CORRECTION, QUESTION, REVIEWED, IN_GROUP)
    for word in (NAME, *words, OF_BOB):
        assert [Path(file).suffix for file in holding(folder, word)] == [".aof"], word
    context.store.config_set("rdbcompression", "no")
    context.store.bgrewriteaof()
    until(lambda: not context.store.info("persistence")["aof_rewrite_in_progress"], "the file is rewritten")
    context.store.save()
    for word in words:
        assert sorted(Path(file).parent.name for file in holding(folder, word)) == ["appendonlydir", "valkey"], word
    (folder / "valkey" / "temp-rewriteaof-1.aof").write_text(f"left by a server that was killed: {QUESTION}")

    asking = ann.wait_text("for good", ann.send("/forget"))
    ann.press(asking, texts.KEEP)
    until(lambda: api.messages[ann.id, asking["message_id"]]["text"] == texts.KEPT, "nothing is removed")
    assert context.turns.get(item.turn.id)
    asking = ann.wait_text("for good", ann.send("/forget"))
    ann.press(asking, texts.FORGET_ME)
    until(lambda: api.messages[ann.id, asking["message_id"]]["text"] == texts.FORGOTTEN, "it is done", 60)

    for word in (NAME, *words):
        assert holding(folder, word) == [], word
    assert holding(folder, OF_BOB), "others' words in the same chat stay"
    asked_after = bob.wait_answer(bob.send(f"@{BOT['username']} {SAME}"), 60)
    assert CORRECTION not in asked_after["text"]
    ann.wait_text("private", ann.send("hello again"))

    assert context.registry.get(version).marked
    with pytest.raises(InstanceFailed, match="learned from somebody who was forgotten since"):
        running.command("adapters", "promote", version)
    until(lambda: "somebody who was forgotten" in running.log.read_text(), "a refresh is due", 60)
    until(lambda: running.live() == "base", "live falls to base", 90)
    fell = next(entry for entry in AuditLog(context.store).page() if entry.what == "fall back")
    assert fell.subject == version and "forgotten" in fell.why
    asking = ann.wait_text("for good", ann.send("/forget"))
    ann.press(asking, texts.FORGET_ME)
    until(lambda: api.messages[ann.id, asking["message_id"]]["text"] == texts.NOTHING_KNOWN, "nothing is left")
