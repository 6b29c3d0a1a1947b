"""The queue as operators look through it, what they note, whom a turn is shown to, and many decisions at once."""

from itertools import count

import pytest

from core import keys
from core.errors import InvalidInput, NotFound
from core.records import Message, Opinion, Passage, Turn, new_id, now_ms
from core.settings import Settings
from feedback import opinions as second
from feedback.backlog import Backlog, Filter
from feedback.batches import CHUNK, Batches
from feedback.changes import changes
from feedback.claims import Claims
from feedback.notes import Notebook
from feedback.opinions import Opinions, agreement
from feedback.order import REASONS
from feedback.walks import Walks
from workers.context import open_context

TOLD, TORN, NEW, REST = REASONS
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """People's events are a millisecond apart, so that their order is known."""
    instants = count(now_ms())
    monkeypatch.setattr("feedback.ratings.now_ms", lambda: next(instants))


@pytest.fixture
def backlog(store, turns, ratings):
    return Backlog(store, turns, ratings)


@pytest.fixture
def notebook(store, turns):
    return Notebook(store, turns)


@pytest.fixture
def batches(store, turns, ratings, reviews):
    return Batches(store, turns, ratings, reviews)


def answered(turns, question: str, reply: str = "An answer.", **fields) -> Turn:
    told = {"chat": "ann", "author": "ann", "created_at": now_ms()} | fields
    turn = Turn(new_id(), (Message("user", question, told["author"]),), reply=reply, status="complete", **told)
    turns.add_closed([turn])
    return turn


def found(backlog, **wanted) -> list[str]:
    return list(backlog.find(Filter(**wanted)))


def test_everything_that_can_be_asked_of_the_queue(turns, ratings, reviews, backlog, notebook):
    price = answered(turns, "What does a ticket cost?", "Nine euros.", author="bob", adapter="a" * 64)
    dogs = answered(turns, "Dürfen Hunde in den Lesesaal der Bibliothek?", "Ja.", created_at=now_ms() - 3 * DAY_MS)
    yard = answered(turns, "Where can children play in the afternoon?", adapter="b" * 64)
    ratings.rate(price.id, "ann", -1, "wrong")
    ratings.rate(dogs.id, "ann", 1)
    ratings.correct(yard.id, "bob", "In the YARD.")
    everything = list(backlog.find(Filter()).items())
    assert everything == [(item.turn.id, item.why) for item in reviews.queue()], "the order is the queue's"
    assert [why for _, why in everything] == [TOLD, TOLD, NEW]
    assert found(backlog, kind="correction") == [yard.id] and found(backlog, kind="up") == [dogs.id]
    assert found(backlog, kind="down") == found(backlog, reason="Wrong") == [price.id]
    assert found(backlog, why=NEW) == [dogs.id] and found(backlog, why=TORN) == []
    assert found(backlog, author="bo") == found(backlog, version="aa") == [price.id]
    assert found(backlog, language="de") == [dogs.id] and "de" in backlog.languages()
    assert found(backlog, text="the yard") == [yard.id], "a correction's words, in any case"
    assert found(backlog, until=now_ms() - DAY_MS) == [dogs.id]
    assert found(backlog, since=now_ms() - DAY_MS) == [price.id, yard.id]
    assert found(backlog, kind="reason", text="nine", author="bob") == [price.id]
    notebook.tag(yard.id, "Play")
    assert found(backlog, tag="play") == [yard.id] and found(backlog, tag="work") == []


def test_what_is_said_decided_or_forgotten_meanwhile_is_seen(store, turns, ratings, reviews, backlog):
    first, other = answered(turns, "alpha beta?"), answered(turns, "gamma delta?")
    for turn in (first, other):
        ratings.rate(turn.id, "ann", 1)
    assert found(backlog, kind="up") == [first.id, other.id]
    ratings.rate(other.id, "ann", -1, "too long")
    assert found(backlog, kind="up") == [first.id] and found(backlog, reason="long") == [other.id]
    reviews.decide(first.id, "reject", "ops")
    assert found(backlog, text="alpha") == []
    store.hset(keys.votes(other.id), "ann", "{}")
    store.delete(keys.votes(other.id))
    assert found(backlog, reason="long") == [other.id], "only what an event tells of is read again"
    store.set(keys.FORGOTTEN, now_ms())
    assert found(backlog, reason="long") == []
    gone = answered(turns, "gone?")
    ratings.rate(gone.id, "ann", 1)
    store.delete(keys.turn(gone.id))
    assert gone.id not in found(backlog, text="?") and store.zscore(keys.QUEUE, gone.id) is None


