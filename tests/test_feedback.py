"""The record: what is acknowledged is stored, one vote each, and approvals set the right things in motion."""

import io
import json

import pytest
from rich.console import Console

from console.review import review_queue
from core import keys
from core.errors import InvalidInput, NotFound, StoreUnavailable
from core.records import APPROVED_PASSAGE, NOTICE, QUOTES_HEADING, Citation, Message, Passage, Turn, new_id, now_ms
from core.store import connect
from feedback.drafts import Drafts
from feedback.people import People
from feedback.progress import read_progress
from feedback.ratings import Ratings
from feedback.rows import export_rows, import_rows
from feedback.shown import approvable
from feedback.thanks import Thanks
from feedback.turns import Turns, messages


def answered(turns: Turns, question: str, reply: str, **fields) -> Turn:
    turn = Turn(
        id=new_id(),
        messages=(Message("user", question, fields.get("author")),),
        reply=reply,
        status="complete",
        created_at=now_ms(),
        **fields,
    )
    turns.open(turn)
    turns.close(turn)
    return turn


def test_a_conversation_continues_from_the_chats_newest_turn(turns):
    first = answered(turns, "When do you open?", "At nine.", chat="c1")
    second = answered(turns, "And on Sundays?", "Never.", chat="c1", parent=first.id)
    assert turns.head("c1") == second.id
    said = [(m.role, m.content) for m in messages(turns.conversation(second.id))]
    assert said == [
        ("user", "When do you open?"),
        ("assistant", "At nine."),
        ("user", "And on Sundays?"),
        ("assistant", "Never."),
    ]
    turns.reset("c1")
    assert turns.head("c1") is None
    assert turns.get(first.id).reply == "At nine."


def test_each_topic_of_a_chat_goes_on_by_itself(turns):
    outside = answered(turns, "When do you open?", "At nine.", chat="c1")
    inside = answered(turns, "Who is coming?", "Ann.", chat="c1", topic="5")
    turns.note_latest("c1", "5", inside.id)
    assert (turns.head("c1"), turns.head("c1", "5"), turns.head("c1", "6")) == (outside.id, inside.id, None)
    further = answered(turns, "And who else?", "Bo", chat="c1", topic="5", parent=inside.id)
    turns.step_back(outside)
    for turn in (further, further):
        turns.step_back(turn)
    assert (turns.head("c1"), turns.head("c1", "5")) == (None, inside.id), "no further than before that turn"
    turns.reset("c1", "5")
    assert (turns.head("c1", "5"), turns.latest("c1", "5")) == (None, None)


def test_a_correction_is_reviewed_and_becomes_an_approved_answer(store, turns, ratings, reviews):
    turn = answered(turns, "How long may I keep a book?", "Two weeks.", chat="c1", author="ann")
    ratings.rate(turn.id, "ann", -1, "wrong")
    ratings.correct(turn.id, "ann", "Four weeks.  ")
    (item,) = reviews.queue()
    assert (item.suggestion, item.votes[0].value, reviews.waiting()) == ("Four weeks.", -1, 1)

    reviews.decide(turn.id, "edit", "operator", scope="everyone", text="Four weeks; write to desk@library.org")
    assert reviews.waiting() == 0
    position, answers, revoked = reviews.answers_since("0")
    assert [(a.question, a.answer) for a in answers] == [
        ("How long may I keep a book?", "Four weeks; write to [email]")
    ]
    assert store.ttl(keys.turn(turn.id)) == -1, "what was approved is kept"
    assert read_progress(store, 60).approved == 1

    reviews.decide(turn.id, "reject", "operator", why="a mistake")
    assert reviews.answers_since(position)[1:] == ([], [turn.id])
    assert reviews.approved() == []


