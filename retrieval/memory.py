"""What people have approved: answers that are said again, word for word, where the same thing is asked."""

import hashlib
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from core.records import APPROVED_PASSAGE, ApprovedAnswer, Passage, now_ms
from kinds import KINDS
from retrieval.conflicts import Verdict, compare
from retrieval.contradictions import Contradiction, find_contradictions
from retrieval.embedder import Embedder

MIN_SIMILARITY = 0.60
"""Below this an approved question is not looked at.

Of 180 paraphrases one is farther; of 180 near misses 169 are nearer: what tells those apart is `compare`.
"""
CANDIDATES = 8
"""Approved questions compared word by word, nearest first."""
WORDS_KEPT = 20_000


class VectorCache(Protocol):
    """Where vectors survive a restart. Each value names the embedder and question it belongs to."""

    def get(self, turns: Sequence[str]) -> list[bytes | None]:
        """The value of each turn, None where there is none."""
        ...

    def put(self, vectors: Mapping[str, bytes]) -> None:
        """Keep values by turn."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """An approved answer for a question: `exact` ones are said word for word, others are a source.

    `learned` says whether the version that answers has learned this one, or another one that would be a source too.
    """

    entry: ApprovedAnswer
    score: float
    exact: bool
    learned: bool = False

    def passage(self) -> Passage:
        """The approved answer as a source; the question it answered was another person's, and is not shown."""
        return Passage(
            APPROVED_PASSAGE + self.entry.turn,
            "approved answer",
            "checked by a person",
            self.entry.answer,
            self.score,
            self.entry.scope,
        )