def test_a_claimed_turn_is_given_to_nobody_else_until_it_is_given_back_or_expires(store):
    claims, queue = Claims(store), ["one", "two"]
    assert claims.first_free("ann", queue) == "one" and claims.first_free("bob", queue) == "two"
    assert claims.first_free("eve", queue) is None and claims.first_free("eve", []) is None
    assert claims.first_free("ann", ["one"]) == "one", "renewed"
    assert claims.of_others("eve") == {"one", "two"} and claims.of_others("ann") == {"two"}
    claims.give_back("bob", "one")
    assert claims.first_free("eve", ["one"]) is None, "it is not bob's to give"
    claims.give_back("ann", "one")
    assert claims.first_free("eve", queue) == "one"
    assert claims.first_free("bob", ["two"], lease_s=0) == "two"
    assert claims.first_free("ann", queue) == "two" and claims.of_others("eve") == {"two"}


def test_a_walk_in_the_chat_passes_over_what_the_console_shows(store, turns, ratings, reviews):
    first, other = answered(turns, "alpha?"), answered(turns, "beta?")
    for turn in (first, other):
        ratings.rate(turn.id, "ann", 1)
    claims, walks = Claims(store), Walks(store, reviews)
    claims.first_free("ann", [first.id])
    assert walks.next("bob").turn.id == other.id
    claims.give_back("ann", first.id)
    assert walks.next("bob").turn.id == first.id


def test_operators_with_spaces_in_their_names_are_told_apart(store):
    claims = Claims(store)
    assert claims.first_free("Ann Lee", ["one"]) == "one"
    assert claims.first_free("Ann", ["one"]) is None and claims.first_free("Lee", ["one"]) is None


def test_notes_are_kept_without_personal_data_and_as_long_as_the_turn(store, turns, notebook, reviews):
    turn = answered(turns, "Open?")
    notebook.keep_edit(turn.id, "ann", "Ask eve@example.org.")
    notebook.keep_edit(turn.id, "bob", "At ten.")
    notebook.tag(turn.id, "opening-hours")
    notebook.comment(turn.id, "bob", "eve@example.org asked me, too")
    notes = notebook.of(turn.id, "ann")
    assert notes.edit and "eve@" not in notes.edit and notebook.of(turn.id, "bob").edit == "At ten."
    assert notes.tags == ("opening-hours",) and notes.comments[0].operator == "bob"
    assert "eve@" not in notes.comments[0].text
    for key in (keys.edits(turn.id), keys.comments(turn.id)):
        assert 0 < store.ttl(key) <= 90 * 86_400
    reviews.decide(turn.id, "approve", "ann")
    assert store.ttl(keys.comments(turn.id)) == -1, "as the approved turn"
    notebook.keep_edit(turn.id, "ann", "  ")
    notebook.drop_edit(turn.id, "bob")
    notebook.untag(turn.id, "opening-hours")
    assert notebook.of(turn.id, "bob").edit is None and notebook.tags() == [] and not store.exists(keys.edits(turn.id))


@pytest.mark.parametrize("tag", ["", "two words", "x" * 33, "a/b", "+491701234567"])
def test_a_tag_is_one_word(turns, notebook, tag):
    with pytest.raises(InvalidInput):
        notebook.tag(answered(turns, "Open?").id, tag)


def test_comments_and_edits_of_nothing_are_refused(turns, notebook):
    turn = answered(turns, "Open?")
    for text in (" ", "x" * 2001):
        with pytest.raises(InvalidInput):
            notebook.comment(turn.id, "ann", text)
    for note in (notebook.tag, lambda t, text: notebook.comment(t, "ann", text)):
        with pytest.raises(NotFound):
            note("nothing", "text")
    with pytest.raises(NotFound):
        notebook.keep_edit("nothing", "ann", "text")


