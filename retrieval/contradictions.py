"""Approved answers to nearly the same question that differ: only one of them can be right."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from core.facts import denies, missing
from core.records import ApprovedAnswer
from core.sentences import STOPWORDS, stem, words
from retrieval.conflicts import Verdict

NEARLY = 0.85
"""Cosine similarity from which on two questions are compared word by word."""
SHARED = 0.5
"""Answers that share less of the shorter one's words say different things (overlap coefficient, Simpson 1943)."""
YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
NEIGHBOURS, ROWS, MOST = 8, 512, 200
"""Questions that each is compared with, those looked at together, and pairs that are told."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The turns of two approved answers that differ, and how near their questions are (cosine similarity)."""

    newer: str
    older: str
    similarity: float


def find_contradictions(
    entries: Sequence[ApprovedAnswer], vectors: np.ndarray, verdict: Callable[[str, ApprovedAnswer, str], Verdict]
) -> tuple[Contradiction, ...]:
    """Pairs of answers, for the same audience and to nearly the same question, that differ; the newest first.

    `vectors` are the questions', [n, dim] float32 of length 1; `verdict` says how far an entry serves a question, some
    of whose words may stand in a third text.
    """
    order = sorted(range(len(entries)), key=lambda n: (-entries[n].created_at, entries[n].turn))
    ordered = [entries[n] for n in order]
    near = _near(vectors[order])
    found = (
        Contradiction(ordered[a].turn, ordered[b].turn, similarity)
        for a, b, similarity in near
        if _audience(ordered[a]) == _audience(ordered[b])
        and differ(ordered[a].answer, ordered[b].answer)
        and verdict(ordered[a].question, ordered[b], "") is Verdict.SAME
    )
    return tuple(islice(found, MOST))


def differ(one: str, other: str) -> bool:
    """Whether two answers say different things: each has numbers, days or names that the other lacks, one alone denies,
    or they have few words in common. An answer that only says more does not differ."""
    if says_no(one) != says_no(other) or (missing(one, other) and missing(other, one)):
        return True
    mine, theirs = _content(one), _content(other)
    return len(mine & theirs) < SHARED * min(len(mine), len(theirs))


def _near(vectors: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Each row with its nearest of those behind it, of the similarity NEARLY at least."""
    for start in range(0, len(vectors), ROWS):
        similarity = vectors[start : start + ROWS] @ vectors[start:].T
        for row, scores in enumerate(similarity):
            behind = row + 1 + np.flatnonzero(scores[row + 1 :] >= NEARLY)
            for other in behind[np.argsort(-scores[behind], kind="stable")][:NEIGHBOURS]:
                yield start + row, start + int(other), float(scores[other])


def _audience(entry: ApprovedAnswer) -> tuple[str, str | None]:
    return entry.system, entry.chat if entry.scope == "chat" else None


def says_no(answer: str) -> bool:
    """Whether an answer denies: by its first word, or as a sentence does."""
    began = YES_OR_NO.match(answer)
    return began[1].lower() == "no" if began else denies(answer)


def _content(text: str) -> set[str]:
    return {stem(word) for word in words(text) if word not in STOPWORDS}
