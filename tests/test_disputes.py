"""Approved answers that a document disputes are found, and others are not."""

import asyncio
import json
from pathlib import Path

import pytest
from knowledge import embedder, retriever

from core.records import ApprovedAnswer, Passage
from retrieval.disputes import Dispute, find_dispute
from retrieval.ingest import ingest
from serving import knowledge
from serving.knowledge import Knowledge
from serving.languages import Languages

BENCH = Path(__file__).parent.parent / "bench"
PAIRS = [json.loads(line) for line in (BENCH / "disputes.jsonl").read_text(encoding="utf-8").splitlines()]
FERRY = Passage("p", "ferry.md", "Fares", "The ferry costs 14 euros. It sails on Mondays. Dogs are not allowed.", 0.9)
OTHER = Passage("q", "bus.md", "Fares", "The bus costs 3 euros.", 0.8)

SAID = {
    "other numbers": ("What does the ferry cost?", "The ferry costs 16 euros.", "The ferry costs 14 euros."),
    "other days": ("When does the ferry sail?", "The ferry sails on Fridays.", "It sails on Mondays."),
    "denied": ("Are dogs allowed on the ferry?", "Yes, dogs are allowed.", "Dogs are not allowed."),
    "the second part": ("What is it by ferry?", "Ask. The ferry costs 9 euros.", "The ferry costs 14 euros."),
    "the same": ("What does the ferry cost?", "It costs 14 euros.", None),
    "more": ("What does the ferry cost?", "The ferry costs 14 euros, and children pay 7.", None),
    "less": ("What does the ferry cost?", "Not much.", None),
    "both deny": ("Are dogs allowed on the ferry?", "No, dogs are not allowed.", None),
    "something else": ("What does the ferry cost?", "The hotel at the pier has 30 rooms.", None),
    "another's price": ("What does the bus cost?", "The bus costs 3 euros.", None),
}


@pytest.mark.parametrize("case", SAID)
def test_what_a_document_disputes_is_told_with_both_sentences(case):
    question, answer, stated = SAID[case]
    found = find_dispute(question, answer, [FERRY, OTHER], embedder())
    assert (found and found.stated) == stated
    assert found is None or (found.said in answer and (found.source, found.title) == ("ferry.md", "Fares"))
    assert find_dispute(question, answer, [], embedder()) is None


class Approvals:
    """Decisions as serving reads them: each change is read once."""

    def __init__(self):
        self.changes: list[ApprovedAnswer] = []

    def answers_since(self, position: str) -> tuple[str, list[ApprovedAnswer], list[str]]:
        return str(len(self.changes)), self.changes[int(position.partition("-")[0]) :], []


def test_answers_are_compared_in_pieces_once_for_each_generation_of_the_index(tmp_path, monkeypatch):
    approvals, looked_at = Approvals(), []

    def find(question: str, *rest) -> Dispute | None:
        looked_at.append(question)
        return find_dispute(question, *rest)

    monkeypatch.setattr(knowledge, "find_dispute", find)
    monkeypatch.setattr(knowledge, "COMPARED_S", 0.0)  # one at a time
    known = Knowledge(retriever(tmp_path), embedder(), approvals, None, Languages(("en",)))

    def disputes() -> tuple[dict[str, str], int]:
        found, left = asyncio.run(known.disputes())
        return {turn: dispute.stated for turn, dispute in found.items()}, left

    def approve(turn: str, answer: str, at: int) -> None:
        approvals.changes.append(ApprovedAnswer(turn, "What does the ferry cost?", answer, "everyone", None, "", at))

    def write(price: int) -> None:
        (tmp_path / "ferry.md").write_text(f"# Fares\n\nThe ferry costs {price} euros.\n")
        ingest(tmp_path, [tmp_path / "ferry.md"], embedder())

    write(14)
    approve("old", "The ferry costs 14 euros.", 1)
    approve("new", "The ferry costs 16 euros.", 2)
    assert disputes() == ({"new": "The ferry costs 14 euros."}, 1), "the newest first, one at a time"
    assert disputes() == disputes() == ({"new": "The ferry costs 14 euros."}, 0) and len(looked_at) == 2
    approve("new", "The ferry costs 14 euros.", 3)
    assert disputes() == ({}, 0) and len(looked_at) == 3, "only what was decided anew is compared again"
    write(16)
    assert [disputes()[1] for _ in range(2)] == [1, 0]
    assert disputes() == (dict.fromkeys(("old", "new"), "The ferry costs 16 euros."), 0) and len(looked_at) == 5


@pytest.mark.long
@pytest.mark.parametrize("unseen", [False, True], ids=["seen", "unseen"])
def test_how_often_it_is_right(unseen, tmp_path):
    ingest(tmp_path, [BENCH / "handbook.md"], embedder())
    search, told, right, disputed = retriever(tmp_path), [], 0, 0
    for pair in PAIRS:
        if pair["unseen"] is unseen:
            passages = search.relevant(search.search(pair["question"], None))
            found = find_dispute(pair["question"], pair["answer"], passages, embedder())
            disputed += pair["disputed"]
            if found:
                told.append(found)
                right += pair["disputed"]
    print(f"told {len(told)}, right {right}, disputed {disputed}")
    assert right >= 0.85 * len(told) and right >= 0.65 * disputed
