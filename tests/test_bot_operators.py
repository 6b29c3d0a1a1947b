"""Operators in the chat: reviews, versions, figures and alerts, on the wire to a real bot."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image

from bot.operators import phrases
from core import keys
from core.records import BASE, GateReport, Message, Passage, Turn, new_id, now_ms, to_json
from feedback.audit import AuditLog
from feedback.tallies import tally
from launch.up import as_environment
from tests.adapter_files import write_lora
from tests.conftest import ROOT
from tests.serving_process import publish
from tests.telegram_api import BOT, Person, buttons
from tests.telegram_bot import bot_process
from tests.telegram_world import World, a_world, data, ids
from tests.waiting import until

CHOICES = ["✅ Approve", "✏️ Edit", "❌ Reject", "⏭ Skip"]

FENCE = 7


@pytest.fixture(scope="module")
def world(valkey_url, base, tmp_path_factory):
    with a_world(valkey_url, base, tmp_path_factory.mktemp("operators"), alert_queue=2) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_waits(world):
    """Nothing is approved, and nothing waits."""
    for review in world.context.reviews.approved():
        world.context.reviews.undo(review.turn, review.created_at, "operator")
    world.context.store.delete(keys.QUEUE, keys.QUEUE_KINDS)


@pytest.fixture(scope="module")
def versions(world, base, tmp_path_factory):
    """Three versions that serving holds; the last was found better by the gate."""
    folder, registry = tmp_path_factory.mktemp("versions"), world.context.registry
    until(registry.living, "serving's heartbeat")
    found = [publish(world.context, base, write_lora(folder / f"v{seed}", base, seed)) for seed in (1, 2, 3)]
    report = GateReport(found[2], BASE, ("a", "b"), ("c",), (), 0.04, (), (), "promote", "better", now_ms())
    world.context.store.hset(keys.version(found[2]), "report", to_json(report))
    until(lambda: all(set(found) <= installed for installed in registry.living().values()), "installed", 60)
    return found


def operator(world: World, name: str = "Olaf") -> Person:
    person = world.stranger(name)
    world.context.people.appoint(world.author(person), f"telegram:{person.id}")
    world.context.people.note_told(world.author(person))
    return person


def dismiss_all(world: World) -> None:
    """Alerts of a test are for its own operators."""
    world.context.store.delete(keys.OPERATORS, keys.OWNER_ADDRESS, *world.context.store.scan_iter(keys.alerted("*")))


def waiting_turn(world: World, reply: str = "Yes.", reason: str | None = None, **fields) -> Turn:
    """An answer that somebody said something about."""
    author = world.names.author(f"telegram:{next(ids)}")
    messages = (Message("user", f"Is it open on day {next(ids)}?", author),)
    made = {"reply": reply, "chat": author, "status": "complete", "created_at": now_ms()}
    turn = Turn(new_id(), messages, author=author, **made | fields)
    world.context.turns.add_closed([turn])
    world.context.ratings.rate(turn.id, author, -1, reason)
    return turn


def test_a_link_or_a_number_makes_an_operator_who_sees_their_commands(world):
    bob, eve, ann = world.stranger("Bob"), world.stranger("Eve"), world.member()
    environment = os.environ | as_environment(world.settings)

    def command(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "apprentice", "operators", *words], cwd=ROOT, env=environment, capture_output=True
        )
        return (done.stdout + done.stderr).decode()

    until(lambda: world.context.store.exists(keys.BOT_NAME), "the bot's name")
    code = re.search(rf"https://t.me/{BOT['username']}\?start=(\S+) ", command("invite"))[1]
    opened = bob.send(f"/start {code}")
    bob.wait_text("You are an operator", opened)
    bob.wait_text("pseudonym", opened)
    assert "does not work" in eve.wait_text("access", eve.send(f"/start {code}"))["text"], "a link works once"
    assert "is an operator now" in command("add", str(eve.id))
    for person in (bob, eve):
        given = until(
            lambda person=person: [
                c for c in world.api.calls("setMyCommands") if c.params.get("scope", {}).get("chat_id") == person.id
            ],
            "their list of commands",
        )
        names = [c["command"] for c in given[0].params["commands"]]
        assert given[0].params["scope"]["type"] == "chat" and {"help", *phrases.COMMANDS} <= set(names)
        assert str(person.id) in command("list")
    asked = bob.send("/help")
    bob.wait_text("/review shows you", asked)
    ann.wait_text("🔄 asks", asked := ann.send("/help"))

    for said in ("/review", "/promote base", "/rollback", "/adapters", "/stats", "/alerts"):
        ann.wait_text("Only an operator", asked := ann.send(said))
    assert not [m for m in ann.seen() if "/review shows" in m["text"]]
    bob.group = -next(ids)
    bob.wait_text("in our private chat", bob.send(f"/review@{BOT['username']}"))

    assert "no operator any more" in command("remove", str(eve.id)) and "this is no operator" in command(
        "remove", str(ann.id)
    )
    eve.wait_text("Only an operator", eve.send("/stats"))
    until(lambda: world.api.calls("deleteMyCommands"), "their commands are taken away")
    assert world.context.people.person(world.author(eve)).role == "member"


def test_nobody_loses_a_role_by_a_link(world):
    people, author = world.context.people, new_id()
    for invited, now in (("member", "member"), ("operator", "operator"), ("member", "operator")):
        assert people.redeem(people.invite(invited), author, "telegram:1") == now
        assert people.person(author).role == now
    world.context.store.hdel(keys.OPERATORS, "telegram:1")


def test_an_operator_walks_the_queue(world):
    olaf, ann, reviews = operator(world), world.member(), world.context.reviews
    first = ann.wait_answer(ann.send("script:markdown"), 60)
    ann.press(first, "👎")
    until(lambda: "Wrong" in buttons(world.now(first)), "the reasons")
    ann.press(first, "Wrong")
    second = ann.wait_answer(ann.send("script:short by hand?"))
    world.confirm(ann, ann.send("It is handmade.", reply_to=second))
    third = ann.wait_answer(ann.send("script:short perhaps?"))
    ann.press(third, "👍")
    until(lambda: reviews.waiting() == 3, "all wait")
    turns = [world.turn(message) for message in (first, second, third)]

    card = olaf.wait_text("3 waiting", olaf.send("/review"))
    assert "Somebody said what is wrong" in card["text"] and "1 × 👎 Wrong" in card["text"]
    assert "Question:\nscript:markdown" in card["text"] and buttons(card) == CHOICES
    assert {"bold", "pre"} <= {entity["type"] for entity in card["entities"]}, "the answer is formatted"
    olaf.press(card, "✅ Approve")
    until(lambda: buttons(world.now(card)) == ["✅ For everyone", "✅ For this chat", "↩️ Back"], "for whom?")
    olaf.press(card, "↩️ Back")
    until(lambda: buttons(world.now(card)) == CHOICES, "back")
    olaf.press(card, "✅ Approve")
    until(lambda: "✅ For everyone" in buttons(world.now(card)), "for whom?")
    olaf.press(card, "✅ For everyone")
    until(lambda: buttons(world.now(card)) == ["✅ approved for everyone ↩️ undo"], "it is decided, and is no edit")
    review = reviews.get(turns[0].id)
    assert (review.decision, review.scope, review.text) == ("approve", "everyone", turns[0].reply)

    card = olaf.wait_text("2 waiting", card)
    assert "Before:\nscript:markdown" in card["text"] and "Would be approved:\nIt is handmade." in card["text"]
    olaf.press(card, "❌ Reject")
    until(lambda: "❌ For this chat" in buttons(world.now(card)), "for whom?")
    olaf.press(card, "❌ For this chat")
    last = olaf.wait_text("1 waiting", card)
    assert (reviews.get(turns[1].id).decision, reviews.get(turns[1].id).scope) == ("reject", "chat")
    assert "waits again" in olaf.press(card, "❌ rejected for this chat ↩️ undo")["text"]
    until(lambda: buttons(world.now(card)) == CHOICES, "its buttons")
    assert reviews.get(turns[1].id) is None and reviews.waiting() == 2
    told = [e for e in reversed(AuditLog(world.context.store).page()) if e.who == world.author(olaf)]
    assert [(e.what, e.subject, e.why) for e in told] == [
        ("approve", turns[0].id, "for everyone"),
        ("reject", turns[1].id, "for chat"),
        ("undo", turns[1].id, ""),
    ]
    olaf.press(card, "✅ Approve")
    until(lambda: "✅ For everyone" in buttons(world.now(card)), "for whom?")
    olaf.press(card, "✅ For everyone")
    until(lambda: reviews.get(turns[1].id), "the decision")
    assert (reviews.get(turns[1].id).decision, reviews.get(turns[1].id).text) == ("edit", "It is handmade.")
    ann.wait_text("I answer this your way")

    assert "Skipped" in olaf.press(last, "⏭ Skip")["text"]
    olaf.wait_text("Only what you skipped", last)
    assert buttons(world.now(last)) == [] and reviews.get(turns[2].id) is None
    olaf.wait_text("1 waiting", again := olaf.send("/review"))
    world.context.store.delete(keys.QUEUE)
    olaf.wait_text("Nothing waits", olaf.send("/review") | {"message_id": again["message_id"]})


def test_an_edit_is_shown_as_a_difference_before_it_is_approved(world):
    olaf, ann, reviews = operator(world), world.member(), world.context.reviews
    answer = ann.wait_answer(ann.send("script:short how is it made?"))
    world.confirm(ann, ann.send("It is handmade, in Trieste.", reply_to=answer))
    turn = world.turn(answer)
    card = olaf.wait_text("1 waiting", olaf.send("/review"))
    olaf.press(card, "✏️ Edit")
    prompt = olaf.wait_text("Write the answer as it should be", card)
    assert prompt["reply_to_message"]["message_id"] == card["message_id"]
    written = olaf.send("It is handmade, in Gorizia. Ask ann@example.org!", reply_to=prompt)
    shown = olaf.wait_text("Shall I approve this?", written)
    assert "Trieste.Gorizia." in shown["text"].replace(" ", "") and "[email]" in shown["text"]
    assert buttons(shown) == ["✅ For everyone", "✅ For this chat", "Cancel"]
    assert reviews.get(turn.id) is None and world.context.ratings.corrections(turn.id)[0].text.endswith("Trieste.")
    olaf.press(shown, "Cancel")
    until(lambda: "left as it was" in world.now(shown)["text"], "nothing is approved")

    shown = olaf.wait_text("Shall I approve this?", olaf.send("It is handmade, in Gorizia.", reply_to=card))
    approve = data(shown, "✅ For everyone")
    olaf.press(shown, "✅ For everyone")
    decided = "✅ approved for everyone ↩️ undo"
    until(lambda: buttons(world.now(shown)) == [decided, "✉️ Send it to who asked"], "it is decided")
    review = reviews.get(turn.id)
    assert (review.decision, review.scope, review.text) == ("edit", "everyone", "It is handmade, in Gorizia.")
    assert "on its way" in olaf.press(shown, "✉️ Send it to who asked")["text"]
    better = ann.wait_text("You corrected my answer to this", answer)
    assert better["text"].endswith("\n\nIt is handmade, in Gorizia.")
    until(lambda: buttons(world.now(shown)) == [decided], "it is sent once")
    olaf.wait_text("Nothing waits", shown)
    asked = ann.send("/reset") | ann.send("script:short how is it made?")
    until(lambda: any("Gorizia" in m["text"] for m in ann.seen() if m["message_id"] > asked["message_id"]), "at once")
    bob = operator(world, "Bob")
    theirs = bob.wait_text("🔄 asks", bob.send("/help"))
    assert "whoever wrote it" in bob.press_data(theirs, approve)["text"], "an edit is its writer's"
    assert "does not wait" in olaf.press_data(shown, approve)["text"]


def test_what_changed_meanwhile_is_looked_at_first(world):
    olaf, bob, reviews = operator(world), operator(world, "Bob"), world.context.reviews
    turn = waiting_turn(world)
    card = olaf.wait_text("1 waiting", olaf.send("/review"))
    olaf.press(card, "✅ Approve")
    until(lambda: "✅ For everyone" in buttons(world.now(card)), "for whom?")
    world.context.ratings.correct(turn.id, "somebody", "Something harmful.")
    assert "said about it meanwhile" in olaf.press(card, "✅ For everyone")["text"]
    anew = olaf.wait_text("Something harmful.", card)
    assert reviews.get(turn.id) is None and buttons(world.now(card)) == []

    theirs = bob.wait_text("1 waiting", bob.send("/review"))
    bob.press(theirs, "❌ Reject")
    until(lambda: "❌ For everyone" in buttons(world.now(theirs)), "for whom?")
    bob.press(theirs, "❌ For everyone")
    until(lambda: reviews.get(turn.id), "the decision")
    assert "does not wait" in olaf.press(anew, "✅ Approve")["text"]
    olaf.wait_text("Nothing waits", anew)
    until(lambda: buttons(world.now(theirs)) == ["❌ rejected for everyone ↩️ undo"], "undo")
    reviews.decide(turn.id, "edit", "another", "chat", "No.")
    assert "not in force" in bob.press(theirs, "❌ rejected for everyone ↩️ undo")["text"]
    assert reviews.get(turn.id).text == "No."

    gone = waiting_turn(world)
    card = olaf.wait_text("1 waiting", olaf.send("/review") | {"message_id": anew["message_id"] + 1})
    ann = world.member()
    help_shown = ann.wait_text("🔄", ann.send("/help"))
    for button in CHOICES:
        assert "Only an operator" in ann.press_data(help_shown, data(card, button))["text"]
    world.context.store.delete(keys.turn(gone.id))
    assert "does not wait" in olaf.press(card, "❌ Reject")["text"]
    for forged in ("oi:edit:zz:00000000", f"od:approve:all:{turn.id}:00000000", "ol:promote:zz:00000000", "or:chat:1"):
        assert "does not work" in olaf.press_data(card, forged)["text"]


def test_a_conversation_with_a_chats_own_documents_stays_in_the_chat(world):
    olaf = operator(world)
    passage = Passage("p", "ferry.md", "Ferry", "The ferry leaves at nine.", 0.9, scope="chat")
    turn = waiting_turn(world, passages=(passage,))
    card = olaf.wait_text("1 waiting", olaf.send("/review"))
    assert "• ferry.md › Ferry (score 0.90): The ferry leaves at nine." in card["text"]
    olaf.press(card, "✅ Approve")
    until(lambda: buttons(world.now(card)) == ["✅ For this chat", "↩️ Back"], "no choice")
    forged = data(world.now(card), "✅ For this chat").replace(":chat:", ":everyone:")
    assert "for this chat only" in olaf.press_data(card, forged)["text"]
    assert world.context.reviews.get(turn.id) is None


def test_a_long_answer_is_shown_whole_in_several_messages(world):
    olaf, ann = operator(world), world.member()
    answer = ann.wait_answer(ann.send("script:long"))
    ann.press(answer, "👍")
    until(lambda: world.context.reviews.waiting() == 1, "it waits")
    asked = olaf.send("/review")
    last = olaf.wait(lambda m: m["message_id"] > asked["message_id"] and buttons(m) == CHOICES)
    shown = [m for m in olaf.seen() if asked["message_id"] < m["message_id"] <= last["message_id"]]
    assert len(shown) > 2, [m["text"] for m in shown]
    assert [buttons(m) for m in shown[:-1]] == [[]] * (len(shown) - 1)
    assert all(f"Paragraph {n} 🚢" in "".join(m["text"] for m in shown) for n in range(30))
    olaf.wait_text("Shall I approve this?", olaf.send("Shorter.", reply_to=shown[0]))


def test_versions_are_listed_promoted_and_rolled_back(world, versions):
    olaf, registry = operator(world), world.context.registry
    listed = olaf.wait_text(versions[2][:12], olaf.send("/adapters"))
    assert f"{versions[2][:12]} · 20" in listed["text"] and "passed (2 better, 1 worse, 0 alike)" in listed["text"]
    assert "Standing: candidate\nGate: never judged" in listed["text"] and "The base model is live" in listed["text"]
    olaf.wait_text("beginning of a version's id", olaf.send("/promote"))
    olaf.wait_text("Not exactly one version", olaf.send("/promote zz"))
    olaf.wait_text("live already", olaf.send("/promote base"))
    olaf.wait_text("no earlier version", olaf.send("/rollback"))

    asking = olaf.wait_text(f"Promote {versions[0][:12]}?", olaf.send(f"/promote {versions[0][:9]}"))
    assert "now base is live" in asking["text"] and "No gate has judged it." in asking["text"]
    olaf.press(asking, "Cancel")
    until(lambda: "nothing changes" in world.now(asking)["text"], "it is left")
    assert registry.aliases().live == BASE
    for version, before in ((versions[0], "base"), (versions[2], versions[0][:12])):
        asking = olaf.wait_text(f"now {before} is live", olaf.send(f"/promote {version[:12]}"))
        olaf.press(asking, "Promote")
        until(lambda version=version: registry.aliases().live == version, "it is live")
        until(lambda asking=asking: "Done:" in world.now(asking)["text"], "said so")
    (entry,) = [e for e in AuditLog(world.context.store).page() if e.what == "promote" and e.subject == versions[2]]
    assert (entry.who, entry.why) == (world.author(olaf), "confirmed in Telegram")

    stale = olaf.wait_text(f"Take {versions[2][:12]} back?", olaf.send("/rollback"))
    asking = olaf.wait_text(f"Take {versions[2][:12]} back?", olaf.send("/rollback"))
    assert f"{versions[0][:12]} is live again" in asking["text"]
    olaf.press(asking, "Roll back")
    until(lambda: f"{versions[0][:12]} is live." in world.now(asking)["text"], "said so")
    assert registry.aliases().live == versions[0] and registry.get(versions[2]).status == "rejected"
    olaf.press(stale, "Roll back")
    until(lambda: "moved meanwhile" in world.now(stale)["text"], "what was shown does not hold any more")
    assert registry.aliases().live == versions[0]

    world.context.store.hset(keys.version(versions[1]), "marked", now_ms())
    olaf.wait_text("never promoted again", olaf.send(f"/promote {versions[1][:12]}"))
    asking = olaf.wait_text("was rejected before", olaf.send(f"/promote {versions[2][:12]}"))
    world.context.store.hset(keys.version(versions[2]), "marked", now_ms())
    olaf.press(asking, "Promote")
    until(lambda: "never promoted again" in world.now(asking)["text"], "refused")
    world.context.store.hdel(keys.version(versions[2]), "marked")
    asking = olaf.wait_text("was rejected before", olaf.send(f"/promote {versions[2][:12]}"))
    world.context.store.hset(keys.version(versions[2]), "retired", now_ms())
    olaf.press(asking, "Promote")
    until(lambda: "was retired and never answers again" in world.now(asking)["text"], "refused")
    olaf.wait_text("was retired and never answers again", olaf.send(f"/promote {versions[2][:12]}"))
    for version in versions[1:]:
        world.context.store.hdel(keys.version(version), "marked", "rejected", "retired")


def test_operators_hear_once_of_a_trial_that_was_taken_back(world, versions, tmp_path):
    dismiss_all(world)
    olaf, bob, registry = operator(world), operator(world, "Bob"), world.context.registry
    shown = bob.wait_text("I tell you when", bob.send("/alerts"))
    bob.press(shown, "🔕 Do not tell me")
    until(lambda: buttons(world.now(shown)) == ["🔔 Tell me"], "muted")
    world.context.store.set(keys.REFRESH_FENCE, FENCE)
    live = registry.aliases().live

    def trial() -> None:
        registry.start_canary(versions[2], 0.2, "gate", "", FENCE, live)

    trial()
    asking = olaf.wait_text(f"Take {versions[2][:12]} back? Its trial ends", olaf.send("/rollback"))
    assert "It answers 20% of the chats." in olaf.wait_text("on trial", olaf.send("/adapters"))["text"]
    olaf.press(asking, "Cancel")
    asking = olaf.wait_text("Promote", olaf.send(f"/promote {versions[1][:12]}"))
    assert f"The trial of {versions[2][:12]} ends" in asking["text"]
    registry.end_canary(registry.aliases().canary, "rollback", "canary", "worse: 9 of 40; e-value 21, 20 suffice.")
    told = olaf.wait_text("⚠️ The trial of", asking)
    assert versions[2][:12] in told["text"] and "e-value 21" in told["text"] and live[:12] in told["text"]
    bob.press(shown, "🔔 Tell me")
    until(lambda: buttons(world.now(shown)) == ["🔕 Do not tell me"], "not muted")
    with bot_process(world.settings, world.api, tmp_path):
        world.context.store.hdel(keys.version(versions[2]), "rejected")
        trial()
        world.api.fault("sendMessage", 502, times=6)
        registry.rollback("operator", "")
        for person in (olaf, bob):
            person.wait_text("⚠️ The trial of", told, 60)
    assert [len([m for m in person.seen() if "⚠️ The trial" in m["text"]]) for person in (olaf, bob)] == [2, 1]


def test_operators_hear_once_of_a_long_queue(world):
    dismiss_all(world)
    olaf = operator(world)
    for _ in range(3):
        waiting_turn(world)
    until(lambda: [m for m in olaf.seen() if "⚠️ 3 answers wait" in m["text"]], "the alert")
    waiting_turn(world)
    store = world.context.store
    store.zremrangebyrank(keys.QUEUE, 0, 1)
    ann = world.member()
    ann.wait_answer(ann.send("script:steady"))
    assert len([m for m in olaf.seen() if "answers wait" in m["text"]]) == 1
    store.delete(keys.QUEUE)
    until(lambda: not store.exists(keys.alerted("queue")), "it is over")
    for _ in range(3):
        waiting_turn(world)
    until(lambda: len([m for m in olaf.seen() if "⚠️ 3 answers wait" in m["text"]]) == 2, "a second time")


def test_operators_hear_once_of_a_silent_worker_until_it_lives_again(world, tmp_path):
    dismiss_all(world)
    olaf, store = operator(world), world.context.store

    def told() -> list[dict]:
        return [m for m in olaf.seen() if "no sign of life for 1 min" in m["text"]]

    store.hset(keys.WORKERS, "tick", now_ms())
    with (
        bot_process(world.settings, world.api, tmp_path, alert_silent_s=10, tick_s=1),
        bot_process(world.settings, world.api, tmp_path, alert_silent_s=10, tick_s=1),
    ):
        until(told, "the alert")
        until(lambda: store.sismember(keys.alerted("worker"), world.author(olaf)), "it is known that they were told")
        olaf.wait_text("I tell you when", olaf.send("/alerts"))
        assert len(told()) == 1
        store.hset(keys.WORKERS, "tick", now_ms() + 1)
        until(lambda: not store.exists(keys.alerted("worker")), "another silence would be told")
    store.hdel(keys.WORKERS, "tick")


def test_each_operator_gets_one_digest_a_day_whatever_bots_run_and_may_end_it(world, versions, tmp_path):
    dismiss_all(world)
    olaf, bob = operator(world), operator(world, "Bob")
    world.context.people.note_language(world.author(bob), "de")
    ann, store, hour = world.member(), world.context.store, datetime.now(UTC).hour
    ann.press(ann.wait_answer(ann.send("script:short")), "👍")
    until(lambda: world.context.reviews.waiting() == 1, "it waits")

    def digests(person: Person) -> list[dict]:
        return [m for m in person.seen() if m["text"].startswith("🗓")]

    with (
        bot_process(world.settings, world.api, tmp_path, digest_hour=hour),
        bot_process(world.settings, world.api, tmp_path, digest_hour=hour),
    ):
        shown = until(lambda: digests(olaf), "the digest", 60)[0]
        german = until(lambda: digests(bob), "the digest", 60)[0]
        assert "Waiting for review: 1, the oldest since 0 h." in shown["text"] and "👍" in shown["text"]
        assert german["text"].startswith("🗓 Die letzten 24 Stunden\nWarten auf Durchsicht: 1,")
        assert buttons(shown) == ["🔕 No daily digest"]
        assert olaf.press(shown, "🔕 No daily digest")["text"] == "You get no daily digest."
        until(lambda: buttons(world.now(shown)) == ["🗓 A daily digest"], "it can be asked for again")
    assert store.smembers(keys.DIGEST_OFF) == {f"telegram:{olaf.id}"}
    carl = operator(world, "Carl")
    with bot_process(world.settings, world.api, tmp_path, digest_hour=hour):
        until(lambda: digests(carl), "who is new hears of today", 60)
        assert len(digests(olaf)) == len(digests(bob)) == 1, "a restart tells nobody twice"


def test_figures_come_with_a_picture(world):
    olaf, ann = operator(world), world.member()
    ann.press(ann.wait_answer(ann.send("script:short")), "👍")
    until(lambda: world.context.reviews.waiting() == 1, "it waits")
    asked = olaf.send("/stats")
    shown = olaf.wait(lambda m: m["message_id"] > asked["message_id"] and "photo" in m)
    counted = tally(world.context.store, world.context.turns, world.context.ratings)
    caption = shown["caption"]
    assert f"Answers in the last 24 hours: {counted.answers}." in caption and counted.answers > 0
    assert f"👍 {counted.thumbs.up}, 👎 {counted.thumbs.down}" in caption and counted.thumbs.up > 0
    assert "Waiting for review: 1, the oldest since 0 h." in caption and "Live: " in caption
    picture = Image.open(BytesIO(world.api.files[shown["photo"][0]["file_id"]]))
    assert picture.format == "PNG" and picture.width < 1000


def test_nothing_was_refused_and_nothing_failed(world):
    assert [(c.method, c.description) for c in world.api.journal if c.status == 400] == []
    assert "Traceback" not in world.bot.output()
