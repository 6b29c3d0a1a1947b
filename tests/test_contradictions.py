"""Approved answers that contradict each other are found, and others are not."""

import pytest
from knowledge import embedder

from core.records import ApprovedAnswer
from retrieval.contradictions import MOST, differ
from retrieval.memory import Memory

QUESTION, AGAIN = "How much does the ferry to Norderney cost?", "What does the ferry to Norderney cost?"


def answer(turn: str, question: str, text: str, at: int = 0, **fields) -> ApprovedAnswer:
    return ApprovedAnswer(turn, question, text, fields.pop("scope", "everyone"), fields.pop("chat", None), "", at)


def pairs(*answers: ApprovedAnswer) -> list[tuple[str, str]]:
    memory = Memory(embedder())
    memory.add(answers)
    return [(found.newer, found.older) for found in memory.contradictions()]


def test_different_answers_to_nearly_the_same_question_are_a_pair_the_newer_first():
    old, new = answer("old", QUESTION, "It costs 14 euros.", 1), answer("new", AGAIN, "It costs 16 euros.", 2)
    other = answer("other", "How long does the ferry to Norderney take?", "It takes 55 minutes.", 3)
    agrees = answer("agrees", QUESTION, "14 euros for adults, 7 for children.", 4)
    assert pairs(old, new, other) == [("new", "old")] == pairs(other, new, old)
    assert pairs(old, other, agrees) == []
    assert pairs() == []


def test_only_answers_to_the_same_people_contradict_each_other():
    here = answer("here", QUESTION, "It costs 14 euros.", 1, scope="chat", chat="a")
    there = answer("there", QUESTION, "It costs 16 euros.", 2, scope="chat", chat="b")
    everywhere = answer("all", QUESTION, "It costs 18 euros.", 3)
    assert pairs(here, there, everywhere) == []
    assert pairs(here, answer("again", AGAIN, "It costs 16 euros.", 2, scope="chat", chat="a")) == [("again", "here")]


def test_questions_that_ask_for_something_else_do_not():
    assert (
        pairs(
            answer("to", "How do I get to the station from here?", "Turn left.", 1),
            answer("from", "How do I get from the station to here?", "Take the stairs up.", 2),
            answer("june", "When does the pool open in June?", "At seven.", 3),
            answer("july", "When does the pool open in July?", "Not before noon.", 4),
        )
        == []
    )


def test_a_crowd_of_contradictions_is_told_in_part():
    crowd = [answer(str(n), QUESTION, f"It costs {n} euros.", n) for n in range(100)]
    found = pairs(*crowd)
    assert len(found) == MOST and found[0][0] == "99" and len(set(found)) == MOST


DIFFER = [
    ("It costs 12 cents.", "It costs 15 cents.", True),
    ("It costs 14 euros.", "It costs 14 euros, and 7 for children.", False),
    ("Yes, you can park there.", "No, you cannot park there.", True),
    ("You can park there.", "You cannot park there.", True),
    ("14 euros.", "The ferry to Norderney costs 14 euros per adult.", False),
    ("Behind the old greenhouse.", "At the main gate.", True),
    ("It opens at 9 on Saturdays.", "On Saturdays it opens at 9:00.", False),
    ("Ask Maria in room 12.", "Ask Peter in room 12.", True),
    ("It is Paris.", "it is  PARIS", False),
]


@pytest.mark.parametrize(("one", "other", "apart"), DIFFER)
def test_what_differs(one, other, apart):
    assert differ(one, other) is differ(other, one) is apart
