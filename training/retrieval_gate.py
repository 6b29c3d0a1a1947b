"""The gate of the search: whether questions find their passages better than before, on frozen ones and as served."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.records import Outcome, RetrievalReport
from retrieval.embedder import Embedder
from retrieval.generations import Generation
from retrieval.index import Index
from training.retrieval_pairs import Pair
from training.statistics import sign_test
from training.verdict import Paired

ALPHA = 0.05
"""One-sided level of the exact tests: to promote, and of each loss to reject."""
MIN_QUESTIONS, MIN_CHANGED = 8, 5
"""Frozen questions without which nothing is judged, and of those how many must have moved: five wins and no loss."""
MARGIN = 0.05
"""What may be lost of the share of questions that keep a passage, and of those that are turned away."""
DEEPEST = 100
"""A passage that is farther down is nowhere."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question's best passage comes (0 is first), whether it may be used, and whether the question is turned
    away where the documents of its passages are taken out."""

    rank: int
    used: bool
    turned_away: bool


def judge_search(
    generation: Generation, before: Embedder, after: Embedder, frozen: Sequence[Pair], passages: int, least: float
) -> RetrievalReport:
    """Compare what reads questions, on frozen ones: `passages` are given, of those with a score of at least `least`."""
    index, of_source = Index(generation), defaultdict(list)
    for row, chunk in enumerate(generation.chunks):
        of_source[chunk.source].append(row)

    def places(reads: Embedder) -> list[Place]:
        vectors = reads.embed([pair.question for pair in frozen])
        return [place(pair, vector) for pair, vector in zip(frozen, vectors, strict=True)]

    def place(pair: Pair, vector: np.ndarray) -> Place:
        rows, scores = index.ranked(pair.question, vector, None)
        own = np.flatnonzero(np.isin(rows, pair.passages))
        rank, score = (int(own[0]), scores[own[0]]) if len(own) else (DEEPEST, -1.0)
        documents = {generation.chunks[row].source for row in pair.passages}
        gone = [row for source in documents for row in of_source[source]]
        _, others = index.ranked(pair.question, vector, None, gone)
        return Place(min(rank, DEEPEST), bool(rank < passages and score >= least), not any(others[:1] >= least))

    return report(places(before), places(after), passages)


def report(was: Sequence[Place], now: Sequence[Place], passages: int) -> RetrievalReport:
    """The figures and what they come to."""
    wins = sum(a.rank < b.rank for b, a in zip(was, now, strict=True))
    losses = sum(a.rank > b.rank for b, a in zip(was, now, strict=True))
    kept = Paired([float(b.used) for b in was], [float(a.used) for a in now])
    turned = Paired([float(b.turned_away) for b in was], [float(a.turned_away) for a in now])
    outcome, summary = decide(len(was), wins, losses, kept, turned)
    return RetrievalReport(
        items=len(was),
        wins=wins,
        losses=losses,
        p=sign_test(wins, losses),
        first=_shares(was, now, lambda place: place.rank < 1),
        among=_shares(was, now, lambda place: place.rank < passages),
        reciprocal=_shares(was, now, lambda place: 0.0 if place.rank >= DEEPEST else 1 / (1 + place.rank)),
        kept=_shares(was, now, lambda place: place.used),
        turned_away=_shares(was, now, lambda place: place.turned_away),
        outcome=outcome,
        summary=summary,
    )


def decide(items: int, wins: int, losses: int, kept: Paired, turned: Paired) -> tuple[Outcome, str]:
    """The outcome, and what decided in a sentence."""
    p = sign_test(wins, losses)
    counted = f"{wins} questions find their passage sooner, {losses} later, of {items} frozen ones; p = {p:.2g}"
    names = {"questions that keep their passage": kept, "questions that are turned away without it": turned}
    lost = {name: paired for name, paired in names.items() if paired.change < -MARGIN}
    told = "".join(f"; {name} fell by {-paired.change:.0%}" for name, paired in lost.items())
    if items < MIN_QUESTIONS:
        return "not enough evidence", f"{counted}; at least {MIN_QUESTIONS} frozen questions are needed."
    worse = sign_test(losses, wins) <= ALPHA and losses > wins
    if worse or any(sign_test(*reversed(paired.counts)) <= ALPHA for paired in lost.values()):
        return "reject", f"{counted}{told}."
    if lost or p > ALPHA or wins + losses < MIN_CHANGED:
        return "not enough evidence", f"{counted}{told}."
    return "promote", f"{counted}."


def _shares(was: Sequence[Place], now: Sequence[Place], of: Callable[[Place], float]) -> tuple[float, float]:
    """Means over the questions, before and after."""
    before, after = (round(sum(map(of, side)) / len(side), 4) if side else 0.0 for side in (was, now))
    return before, after


def as_lines(found: RetrievalReport) -> list[str]:
    """A report for a terminal."""
    figures = {
        "passage comes first": found.first,
        "passage is among those given": found.among,
        "mean reciprocal rank": found.reciprocal,
        "passage may be used": found.kept,
        "turned away without their document": found.turned_away,
    }
    return [f"  {name}: {before:.3f} -> {after:.3f}" for name, (before, after) in figures.items()]