def test_a_bulk_decision_is_made_in_chunks_and_undone_as_a_whole(store, turns, ratings, reviews, batches):
    count = 2 * CHUNK + 20
    asked = [answered(turns, f"subject{n}?", f"Answer {n}.") for n in range(count)]
    for turn in asked[1:]:
        ratings.rate(turn.id, "ann", 1)
    ratings.correct(asked[0].id, "bob", "A better one.")
    before = store.zrange(keys.QUEUE, 0, -1, withscores=True)
    batch = batches.begin([turn.id for turn in asked])
    assert (batch.waiting, batch.made) == (count, 0)
    steps = []
    while batch.waiting:
        batch = batches.decide(batch.id, "approve", "ann", "everyone", spared={asked[7].id})
        steps.append(batch.made)
    assert steps == [CHUNK - 1, 2 * CHUNK - 1, count - 1]
    assert [item.turn.id for item in reviews.queue()] == [asked[7].id], "what another has open is left to them"
    assert reviews.get(asked[0].id).text == "A better one." and reviews.get(asked[0].id).decision == "edit"
    assert reviews.get(asked[1].id).text == "Answer 1." and reviews.get(asked[1].id).reviewer == "ann"
    reviews.decide(asked[2].id, "reject", "bob")
    while batch.made:
        batch = batches.undo(batch.id)
    after = store.zrange(keys.QUEUE, 0, -1, withscores=True)
    assert after == [entry for entry in before if entry[0] != asked[2].id], "all wait where they waited"
    assert reviews.get(asked[2].id).decision == "reject", "what another decided since stays"
    assert reviews.count_for_everyone() == 0


def test_what_a_bulk_decision_may_not_decide_stays(turns, ratings, reviews, batches):
    own = (Passage("p", "ours.md", "", "secret", scope="chat"),)
    theirs, plain, decided, silent = (
        answered(turns, f"{word}?", reply, passages=passages)
        for word, reply, passages in (("own", "a", own), ("plain", "b", ()), ("old", "c", ()), ("none", "", ()))
    )
    for turn in (theirs, plain, decided, silent):
        ratings.rate(turn.id, "ann", 1)
    ids = [turn.id for turn in (theirs, plain, decided, silent)]
    reviews.decide(decided.id, "reject", "bob")
    batch = batches.begin(ids)
    assert batches.decide(batch.id, "approve", "ann", "everyone").made == 1
    assert reviews.get(plain.id) and reviews.get(decided.id).reviewer == "bob"
    assert {item.turn.id for item in reviews.queue()} == {theirs.id, silent.id}
    rest = batches.begin([theirs.id, silent.id])
    assert batches.decide(rest.id, "edit", "ann", "chat", text="The same for both.").made == 2
    assert {reviews.get(turn.id).text for turn in (theirs, silent)} == {"The same for both."}


def test_a_second_operator_is_asked_blind_and_only_about_others_decisions(turns, ratings, reviews, store, monkeypatch):
    monkeypatch.setattr(second, "SHARE", 1.0)
    opinions = Opinions(store, turns, reviews)
    kept, changed, refused = (answered(turns, f"{word}?") for word in ("one", "two", "three"))
    reviews.decide(kept.id, "approve", "ann")
    reviews.decide(changed.id, "edit", "ann", text="Another.")
    reviews.decide(refused.id, "reject", "ann")
    reviews.decide(answered(turns, "imported?").id, "approve", "import")
    assert opinions.wanted_from("ann") == [] and set(opinions.wanted_from("bob")) == {kept.id, changed.id, refused.id}
    for turn, rejected, text in ((kept, False, " An answer. "), (changed, False, "An answer."), (refused, True, "")):
        opinions.give(reviews.item(turn.id), "bob", rejected, text)
    assert opinions.wanted_from("bob") == opinions.wanted_from("eve") == []
    pairs = {(opinion.first, opinion.verdict) for opinion in opinions.all()}
    assert pairs == {("as suggested", "as suggested"), ("rewritten", "as suggested"), ("rejected", "rejected")}
    assert reviews.get(changed.id).text == "Another.", "what was decided stays"
    with pytest.raises(InvalidInput):
        opinions.give(reviews.item(kept.id), "ann", True)