class Memory:
    """Approved answers by the meaning of their questions. May be used from several threads."""

    def __init__(self, embedder: Embedder, cache: VectorCache | None = None):
        self._embedder = embedder
        self._cache = cache
        self._lock = threading.Lock()
        self._known: dict[str, tuple[ApprovedAnswer, np.ndarray]] = {}
        self._entries: tuple[ApprovedAnswer, ...] = ()
        self._vectors = np.empty((0, embedder.dim), dtype=np.float32)
        self._words: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, answers: Sequence[ApprovedAnswer]) -> None:
        """Remember approved answers; a later one for the same turn replaces the earlier."""
        latest = {answer.turn: answer for answer in answers}
        vectors = self._embedded(list(latest.values()))
        with self._lock:
            for (turn, answer), vector in zip(latest.items(), vectors, strict=True):
                self._known.pop(turn, None)
                self._known[turn] = (answer, vector)
            self._settle()

    def forget(self, turn: str) -> None:
        """No longer say what was approved for a turn."""
        with self._lock:
            if self._known.pop(turn, None):
                self._settle()

    def match(
        self,
        question: str,
        chat: str | None,
        system: str,
        learned: Collection[str] = frozenset(),
        kinds: Collection[str] = ("chat",),
    ) -> Match | None:
        """The approved answer that serves a question best, of those this chat may hear under this system text.

        It is of one of these `kinds` of task. `learned` are the turns that the version which answers has learned.
        """
        entries, vectors = self._snapshot()
        if not entries:
            return None
        similarity = vectors @ self._embedder.embed([question])[0]
        near = np.flatnonzero(similarity >= MIN_SIMILARITY)
        near = near[np.lexsort((-near, -similarity[near].round(4)))]  # of the same question, the latest answer first
        source, compared, now = None, 0, now_ms()
        for row in near:
            entry, score = entries[row], float(similarity[row])
            if entry.system != system or (entry.scope == "chat" and (chat is None or entry.chat != chat)):
                continue
            if entry.kind not in kinds or _is_over(entry, now):
                continue
            verdict = self._verdict(question, entry, entry.answer)
            if verdict is Verdict.SAME:
                return Match(entry, score, True)
            if verdict is not Verdict.OTHER:
                source = source or Match(entry, score, False)
                source = replace(source, learned=source.learned or entry.turn in learned)
            compared += 1
            if compared == CANDIDATES:
                break
        return source

    def nearest(self, question: str, count: int, among: Collection[str]) -> list[tuple[ApprovedAnswer, float]]:
        """Of these turns, the approved answers for everyone whose questions are nearest, with cosine similarities."""
        (entries, vectors), now = self._snapshot(), now_ms()
        open_to_all = [
            n for n, e in enumerate(entries) if e.scope == "everyone" and e.turn in among and not _is_over(e, now)
        ]
        if not open_to_all:
            return []
        similarity = vectors[open_to_all] @ self._embedder.embed([question])[0]
        best = np.argsort(-similarity, kind="stable")[:count]
        return [(entries[open_to_all[n]], float(similarity[n])) for n in best]

    def in_force(self) -> list[ApprovedAnswer]:
        """The approved answers whose time is not over, the newest first."""
        (entries, _), now = self._snapshot(), now_ms()
        return sorted((e for e in entries if not _is_over(e, now)), key=lambda entry: (-entry.created_at, entry.turn))

    def contradictions(self) -> tuple[Contradiction, ...]:
        """Which approved answers to nearly the same question differ (see `retrieval.contradictions`)."""
        entries, vectors = self._snapshot()
        now = now_ms()
        found: list[Contradiction] = []
        for kind in dict.fromkeys(entry.kind for entry in entries):
            rows = [n for n, entry in enumerate(entries) if entry.kind == kind and not _is_over(entry, now)]
            known = [entries[n] for n in rows]
            found += find_contradictions(known, vectors[rows], self._verdict)
        return tuple(found)

    def _verdict(self, question: str, entry: ApprovedAnswer, besides: str) -> Verdict:
        """How far an approved answer serves a question; words of it may stand in `besides`.

        What works on a given text serves that text alone: what two programs are to do may differ by a sign.
        """
        if entry.kind in KINDS and KINDS[entry.kind].grounded:
            return compare(question, entry.question, besides, self._word_vectors)
        return Verdict.SAME if question.split() == entry.question.split() else Verdict.OTHER

    def _snapshot(self) -> tuple[tuple[ApprovedAnswer, ...], np.ndarray]:
        with self._lock:
            return self._entries, self._vectors

    def _settle(self) -> None:
        self._entries = tuple(answer for answer, _ in self._known.values())
        rows = [vector for _, vector in self._known.values()]
        self._vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self._embedder.dim)

    def _embedded(self, answers: list[ApprovedAnswer]) -> list[np.ndarray]:
        """A vector for each answer's question, from the cache where it holds them."""
        labels = [hashlib.sha256(f"{self._embedder.id}\0{a.question}".encode()).digest() for a in answers]
        kept = self._cache.get([a.turn for a in answers]) if self._cache is not None else [None] * len(answers)
        size = self._embedder.dim * np.dtype(np.float32).itemsize
        found: list[np.ndarray | None] = [
            np.frombuffer(value[len(label) :], dtype=np.float32)
            if value and value.startswith(label) and len(value) == len(label) + size
            else None
            for value, label in zip(kept, labels, strict=True)
        ]
        new = [n for n, vector in enumerate(found) if vector is None]
        for n, vector in zip(new, self._embedder.embed([answers[n].question for n in new]), strict=True):
            found[n] = vector
        if self._cache is not None and new:
            self._cache.put({answers[n].turn: labels[n] + found[n].tobytes() for n in new})
        return found

    def _word_vectors(self, words: list[str]) -> np.ndarray:
        known = self._words if len(self._words) < WORDS_KEPT else {}
        new = [word for word in dict.fromkeys(words) if word not in known]
        self._words = known = known | dict(zip(new, self._embedder.embed(new), strict=True))
        return np.array([known[word] for word in words])


def _is_over(entry: ApprovedAnswer, at: int) -> bool:
    return entry.until is not None and entry.until <= at