def test_what_people_write_is_stored_without_personal_data(store, turns, ratings, reviews):
    desk = Passage("p", "contact.md", "Contact", "Write to desk@library.org.", 0.9)
    reply = "I write to ann@example.org, and you to desk@library.org."
    turn = answered(turns, "I am ann@example.org; where do I write?", reply, passages=(desk,), generated=reply)
    ratings.rate(turn.id, "ann", -1, "my number is +44 20 7946 0958")
    ratings.correct(turn.id, "ann", "Charge 4111 1111 1111 1111, or GB82 WEST 1234 5698 7654 32.")
    read = {"string": store.get, "hash": store.hgetall, "stream": store.xrange, "zset": store.zcard}
    told = str([read[store.type(key)](key) for key in store.keys()])
    assert "[iban]" in told and not [word for word in ("ann@", "20 7946", "4111", "GB82", "WEST") if word in told]
    stored = reviews.item(turn.id)
    assert stored.turn.messages[0].content == "I am [email]; where do I write?"
    assert stored.turn.reply == stored.turn.generated == "I write to [email], and you to desk@library.org.", (
        "what a document says is nobody's secret"
    )
    assert (stored.votes[0].reason, stored.suggestion) == ("my number is [phone]", "Charge [card], or [iban].")


def test_an_import_is_stored_without_personal_data(tmp_path, turns, ratings, reviews):
    source = tmp_path / "rows.jsonl"
    source.write_text(json.dumps({"prompt": "I am ann@example.org.", "completion": "Hello ann@example.org!"}))
    import_rows(source, turns, ratings, reviews)
    (row,) = export_rows(turns, reviews)
    assert (row["messages"][0]["content"], row["completion"]) == ("I am [email].", "Hello [email]!")


def test_the_last_vote_of_an_author_wins(turns, ratings):
    turn = answered(turns, "q", "a")
    for value in (1, -1, 1):
        ratings.rate(turn.id, "ann", value)
    ratings.rate(turn.id, "bob", -1)
    assert sorted((v.author, v.value) for v in ratings.votes(turn.id)) == [("ann", 1), ("bob", -1)]


def test_what_used_a_chats_own_documents_stays_in_that_chat(turns, reviews):
    private = Passage("p", "notes.md", "Notes", "The code is 4711.", 0.9, scope="chat")
    turn = answered(turns, "What is the code?", "4711", chat="c1", passages=(private,))
    with pytest.raises(InvalidInput, match="this chat only"):
        reviews.decide(turn.id, "approve", "operator", scope="everyone")
    reviews.decide(turn.id, "approve", "operator", scope="chat")
    (answer,) = reviews.answers_since("0")[1]
    assert (answer.scope, answer.chat) == ("chat", "c1")


def test_a_conversation_that_used_a_chats_own_documents_stays_there_too(turns, reviews):
    private = Passage("p", "notes.md", "Notes", "The code is 4711.", 0.9, scope="chat")
    first = answered(turns, "What is the code?", "4711", chat="c1", passages=(private,))
    second = answered(turns, "Thanks!", "You are welcome.", chat="c1", parent=first.id)
    third = answered(turns, "Bye!", "Goodbye.", chat="c1", parent=second.id)
    with pytest.raises(InvalidInput, match="this chat only"):
        reviews.decide(third.id, "edit", "operator", scope="everyone", text="Goodbye!")
    assert reviews.decide(third.id, "reject", "operator", scope="everyone").decision == "reject"


@pytest.mark.parametrize(
    ("origin", "shown", "plain"),
    [
        (
            "model",
            "It opens at nine. [1][2]\nSee t[1] too.\n\n{}\n“It opens at nine.” [1]",
            "It opens at nine.\nSee t[1] too.",
        ),
        ("model", "It opens early. [2]\n\n{}\n“It opens at nine.” [1]", "It opens early.\nIt opens at nine."),
        ("quote", "{}\n“It opens at nine.” [1]\n“Not on “bank” days.” [2]", "It opens at nine.\nNot on “bank” days."),
        ("model", NOTICE + " My own answer, unchecked:\n\nAt nine.\n\nOr ten.", "At nine.\n\nOr ten."),
        ("approved", "Checked. [1]", "Checked. [1]"),
    ],
)
def test_what_is_approved_is_what_the_person_was_shown(turns, reviews, origin, shown, plain):
    cited = tuple(Citation(n, "p", "hours.md", "Hours", "", 0.9) for n in (1, 2))
    reply = shown.format(QUOTES_HEADING)
    turn = answered(turns, "When?", reply, generated="Never shown.", origin=origin, citations=cited)
    assert approvable(turn) == reviews.item(turn.id).suggestion == plain
    assert reviews.decide(turn.id, "approve", "operator").text == plain
    assert next(export_rows(turns, reviews))["completion"] == plain
    reviews.decide(turn.id, "edit", "operator", text="Better.")
    assert next(export_rows(turns, reviews))["rejected"] == plain


