"""The inbox and amended answers in the record alone, where no bot lives beside it and answers to what is there."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from console.review import review_queue
from core import keys
from core.errors import InvalidInput
from core.records import Handover, Holder, Message, Turn, new_id, now_ms
from feedback.audit import AuditLog
from feedback.handovers import ASKED, Handovers
from training.sources import Source, why_not


@pytest.fixture
def handovers(store, turns) -> Handovers:
    return Handovers(store, turns)


def asked(turns, chat: str = "c", author: str = "ann", **fields) -> Turn:
    turn = Turn(new_id(), (Message("user", "When?", author),), chat=chat, author=author, reply="At nine.", **fields)
    turns.open(turn)
    turns.close(replace(turn, status="complete"))
    return turns.get(turn.id)


def begun(handovers: Handovers, author: str = "ann", **fields) -> Handover:
    handover = Handover(new_id()[:16], "c", author, "telegram:42", 7, created_at=now_ms(), **fields)
    handovers.begin(handover)
    return handover


def test_whoever_is_first_has_it(store, handovers):
    handover = begun(handovers)
    first = handovers.take(handover.id, Holder("olga", "telegram:1", "Olga"))
    second = handovers.take(handover.id, Holder("omar", "telegram:2", "Omar"))
    assert first == second and first.holder.name == "Olga" and first.is_silent
    assert handovers.overdue(0) == [], "somebody has it"
    handovers.release(handover.id)
    (missed,) = handovers.overdue(0)
    assert missed.handover == handover and not handovers.of_chat("c").is_silent
    assert handovers.overdue(0) == [missed], "until they were told"
    handovers.apologised(missed)
    assert handovers.overdue(0) == [] and not handovers.of_chat("c").is_silent
    handovers.end(first)
    assert handovers.take(handover.id, Holder("omar", "telegram:2", "Omar")) is None
    assert handovers.say(first, 8, "Hello?") is None and list(store.scan_iter()) == []


def test_what_an_operator_answers(turns, handovers, reviews):
    head = asked(turns)
    handover = begun(handovers, turn=head.id)
    case = handovers.get(handover.id)
    first = handovers.answer(case, "1" * 32, "At ten.")
    assert (first.regenerates, first.parent, first.messages) == (head.id, None, head.messages)
    assert handovers.answer(case, "1" * 32, "At ten.") == first, "stored once"
    more = handovers.answer(case, "2" * 32, "Not on Mondays.")
    assert (more.id, more.reply) == (first.id, "At ten.\n\nNot on Mondays.")
    assert handovers.answer(case, "2" * 32, "Not on Mondays.") == more
    reviews.decide(first.id, "approve", "operator", "everyone")
    after = handovers.answer(case, "3" * 32, "Call [phone].")
    assert after.id == "3" * 32 and turns.get(first.id) == more, "what was approved stays as it was"
    for message, text in ((12, "Second?"), (9, "First?"), (12, "Second!")):
        case = handovers.say(case, message, text)
    assert case.said == ((9, "First?"), (12, "Second!"))
    both = handovers.answer(case, "4" * 32, "Yes.")
    assert [m.content for m in both.messages] == ["First?", "Second!"] and both.parent == "3" * 32
    assert handovers.get(handover.id).said == () and turns.head("c") == both.id
    assert turns.answered("c", 12) == both.id


def test_a_conversation_may_begin_with_a_person(turns, handovers):
    answer = handovers.answer(handovers.get(begun(handovers).id), "1" * 32, "Hello.")
    assert [m.content for m in answer.messages] == [ASKED] and turns.head("c") == answer.id


def test_an_operators_answer_is_learned_from_by_consent_alone(turns, handovers, reviews):
    case = handovers.say(handovers.get(begun(handovers).id), 9, "When?")
    turn = handovers.answer(case, "1" * 32, "At ten.")
    reviews.decide(turn.id, "approve", "operator", "everyone")
    source = Source(turn, reviews.get(turn.id).text, "train", now_ms())
    assert source.reply == "At ten."
    assert why_not(source, lambda author: False) == "without consent" and why_not(source, lambda author: True) is None


def test_an_operator_offers_the_edited_answer_in_the_terminal(store, turns, ratings, reviews, amends):
    class Operator(Console):
        def input(self, *asked, **how):
            prompts.append(asked[0])
            return answers.pop(0)

    prompts: list[str] = []
    liked, disliked = asked(turns), asked(turns, chat="d")
    ratings.rate(liked.id, "ann", 1)
    ratings.rate(disliked.id, "ann", -1, "wrong")
    amends.note(disliked.id, "ann", "telegram:42")
    amends.note(disliked.id, "bob", "telegram:43")
    answers, screen = ["e", "At ten.", "c", "y", "e", "At ten.", "c"], Operator(file=io.StringIO(), width=100)
    assert review_queue(reviews, amends, "operator", screen) == 2
    assert len([p for p in prompts if p.startswith("Send it")]) == 1
    assert amends.waiting() == [disliked.id]
    told = [(e.who, e.what, e.subject, e.why) for e in reversed(AuditLog(store).page())]
    edit = ("operator", "edit", disliked.id, "for chat")
    assert told == [edit, ("operator", "send the edited answer", disliked.id, ""), (*edit[:2], liked.id, edit[3])]
    with pytest.raises(InvalidInput, match="no 👎"):
        amends.ask(liked.id, "operator")
    due = amends.due(disliked.id)
    assert (due.address, due.text, due.corrected) == ("telegram:42", "At ten.", False)
    assert amends.waiting() == [disliked.id] and amends.why_not(disliked.id) is None, "until it was sent"
    amends.sent(due)
    assert amends.waiting() == [] and amends.due(disliked.id) is None
    with pytest.raises(InvalidInput, match="sent already"):
        amends.ask(disliked.id, "operator")
    store.delete(keys.amended(disliked.id), keys.amends("d", disliked.id, "ann"))
    with pytest.raises(InvalidInput, match="cannot be reached"):
        amends.ask(disliked.id, "operator")
