"""Documents in the chat: sent, cited, listed and removed, each chat's own; and what people may know and take along."""

import json
from dataclasses import replace

import pytest
from knowledge import write_docx, write_pdf

from adapters.base import load_tokenizer
from adapters.manifest import describe, seal
from core.prompt import Renderer
from core.records import BASE, GateReport, now_ms
from retrieval.ingest import EMBED_AT_ONCE
from tests.adapter_files import IDENTITY, write_peft
from tests.telegram_api import BOT, buttons
from tests.telegram_world import ids
from tests.waiting import until
from training.hyperparameters import Hyperparameters
from training.snapshot import Recipe, build

FERRY = "# Ferry\n\nThe ferry to Norderney takes 55 minutes and costs 14 euros.\n"
QUESTION = "How long does the ferry to Norderney take?"


@pytest.fixture(scope="module")
def owner(world):
    """The owner, who operates the bot."""
    link = world.owner.send("/start " + world.bot.owner_code())
    world.owner.wait_text("yours now", link)
    return world.owner


def ready(person, message: dict, part: str = "this chat's sources now") -> dict:
    return person.wait_text(part, message)


def on_disk(world, words: str) -> bool:
    files = (world.settings.data_dir / "index").rglob("*")
    return any(words.encode() in file.read_bytes() for file in files if file.is_file())