def test_an_operator_reads_what_would_be_approved(turns, ratings, reviews, amends):
    class Operator(Console):
        def input(self, *asked, **how):
            return answers.pop(0)

    reply = f"{QUOTES_HEADING}\n“At nine.” [1]"
    cited = (Citation(1, "p", "hours.md", "Hours", "At nine.", 0.9),)
    turn = answered(turns, "When?", reply, generated="At noon.", origin="quote", citations=cited)
    ratings.rate(turn.id, "ann", 1)
    answers, screen = ["a", "c"], Operator(file=io.StringIO(), width=100)
    assert review_queue(reviews, amends, "operator", screen) == 1
    read = screen.file.getvalue()
    assert "would be approved" in read and "At noon." not in read
    assert reviews.get(turn.id).text == "At nine."


def test_what_is_approved_is_kept_and_a_rejection_gives_its_lifetime_back(store, turns, ratings, reviews):
    def lifetime(turn, *more):
        return [store.ttl(key) for key in (keys.turn(turn.id), *more)]

    first = answered(turns, "When?", "At nine.", chat="c1")
    second, other = (answered(turns, q, "Yes.", chat="c1", parent=first.id) for q in ("Sure?", "Really?"))
    ratings.rate(first.id, "ann", 1)
    assert all(0 < ttl <= 90 * 86_400 for ttl in lifetime(first, keys.votes(first.id)))
    for turn in (second, other):
        reviews.decide(turn.id, "approve", "operator")
    ratings.rate(second.id, "ann", 1)
    ratings.correct(second.id, "ann", "No.")
    ratings.regenerated(second.id, other.id, "ann")
    about = [keys.votes(second.id), keys.corrections(second.id), keys.regenerations(second.id)]
    assert lifetime(second, *about) == [-1] * 4 and lifetime(first, keys.votes(first.id)) == [-1] * 2

    reviews.decide(second.id, "reject", "operator")
    assert all(0 < ttl <= 90 * 86_400 for ttl in lifetime(second, *about, keys.review(second.id)))
    assert lifetime(first) == [-1], "another approval needs it"
    reviews.decide(other.id, "reject", "operator")
    assert lifetime(first)[0] > 0 and lifetime(first, keys.votes(first.id))[1] > 0
    reviews.decide(second.id, "approve", "operator")
    assert lifetime(first, keys.turn(second.id), keys.review(second.id)) == [-1] * 3


def test_old_events_are_forgotten(store, turns, ratings):
    turn = answered(turns, "q", "a")
    long_ago = now_ms() - 91 * 86_400_000
    with store.pipeline() as pipe:
        for n in range(500):
            pipe.xadd(keys.EVENTS, {"type": "Rating", "data": "{}"}, id=f"{long_ago}-{n + 1}")
        pipe.execute()
    ratings.rate(turn.id, "ann", 1)
    assert store.xlen(keys.EVENTS) < 200


def test_near_duplicates_and_conversations_never_stand_on_both_sides(turns, reviews):
    questions = [f"question number {n}?" for n in range(60)]
    splits = {}
    for question in questions:
        turn = answered(turns, question, "a")
        splits[question] = reviews.decide(turn.id, "approve", "o", scope="everyone").split
    assert 4 <= list(splits.values()).count("evaluation") <= 22
    for question in questions:
        again = answered(turns, question.upper().replace("?", " !"), "another answer")
        assert reviews.decide(again.id, "approve", "o", scope="everyone").split == splits[question]
    kept = next(q for q in questions if splits[q] == "evaluation")
    root = answered(turns, "a question of another conversation", "a")
    other = reviews.decide(root.id, "approve", "o", scope="everyone").split
    mixed = answered(turns, kept, "a", parent=root.id)
    expected = "excluded" if other == "train" else "evaluation"
    assert reviews.decide(mixed.id, "approve", "o", scope="everyone").split == expected


