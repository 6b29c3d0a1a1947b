"""Which words of a reply the passages support: citations are computed here, never asked of the model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.facts import denies, missing
from core.records import NOTICE as NOTICE
from core.records import QUOTES_HEADING, Citation, Origin, Passage
from core.sentences import content_stems, sentences
from retrieval.embedder import Embedder

WORD_WEIGHT, PASSAGE_WEIGHT = 0.5, 0.4
"""A sentence answers a question by: cosine similarity (under its title) + WORD_WEIGHT * (share of the question's words
in it) + PASSAGE_WEIGHT * its passage's score.

On 595 XQuAD-en questions the best sentence holds the answer for 79 %, the best two for 88 %, the best three for 93 %
(72, 84 and 90 % by similarity without the title).
"""
MIN_NEW_WORDS = 0.5
"""What a model's sentence adds to the question must stand, to this share, in the sentence that supports it.

The bundled model's answer is right for 43 % of 171 XQuAD-en questions. Where its sentence must be supported by the
sentence that answers the question best, 28 % of the answers are shown, two thirds of them right; any of the best six
sentences as support shows 44 %, half of them right. Facts and negation, compared too, take out one wrong answer in six.
"""
QUOTES, QUOTES_BESIDE = 2, 1
"""Sentences quoted where nothing of the model's remains, and after what remains.

A third of what is shown of the model is wrong, so the evidence always follows: the answer then stands in 93 % of 171
messages; without, in 85 %; two sentences beside the model's add nothing.
"""
MAX_WORDS = 90
"""Tables and run-on text are quoted up to here."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One sentence of a passage, the `at`-th; `context` is what it may lean on: its title, and the sentence before."""

    number: int
    at: int
    text: str
    context: str
    stems: frozenset[str]


class Grounding:
    """Checks one reply, sentence by sentence, against the passages found for its question.

    The first sentence shown must be supported by the sentence of the passages that answers the question best; those
    after it by any.
    """

    def __init__(self, question: str, passages: Sequence[Passage], embedder: Embedder):
        self._passages = passages
        self._asked = frozenset(content_stems(question))
        self._units = ranked(question, self._asked, passages, embedder)
        self._cited: dict[int, list[str]] = {}
        self._said: set[str] = set()

    def supported(self, sentence: str) -> list[int]:
        """Numbers of the passages that support a sentence of the reply; empty where none does."""
        return list(dict.fromkeys(unit.number for unit in self._supporting(sentence)))

    def add(self, sentence: str) -> str | None:
        """The sentence with its [n] marks, taken into the reply; None where it is not supported, or said again."""
        units = self._supporting(sentence)
        if not units or sentence.strip() in self._said:
            return None
        self._said.add(sentence.strip())
        return sentence.rstrip() + " " + "".join(f"[{n}]" for n in dict.fromkeys(self._cite(unit) for unit in units))

    def quotes(self) -> str:
        """What follows the sentences shown: the sentences of the passages that answer best, as quotes with marks."""
        lines = [f"“{_shortened(u.text)}” [{self._cite(u)}]" for u in self._best()]
        return "\n".join([QUOTES_HEADING, *lines])

    @property
    def origin(self) -> Origin:
        """Whose words are shown: "quote" where none of the model's sentences are."""
        return "model" if self._said else "quote"

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What the marks given so far lead to."""
        cited = ((n, self._passages[n - 1], texts) for n, texts in sorted(self._cited.items()))
        return tuple(Citation(n, p.id, p.source, p.title, " … ".join(texts), p.score) for n, p, texts in cited)

    def _supporting(self, sentence: str) -> list[Unit]:
        new = set(content_stems(sentence)) - self._asked
        if not new:
            return []
        return [u for u in (self._units if self._said else self._units[:1]) if _supports(u, sentence, new)][:2]

    def _best(self) -> list[Unit]:
        """The best sentences, in the order of the text where they come from one passage."""
        best = self._units[: QUOTES_BESIDE if self._said else QUOTES]
        return sorted(best, key=lambda u: (best[0].number != u.number, u.at))

    def _cite(self, unit: Unit) -> int:
        texts = self._cited.setdefault(unit.number, [])
        if unit.text not in texts:
            texts.append(unit.text)
        return unit.number


def ranked(question: str, asked: frozenset[str], passages: Sequence[Passage], embedder: Embedder) -> list[Unit]:
    """The passages' sentences, the one that answers the question best first; repeated ones once."""
    found: dict[str, Unit] = {}
    for number, passage in enumerate(passages, 1):
        before = ""
        for at, text in enumerate(sentences(passage.text) or [passage.text]):
            if re.search(r"\w", text):
                context = f"{passage.title}\n{before}\n{text}"
                found.setdefault(text, Unit(number, at, text, context, frozenset(content_stems(text))))
                before = text
    units = list(found.values())
    vectors = embedder.embed([question, *(f"{passages[u.number - 1].title}: {u.text}" for u in units)])
    scores = vectors[1:] @ vectors[0]
    for n, unit in enumerate(units):
        scores[n] += WORD_WEIGHT * len(unit.stems & asked) / max(1, len(asked))
        scores[n] += PASSAGE_WEIGHT * passages[unit.number - 1].score
    return [units[n] for n in np.argsort(-scores, kind="stable")]


def _supports(unit: Unit, sentence: str, new: set[str]) -> bool:
    """Whether a passage's sentence says what a reply's does: its new words, facts, and whether it denies."""
    return (
        len(new & unit.stems) >= MIN_NEW_WORDS * len(new)
        and not missing(sentence, unit.context)
        and denies(sentence) == denies(unit.text)
    )


def _shortened(text: str) -> str:
    found = text.split()
    return text if len(found) <= MAX_WORDS else " ".join(found[:MAX_WORDS]) + " …"
