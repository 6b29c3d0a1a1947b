"""Approved answers are said again where the same is asked, and only there."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from knowledge import embedder

from core.records import APPROVED_PASSAGE, ApprovedAnswer
from retrieval.memory import Memory

ROOT = Path(__file__).resolve().parent.parent
SYSTEM = "You are helpful."


def approved(question: str, answer: str = "Yes.", turn: str = "t1", **fields) -> ApprovedAnswer:
    given = {"scope": "everyone", "chat": "a", "system": SYSTEM, "created_at": 1} | fields
    return ApprovedAnswer(turn=turn, question=question, answer=answer, **given)


def memory(*answers: ApprovedAnswer) -> Memory:
    found = Memory(embedder())
    found.add(answers)
    return found


def test_what_was_approved_for_one_text_is_not_said_for_another_that_differs_by_a_sign():
    programs = [f"Write f(a, b) that returns a {sign} b.\nassert f(0, 0) == 0" for sign in "+*"]
    known = memory(approved(programs[0], "def f(a, b): return a + b", kind="code"))
    assert known.match(programs[0] + " ", None, SYSTEM, kinds=("code",)).exact
    assert known.match(programs[1], None, SYSTEM, kinds=("code",)) is None
    known.add([approved(programs[1], "print('nothing of the kind')", "t2", kind="code")])
    assert known.contradictions() == ()


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("When do you open on Saturdays?", "What time does the shop open on a Saturday?"),
        ("What is the price of a monthly pass?", "How much does a pass for one month cost?"),
        ("Which bus goes to the clinic on weekdays?", "Which bus goes to the clinic from Monday to Friday?"),
        ("How do I return a parcel?", "how can i return a package"),
        ("Can I bring my dog into the reading room?", "Can my dog come into the reading room?"),
    ],
)
def test_the_same_question_in_other_words_is_answered_word_for_word(known, asked):
    found = memory(approved(known, "As approved.")).match(asked, None, SYSTEM)
    assert found is not None and found.exact
    assert found.entry.answer == "As approved."


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("When do you open on Saturdays?", "When do you open on Sundays?"),
        ("When do you open on Saturdays?", "When do you close on Saturdays?"),
        ("When does the Berlin office open?", "When does the Munich office open?"),
        ("How do I return a lamp?", "How do I return a jacket?"),
        ("What is the limit for 2 rooms?", "What is the limit for 3 rooms?"),
        ("Do you ship to Norway?", "Do you not ship to Norway?"),
        ("Which bus goes to the station?", "Which bus comes from the station?"),
        ("How do I turn the alarm on?", "How do I turn the alarm off?"),
        ("What must I do before the flight?", "What must I do after the flight?"),
        ("Until when can I register?", "From when can I register?"),
        ("What is the minimum order?", "What is the maximum order?"),
        ("Do you repair electric bikes?", "Do you sell electric bikes?"),
        ("How do I water the bonsai?", "What is the capital of France?"),
    ],
)
def test_a_near_miss_is_not_answered(known, asked):
    assert memory(approved(known)).match(asked, None, SYSTEM) is None


def test_a_vaguer_question_gets_the_answer_as_a_source_only():
    found = memory(approved("When do you open on Saturdays?", "At 9:30.")).match("When do you open?", None, SYSTEM)
    assert found is not None and not found.exact
    passage = found.passage()
    assert passage.id == APPROVED_PASSAGE + "t1"
    assert (passage.title, passage.text) == ("checked by a person", "At 9:30.")


def test_an_answer_counts_as_learned_with_one_that_would_be_a_source_as_well():
    found = memory(
        approved("When do you open on Saturdays?", "At 9:30."),
        approved("When do you open on Sundays?", "At 11.", "t2"),
        approved("Which bus goes to the clinic?", "The 7.", "t3"),
    )
    for learned, known in (({"t1"}, True), ({"t2"}, True), ({"t3"}, False), (set(), False)):
        assert found.match("When do you open?", None, SYSTEM, learned).learned is known


def test_a_chats_answer_is_for_that_chat_and_its_system_text():
    question = "When do you open on Saturdays?"
    found = memory(approved(question, scope="chat"))
    assert found.match(question, "a", SYSTEM).exact
    assert found.match(question, "b", SYSTEM) is None
    assert found.match(question, None, SYSTEM) is None
    assert found.match(question, "a", "Another text.") is None
    orphan = memory(approved(question, scope="chat", chat=None))
    assert orphan.match(question, None, SYSTEM) is None


def test_the_latest_decision_counts_and_can_be_taken_back():
    question = "When do you open on Saturdays?"
    found = memory(approved(question, "At 8."), approved(question, "At 9.", turn="t2"))
    assert found.match(question, None, SYSTEM).entry.answer == "At 9."
    found.add([approved(question, "At 10.")])
    assert found.match(question, None, SYSTEM).entry.answer == "At 10."
    assert len(found) == 2
    found.forget("t1")
    assert found.match(question, None, SYSTEM).entry.answer == "At 9."
    found.forget("t2")
    found.forget("unknown")
    assert found.match(question, None, SYSTEM) is None


class Kept(dict):
    """A cache in a dictionary."""

    def get(self, turns):
        return [super(Kept, self).get(turn) for turn in turns]

    def put(self, vectors):
        self.update(vectors)


class Counting:
    """The bundled embedder, which counts what it embeds."""

    def __init__(self, name: str):
        self.id, self.dim, self.count = name, embedder().dim, 0

    def embed(self, texts):
        self.count += len(texts)
        return embedder().embed(texts)


def test_vectors_survive_a_restart_but_no_change_of_question_or_embedder():
    cache, first = Kept(), Counting("one")
    Memory(first, cache).add([approved("When do you open?"), approved("Where do I park?", turn="t2")])
    assert (first.count, sorted(cache)) == (2, ["t1", "t2"])
    second = Counting("one")
    again = Memory(second, cache)
    again.add([approved("When do you open?"), approved("Where can I sleep?", turn="t2")])
    assert second.count == 1
    assert again.match("Where can I sleep?", None, SYSTEM).exact
    other = Counting("another")
    Memory(other, cache).add([approved("When do you open?")])
    assert other.count == 1


def test_ten_thousand_answers_are_searched_in_milliseconds():
    class Instant:
        id, dim = "instant", 384

        def embed(self, texts):
            seeds = [int.from_bytes(text.encode()[-8:], "big") for text in texts]
            rows = [np.random.default_rng(seed).standard_normal(self.dim) for seed in seeds]
            return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32).reshape(-1, self.dim)

    found = Memory(Instant())
    found.add([approved(f"How do I reach room {n}?", turn=str(n)) for n in range(10_000)])
    assert found.match("How do I reach room 4321?", None, SYSTEM).exact
    took = []
    for _ in range(5):
        began = time.perf_counter()
        found.match("How do I reach room 4321?", None, SYSTEM)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.02


def test_held_out_corrections_reach_other_words_and_no_near_miss():
    items = json.loads((ROOT / "bench" / "paraphrases.json").read_text(encoding="utf-8"))["held_out"]
    found = memory(*(approved(i["question"], i["answer"], turn=str(n)) for n, i in enumerate(items)))
    same = [(i, found.match(q, None, SYSTEM)) for i in items for q in i["paraphrases"]]
    near = [(i, found.match(q, None, SYSTEM)) for i in items for q in i["near_misses"].values()]
    assert sum(m is not None and m.entry.answer == i["answer"] for i, m in same) >= 0.8 * len(same)
    assert not [m.entry.question for i, m in near if m is not None and m.entry.answer == i["answer"]]