def test_rows_go_in_and_come_out(tmp_path, turns, ratings, reviews):
    rows = [
        {"prompt": "Where is the lift?", "completion": "Behind the stairs."},
        {"messages": [{"role": "user", "content": "Fines?"}], "chosen": "None.", "rejected": "A lot."},
        {"prompt": "Toilets?", "completion": "Second floor.", "label": False},
        {"prompt": "", "completion": "x"},
        {"completion": "x"},
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    report = import_rows(source, turns, ratings, reviews)
    assert (report.approved, report.corrected, report.rated) == (1, 1, 1)
    assert [line.split(":")[0] for line in report.refused] == ["line 4", "line 5", "line 6"]
    assert reviews.waiting() == 1, "a thumb waits for an operator"
    out = list(export_rows(turns, reviews))
    assert {(r.get("completion"), r.get("chosen"), r.get("rejected")) for r in out} == {
        ("Behind the stairs.", None, None),
        (None, "None.", "A lot."),
    }


def test_one_time_links_make_one_owner(store):
    people = People(store)
    first, second = people.invite("owner"), people.invite("owner")
    assert people.redeem(first, "ann", "telegram:ann") == "owner"
    assert people.redeem(first, "bob", "telegram:bob") is None, "used"
    assert people.redeem(second, "bob", "telegram:bob") is None, "there is an owner"
    assert (people.owner(), people.person("ann").role, people.person("ann").consent) == ("ann", "owner", "ask")
    assert people.owner_address() == "telegram:ann"
    assert people.redeem(people.invite("member"), "bob", "telegram:bob") == "member"
    people.set_consent("bob", "yes")
    assert people.person("bob").consent == "yes"


def test_turns_of_a_dead_process_are_closed_as_failed(turns):
    turn = Turn(id=new_id(), messages=(Message("user", "q"),), replica="dead", created_at=now_ms())
    turns.open(turn)
    assert turns.close_orphans(["alive"]) == [turn.id]
    assert turns.get(turn.id).status == "failed"
    assert turns.close_orphans(["alive"]) == []


@pytest.mark.parametrize("text", ["", "   ", "x" * 9000])
def test_a_correction_must_say_something(turns, ratings, text):
    turn = answered(turns, "q", "a")
    with pytest.raises(InvalidInput):
        ratings.correct(turn.id, "ann", text)


def test_a_correction_is_shown_before_it_is_sent(store, turns, ratings):
    turn, drafts = answered(turns, "q", "a"), Drafts(store, turns, ratings)
    ratings.await_correction("chat", "ann", turn.id)
    assert ratings.pending("chat", "ann") == turn.id and ratings.pending("chat", "bob") is None
    with pytest.raises(InvalidInput):
        drafts.propose("chat", "ann", turn.id, "x" * 9000)
    first, shown = drafts.propose("chat", "ann", turn.id, " Ask ann@example.org. ")
    second, _ = drafts.propose("chat", "ann", turn.id, "b")
    assert shown == "Ask [email]." and ratings.corrections(turn.id) == []
    with pytest.raises(NotFound):
        drafts.send("chat", "bob", first)
    assert drafts.drop("chat", "ann", second).text == "b"
    assert drafts.send("chat", "ann", first).turn == turn.id
    assert [c.text for c in ratings.corrections(turn.id)] == ["Ask [email]."]
    with pytest.raises(NotFound):
        drafts.send("chat", "ann", first)
    with pytest.raises(NotFound):
        drafts.propose("chat", "ann", "0" * 32, "b")


def test_a_correction_can_be_taken_back_until_somebody_decides(turns, ratings, reviews):
    turn = answered(turns, "q", "a")
    ratings.correct(turn.id, "ann", "b")
    ratings.take_back_correction(turn.id, "ann")
    assert ratings.corrections(turn.id) == [] and reviews.queue() == []
    with pytest.raises(NotFound):
        ratings.take_back_correction(turn.id, "ann")
    ratings.correct(turn.id, "ann", "b")
    ratings.correct(turn.id, "bob", "c")
    ratings.take_back_correction(turn.id, "ann")
    (item,) = reviews.queue()
    assert [c.text for c in item.corrections] == ["c"]
    reviews.decide(turn.id, "edit", "op", "chat", "c")
    with pytest.raises(InvalidInput, match="operator has decided"):
        ratings.take_back_correction(turn.id, "bob")


def test_who_corrected_is_told_once_when_it_goes_live(store, turns, ratings, reviews):
    thanks = Thanks(store, turns, reviews)
    before = answered(turns, "q0", "a", chat="c")
    ratings.correct(before.id, "ann", "Before any bot ran.")
    reviews.decide(before.id, "edit", "op", "chat", "Before any bot ran.")
    thanks.begin()
    thanks.begin()
    taken, other, waiting = (answered(turns, f"q{n}", "a", chat="c") for n in range(3))
    for turn in (taken, other, waiting):
        ratings.correct(turn.id, "ann", "At seven in the morning.")
        thanks.expect(turn.id, "ann", "c", "telegram:1")
    turns.note_asked("c", taken.id, 17)
    review = reviews.decide(taken.id, "edit", "op", "chat", "At seven in the morning.")
    reviews.decide(other.id, "edit", "op", "chat", "Nobody knows.")
    heard = thanks.heard("one")
    assert [h.turn for h in heard] == [taken.id, other.id] and thanks.heard("two") == []
    (due,) = thanks.due(taken.id)
    assert (due.address, due.question, due.at, due.author) == ("telegram:1", 17, review.created_at, "ann")
    assert thanks.due(taken.id) == [due], "until they were told"
    thanks.told(due)
    assert thanks.due(taken.id) == thanks.due(other.id) == thanks.due(waiting.id) == []
    thanks.acknowledge(heard[0])
    assert store.xpending(keys.APPROVALS, keys.TELLING)["pending"] == 1, "the other would be taken up by another bot"
    reviews.decide(other.id, "edit", "op", "chat", "At seven in the morning.")
    assert [h.turn for h in thanks.heard("one")] == [other.id]
    assert [d.turn for d in thanks.due(other.id)] == [other.id], "a later decision took it over"
    store.delete(keys.APPROVALS)
    assert thanks.heard("one") == [], "an emptied database is begun anew"


def test_a_request_for_access_waits_once(store):
    people = People(store)
    assert [people.request_access("telegram:7", "Bob") for _ in range(2)] == [True, False]
    people.settle_request("telegram:7")
    assert people.requests() == {}
    people.note_told("ann")
    assert people.person("ann").told and not people.person("bob").told


def test_feedback_about_nothing_is_refused(ratings):
    with pytest.raises(NotFound):
        ratings.rate("0" * 32, "ann", 1)


def test_nothing_is_acknowledged_when_the_database_is_away():
    away = connect("redis://127.0.0.1:1/0")
    turns = Turns(away, 90)
    with pytest.raises(StoreUnavailable, match="try again"):
        Ratings(away, turns).rate("0" * 32, "ann", 1)


def test_a_database_that_cannot_write_is_away_too(store, turns):
    turn = answered(turns, "q", "a")
    store.config_set("maxmemory", 1)
    store.config_set("maxmemory-policy", "noeviction")
    try:
        with pytest.raises(StoreUnavailable):
            Ratings(store, turns).rate(turn.id, "ann", 1)
    finally:
        store.config_set("maxmemory", 0)


def test_an_answer_that_was_given_from_a_frozen_one_stays_on_its_side(turns, reviews):
    frozen = None
    for n in range(40):
        turn = answered(turns, f"frozen candidate number {n}?", "a")
        if reviews.decide(turn.id, "approve", "operator", "everyone").split == "evaluation":
            frozen = turn
            break
    said = Passage(APPROVED_PASSAGE + frozen.id, "approved answer", "checked by a person", "a", 0.9)
    for n in range(8):
        paraphrase = answered(turns, f"another way to ask it, number {n}?", "a", passages=(said,))
        assert reviews.decide(paraphrase.id, "approve", "operator", "everyone").split == "evaluation"