def test_a_document_is_read_cited_shown_listed_and_removed(world):
    ann, bob = world.member(), world.member("Bob")
    asked = ann.send("/sources")
    ann.wait_text("no documents here yet", asked)
    sent = ann.send_document("ferry.md", FERRY)
    status = ready(ann, sent)
    assert status["text"].startswith("ferry.md is in this chat's sources now, with 1 passage")
    assert status["reply_to_message"]["message_id"] == sent["message_id"] and buttons(status) == []
    assert world.edits(status)[-1].params["text"] == status["text"], "one message from the beginning to the end"

    answer = ann.wait_answer(ann.send(QUESTION))
    assert "55 minutes" in answer["text"] and "Sources: [1] ferry.md › Ferry" in answer["text"]
    assert buttons(answer) == ["👍", "👎", "✏️", "🔄", "[1]"]
    ann.press(answer, "[1]")
    shown = ann.wait_text("[1] ferry.md › Ferry", answer)
    assert "costs 14 euros" in shown["text"] and [e["type"] for e in shown["entities"]] == ["bold"]
    ann.press(answer, "👍")
    until(lambda: buttons(world.now(answer)) == ["👍 ↩️ take back", "[1]"], "the passage stays at hand")
    other = bob.wait_answer(bob.send(QUESTION))
    assert "55 minutes" not in other["text"] and not world.turn(other).passages
    assert "not in my record" in bob.press_data(other, f"s:1:{world.turn(other).id}")["text"]
    assert "older than my record" in bob.press_data(other, f"s:1:{world.turn(answer).id}")["text"]

    listed = ann.wait_text("Documents of this chat", ann.send("/sources"))
    assert "1. ferry.md (passages: 1)" in listed["text"] and buttons(listed) == ["🗑 1"]
    theirs = bob.wait_text("no documents", bob.send("/sources"))
    carried = listed["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    assert "not in the sources" in bob.press_data(theirs, carried)["text"] and on_disk(world, "Norderney")
    assert "removed, for good" in ann.press(listed, "🗑 1")["text"]
    until(lambda: "no documents" in world.now(listed)["text"], "the list without it")
    assert not on_disk(world, "Norderney")
    after = ann.wait_answer(ann.send("/reset") | ann.send(QUESTION))
    assert not world.turn(after).passages


def test_a_long_document_says_how_far_it_is(world):
    ann = world.member()
    rooms = "".join(f"# Room {n}\n\nRoom {n} has {n} seats.\n\n" for n in range(3 * EMBED_AT_ONCE))
    status = ready(ann, ann.send_document("rooms.md", rooms))
    *shares, last = [edit.params["text"] for edit in world.edits(status)]
    assert shares == [f"I read rooms.md: {share} %" for share in (0, 33, 66)] and last == status["text"]


def test_every_kind_of_document_and_a_question_with_it(world, tmp_path):
    ann = world.member()
    write_pdf(tmp_path / "bikes.pdf", ["Rental bikes are due back by 18:15 sharp."])
    write_docx(tmp_path / "lamp.docx", "Lamps", ["The reading lamp needs an E14 bulb."])
    ready(ann, ann.send_document("bikes.pdf", (tmp_path / "bikes.pdf").read_bytes()))
    question = "Which bulb does the reading lamp take?"
    sent = ann.send_document("lamp.docx", (tmp_path / "lamp.docx").read_bytes(), caption=question)
    ready(ann, sent)
    answer = ann.wait_answer(sent)
    assert "E14" in answer["text"] and world.turn(answer).messages[-1].content == question
    assert "18:15" in ann.wait_answer(ann.send("When must rental bikes be back?"))["text"]


def test_what_cannot_be_taken_is_refused_in_the_same_message(world):
    ann = world.member()
    for name, content, part in (
        ("song.mp3", b"ID3", "no known type"),
        ("broken.pdf", b"%PDF-1.4 nothing", "broken, protected"),
        ("empty.txt", b" ", "holds no text"),
        ("big.txt", b"x" * 10_000_001, "larger than 10 MB"),
    ):
        sent = ann.send_document(name, content)
        refusal = ann.wait_text(part, sent)
        assert refusal["reply_to_message"]["message_id"] == sent["message_id"] and buttons(refusal) == []
    world.api.downloads_fail = 1
    again = ann.send_document("ferry.md", FERRY)
    ann.wait_text("did not give me this document", again)
    world.api.fault("getFile", 400, "Bad Request: file is too big")
    too_big = ann.send_document("ferry.md", FERRY)
    ann.wait_text("larger than 20 MB", too_big)
    eve = world.stranger("Eve")
    eve.send_document("ferry.md", FERRY)
    eve.wait_text("private")
    assert buttons(ann.wait_text("no documents", ann.send("/sources"))) == []


def test_only_an_operator_gives_everyone_a_document(world, owner):
    ann, bob = world.member(), world.member("Bob")
    mine = ann.send_document("tides.md", "# Tides\n\nHigh tide on Sunday is at 6:12.\n", caption="everyone")
    assert buttons(ready(ann, mine)) == [], "of a member it stays the chat's own"
    asked = "When is high tide on Sunday?"
    assert "6:12" not in bob.wait_answer(bob.send(asked))["text"]

    offered = ready(owner, owner.send_document("cinema.md", "# Cinema\n\nThe cinema has 212 seats.\n"))
    assert buttons(offered) == ["For everyone"]
    carried = offered["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    listed = ann.wait_text("tides.md", ann.send("/sources"))
    assert "Only an operator" in ann.press_data(listed, carried)["text"]
    owner.press(offered, "For everyone")
    until(lambda: "everyone's sources now" in world.now(offered)["text"], "it is everyone's")
    assert "212" in bob.wait_answer(bob.send("How many seats does the cinema have?"))["text"]
    at_once = owner.send_document("opera.md", "# Opera\n\nThe opera has 98 boxes.\n", caption="Everyone")
    ready(owner, at_once, "everyone's sources now")

    theirs = bob.wait_text("Documents that everyone sees", bob.send("/sources"))
    assert "cinema.md" in theirs["text"] and "opera.md" in theirs["text"] and buttons(theirs) == []
    listed = owner.wait_text("Documents that everyone sees", owner.send("/sources"))
    assert "of this chat" not in listed["text"], "the chat's own copy is gone"
    first = listed["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    assert "Only an operator" in bob.press_data(theirs, first)["text"]
    for _ in range(2):
        assert "removed" in owner.press(listed, "🗑 1")["text"]
        until(lambda: "🗑 2" not in buttons(world.now(listed)), "one less")
    assert not on_disk(world, "212 seats") and on_disk(world, "6:12")


def test_in_a_group_a_document_is_the_groups_where_it_is_said_to_the_bot(world):
    ann = world.member()
    ann.group = -next(ids)
    ann.send_document("secret.md", "# Secret\n\nNot said to the bot.\n")
    ready(ann, ann.send_document("ferry.md", FERRY, caption=f"@{BOT['username']}"))
    answer = ann.wait_answer(ann.send(f"@{BOT['username']} {QUESTION}"))
    assert "55 minutes" in answer["text"]
    asked = f"/sources@{BOT['username']}"
    assert "secret" not in ann.wait_text("ferry.md", ann.send(asked))["text"]
    ann.group = None
    assert "55 minutes" not in ann.wait_answer(ann.send(QUESTION))["text"]


def test_who_is_forgotten_takes_their_documents_along_also_out_of_others_answers(world):
    ann, bob = world.member(), world.member("Bob")
    ann.group = bob.group = -next(ids)
    at = f"@{BOT['username']}"
    ready(ann, ann.send_document("moor.md", "# Moor\n\nThe moor walk takes 7 hours.\n", caption=at))
    answer = bob.wait_answer(bob.send(f"{at} How long does the moor walk take?"))
    turn = world.turn(answer)
    assert "7 hours" in turn.reply
    ann.group = None
    ready(ann, ann.send_document("diary.md", "# Diary\n\nOn Monday I planted marzipan.\n"))
    shown = ann.wait_text("for good", ann.send("/forget"))
    ann.press(shown, "Forget me")
    until(lambda: "nothing of you any more" in world.now(shown)["text"], "it is done")
    assert not on_disk(world, "marzipan") and not on_disk(world, "moor walk")
    kept = world.context.turns.get(turn.id)
    assert (kept.reply, kept.passages) == ("", ()) and kept.messages == turn.messages
    assert buttons(bob.wait_text("no documents", bob.send(f"/sources{at}"))) == []


def test_why_tells_the_version_its_gate_its_sources_and_its_nearest_examples(world):
    ann, bob = world.member(), world.member("Bob")
    registry = world.context.registry
    taught = []
    for question, text, scope in (
        ("script:short May dogs enter the museum?", "Dogs may enter on a lead.", "everyone"),
        ("script:short May cats enter the museum?", "Cats stay outside.", "chat"),
        ("script:short May parrots enter the museum?", "Parrots may enter silently.", "everyone"),
    ):
        answer = bob.wait_answer(bob.send("/reset") | bob.send(question))
        world.context.reviews.decide(world.turn(answer).id, "edit", "op", scope, text)
        taught.append(world.turn(answer).id)
    draft = write_peft(registry.folder / ".source", 1)
    manifest = replace(describe(draft, "m", "base-hash", IDENTITY), sources=tuple(taught[:2]), created_at=now_ms())
    seal(draft, manifest)
    report = GateReport(manifest.id, BASE, ("a", "b"), ("c",), (), 0.04, (), (), "promote", "better", now_ms())
    registry.publish(draft, manifest, report)

    ready(ann, ann.send_document("ferry.md", FERRY))
    first = ann.wait_answer(ann.send(QUESTION))
    turn = world.turn(first)
    said = ann.wait_text("Version: the base model", ann.send("/why"))["text"]
    assert "[1] ferry.md › Ferry (score 1.00, cited)" in said
    tuned = replace(turn, adapter=manifest.id, messages=(replace(turn.messages[0], content="May dogs come in?"),))
    world.context.turns.close(tuned)
    ann.wait_answer(ann.send("script:short something else"))
    said = ann.wait_text(f"Version {manifest.id[:12]} of 20", ann.send("/why", reply_to=first))["text"]
    assert "tuned on 2 items of feedback" in said and "(2 better, 1 worse, 0 alike, p = 0.04)" in said
    assert "May dogs enter the museum? → Dogs may enter on a lead. (0." in said
    assert "Cats" not in said, "approved for one chat only"
    assert "Parrots" not in said, "the version has not learned from it"
    world.context.turns.close(replace(turn, adapter="0" * 64))
    ann.wait_text("not in my record any more", ann.send("/why", reply_to=first))


def test_a_person_reads_what_is_stored_and_takes_it_along(world):
    ann, bob, eve = world.member(), world.member("Bob"), world.stranger("Eve")
    shown = ann.send("/privacy")
    ann.wait_text("Your rights: /export", shown)
    notice = ann.wait_text("90 days", shown)
    ann.press(notice, "No, only answer")
    ready(ann, ann.send_document("ferry.md", FERRY))
    answer = ann.wait_answer(ann.send(QUESTION))
    ann.press(answer, "👎")
    until(lambda: "Unsafe" in buttons(world.now(answer)), "the reasons")
    ann.press(answer, "Unsafe")
    world.confirm(ann, ann.send("Fifty-five minutes.", reply_to=answer))
    bob.wait_answer(bob.send("script:short Bob's own words"))
    export = ann.wait(lambda m: "document" in m) if ann.send("/export") else {}
    assert export["document"]["file_name"] == "apprentice-export.json"
    found = json.loads(world.api.files[export["document"]["file_id"]])
    assert (found["address"], found["person"]["consent"]) == (f"telegram:{ann.id}", "no")
    assert [t["messages"][0]["content"] for t in found["turns"]] == [QUESTION]
    assert [r["reason"] for r in found["feedback"]["ratings"]] == ["unsafe"]
    assert [c["text"] for c in found["feedback"]["corrections"]] == ["Fifty-five minutes."]
    assert [d["name"] for d in found["documents"]] == ["ferry.md"] and "14 euros" in str(found["documents"])
    assert "Bob" not in str(found) and any(":thanks:" in note for note in found["notes"])

    eve.send("hello")
    eve.press(eve.wait_text("private"), "Ask for access")
    until(lambda: world.context.people.requests(), "the request")
    asked = eve.send("/export")
    taken = eve.wait(lambda m: "document" in m and m["message_id"] > asked["message_id"])
    assert json.loads(world.api.files[taken["document"]["file_id"]])["access_request"] == "Eve"
    eve.wait_text("Your rights", eve.send("/privacy"))
    ann.group = -next(ids)
    ann.wait_text("our private chat", ann.send(f"/export@{BOT['username']}"))


def test_who_opts_out_in_the_chat_is_not_learned_from(world, base):
    ann, bob = world.member(), world.member("Bob")
    record = world.context.record
    taught = {}
    for person, choice in ((ann, "No, only answer"), (bob, "Yes, learn from my words")):
        person.press(person.wait_text("90 days", person.send("/privacy")), choice)
        answer = person.wait_answer(person.send(f"script:short {person.name} asks about the lighthouse."))
        world.confirm(person, person.send(f"{person.name} may climb it.", reply_to=answer))
        turn = world.turn(answer)
        world.context.reviews.decide(turn.id, "edit", "op", "everyone", f"{person.name} may climb it.")
        taught[person.name] = turn.id

    def learned() -> set[str]:
        renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, world.settings.prompt_tokens)
        snapshot = build(record, renderer, Recipe(world.settings.system_prompt, base.hash, Hyperparameters()))
        found = {example.source for example in snapshot.train} | {item.id for item in snapshot.evaluation}
        return {name for name, turn in taught.items() if turn in found}

    assert learned() == {"Bob"}
    ann.press(ann.wait_text("90 days", ann.send("/privacy")), "Yes, learn from my words")
    until(lambda: world.context.people.person(world.author(ann)).consent == "yes", "the choice")
    assert learned() == {"Ann", "Bob"}
    bob.press(bob.wait_text("90 days", bob.send("/privacy")), "No, only answer")
    until(lambda: world.context.people.person(world.author(bob)).consent == "no", "the choice")
    assert learned() == {"Ann"}


def test_nothing_that_was_sent_was_refused_or_broke(world):
    assert "Traceback" not in world.bot.output()
    refused = {c.description for c in world.api.journal if c.status == 400}
    assert not [said for said in refused if "is not modified" not in said and "file is too big" not in said]