def test_a_tenth_is_sampled_and_always_the_same():
    ids = [new_id() for _ in range(4000)]
    sampled = [turn for turn in ids if second.is_sampled(turn)]
    assert 300 < len(sampled) < 500 and sampled == [turn for turn in ids if second.is_sampled(turn)]


def test_agreement_is_cohens():
    def said(first, verdict, times):
        return [Opinion("t", "bob", verdict, "ann", first)] * times

    # Cohen's kappa of the table 20 5 / 10 15 is 0.4 (https://en.wikipedia.org/wiki/Cohen's_kappa).
    table = [
        *said("as suggested", "as suggested", 20),
        *said("as suggested", "rejected", 5),
        *said("rejected", "as suggested", 10),
        *said("rejected", "rejected", 15),
    ]
    found = agreement(table)
    assert (found.asked, found.same, found.share) == (50, 35, 0.7) and found.kappa == pytest.approx(0.4)
    assert agreement([]).kappa is None and agreement([]).share is None
    assert agreement(said("rejected", "rejected", 3)).kappa is None, "chance alone would agree"


def test_changes_are_told_word_by_word():
    assert changes("It opens at ten.", "It opens at nine.") == [
        ("same", "It opens at "),
        ("gone", "ten."),
        ("come", "nine."),
    ]
    assert changes("", "new") == [("come", "new")] and changes("same", "same") == [("same", "same")]
    assert [what for what, _ in changes("a " * 2000, "b")] == ["gone", "come"]


def test_forgetting_takes_notes_claims_and_opinions_that_may_hold_a_persons_words(store, valkey_url, tmp_path):
    context = open_context(Settings(data_dir=tmp_path, redis_url=valkey_url))
    notebook, claims = Notebook(store, context.turns), Claims(store)
    theirs = answered(context.turns, "My xylophone?")
    after = answered(context.turns, "And mine?", author="bob", parent=theirs.id)
    corrected = answered(context.turns, "When?", author="bob")
    apart = answered(context.turns, "Where?", author="bob")
    context.ratings.correct(corrected.id, "ann", "At xylophone time.")
    for turn in (theirs, after, corrected):
        notebook.keep_edit(turn.id, "op", "The xylophone.")
        notebook.comment(turn.id, "op", "what a xylophone")
        notebook.tag(turn.id, "xylophone")
        claims.first_free("op", [turn.id])
        context.reviews.decide(turn.id, "reject", "op")
        Opinions(store, context.turns, context.reviews).give(context.reviews.item(turn.id), "other", True)
    notebook.comment(apart.id, "op", "stays")
    context.forgetting.forget("ann", "operator")
    left = "\n".join(store.scan_iter("*"))
    assert "xylophone" not in left and notebook.tags() == [] and claims.of_others("nobody") == set()
    for turn in (theirs, after, corrected):
        assert not store.exists(keys.edits(turn.id), keys.comments(turn.id), keys.opinion(turn.id))
    assert notebook.of(apart.id, "op").comments[0].text == "stays"
    assert store.zrange(keys.OPINIONS, 0, -1) == [] and theirs.id not in store.zrange(keys.DECIDED, 0, -1)


def test_recent_decisions_are_listed_newest_first_and_leave_with_an_undo(turns, reviews, ratings, monkeypatch):
    instants = iter(range(now_ms(), now_ms() + 100))
    monkeypatch.setattr("feedback.reviews.now_ms", lambda: next(instants))
    first, other = answered(turns, "alpha?"), answered(turns, "beta?")
    reviews.decide(first.id, "approve", "ann")
    made = reviews.decide(other.id, "reject", "bob")
    assert [review.turn for review in reviews.decided()] == [other.id, first.id]
    assert [review.turn for review in reviews.decided(1, 1)] == [first.id]
    reviews.undo(other.id, made.created_at, "bob")
    assert [review.turn for review in reviews.decided()] == [first.id]
    reviews.decide(first.id, "approve", "ann")
    assert len(reviews.decided()) == 1 and reviews.get(first.id).reviewer == "ann"
