"""Whether two questions ask for the same thing: numbers, days, negation, opposites and objects, which embeddings blur.

English only, as the thesaurus beside this module is: in another language only numbers and unknown words are compared,
and an approved answer is rather taken for a source than said word for word.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path

import numpy as np

from core.facts import days, denies, names, numbers
from core.sentences import STOPWORDS, stem, words

SWAPPED, SUPPORTED = 0.66, 0.5
"""How close (cosine of "the ...") a word that stands in one question only must be to some word of the other: the first
where the other has such words too, the second where it only says less.

Of 26 pairs of synonyms 17 are above 0.66, of 28 pairs like phone and laptop three. The thesaurus comes first.
"""
SAME_FRAME, APART, MIN_DOUBT = 0.97, 0.055, 0.68
"""Words without a counterpart tell two questions apart where the questions are one sentence without them (SAME_FRAME),
where the question comes closer without them (APART), or where they are not close anyway (MIN_DOUBT).

Of 120 near misses these and the rules before them let four through as a source and none word for word; of 120
paraphrases they stop three. On 60 and 60 written afterwards: two, none, and seven.
"""
_UNTIL = re.compile(
    r"\b(?:until|till|by|up to) (?:when|what|which)\b|\bhow late\b|\bdeadline\b|\b(?:latest|last) (?:date|day)\b"
)
_FROM = re.compile(
    r"\b(?:from|since) (?:when|what time|which (?:time|date|day)|what date)\b|\bhow early\b|\bhow soon\b"
)
_SWITCH = re.compile(r"\b(?:turn|switch|power|log|sign|put)\w*\b.*\b(?:on|off|in|out)\b", re.IGNORECASE)
_OFF = re.compile(r"\b(?:off|out)\b", re.IGNORECASE)
_DIRECTION = re.compile(r"\b(to|into|from)\s+(?:the |my |your |our |a )?([a-z]+)")


class Verdict(IntEnum):
    """How far one question's answer serves another question."""

    OTHER = 0
    SOURCE = 1
    SAME = 2


@dataclass(frozen=True)
class Thesaurus:
    """Words that mean the same, words that mean the opposite, and words that carry no object; all as stems."""

    groups: Mapping[str, frozenset[int]]
    opposites: tuple[tuple[frozenset[str], frozenset[str]], ...]
    light: frozenset[str]

    def synonyms(self, one: str, other: str) -> bool:
        """Whether two stems share a group."""
        return bool(self.groups.get(one, frozenset()) & self.groups.get(other, frozenset()))


@cache
def thesaurus() -> Thesaurus:
    """The one shipped beside this module."""
    raw = json.loads(Path(__file__).with_name("thesaurus.json").read_text(encoding="utf-8"))
    groups: dict[str, set[int]] = {}
    for n, group in enumerate(raw["synonyms"]):
        for word in group:
            groups.setdefault(stem(word), set()).add(n)
    return Thesaurus(
        {word: frozenset(of) for word, of in groups.items()},
        tuple((frozenset(map(stem, a)), frozenset(map(stem, b))) for a, b in raw["opposites"]),
        frozenset(map(stem, raw["light"])),
    )


def objects(text: str) -> dict[str, str]:
    """The words that say what a question is about, by stem: no stopwords, numbers or days."""
    dated = days(text)
    return {
        stem(word): word
        for word in words(text)
        if word not in STOPWORDS
        and len(word) > 1
        and word[0].isalpha()
        and not (days(word) & dated)
        and not numbers(word)
    }


def compare(question: str, known: str, answer: str, vectors: Callable[[list[str]], np.ndarray]) -> Verdict:
    """Whether what answers `known` answers `question`; `vectors` embeds words.

    Contradiction is OTHER, doubt is SOURCE.
    """
    asked_days, known_days = days(question), days(known)
    asked_numbers, known_numbers = numbers(question), numbers(known)
    asked_sides, known_sides = _sides(question), _sides(known)
    if (
        asked_numbers - known_numbers
        or asked_days - known_days
        or denies(question) != denies(known)
        or opposed(question, known)
        or _turned(question, known)
        or (_unnamed(question, known) and _unnamed(known, question))
    ):
        return Verdict.OTHER
    asked, told = objects(question), objects(known)
    foreign, lost = _unsupported(asked, told, objects(answer), vectors), _unsupported(told, asked, {}, vectors)
    if foreign and _contrast(question, known, foreign, lost, vectors):
        return Verdict.OTHER
    exact = (asked_days, asked_numbers, asked_sides) == (known_days, known_numbers, known_sides)
    return Verdict.SAME if exact and not foreign and not lost else Verdict.SOURCE


def opposed(one: str, other: str) -> bool:
    """Whether two texts hold words of opposite meaning."""
    return any(a * b < 0 for a, b in zip(_sides(one), _sides(other), strict=True))


def _sides(text: str) -> list[int]:
    """For each pair of opposites: -1 where the text holds its first side, 1 its second, 0 neither or both."""
    stems = {stem(word) for word in words(text)}
    (start, end), *others = thesaurus().opposites
    until = bool(_UNTIL.search(text.lower()) or stems & end)
    since = bool(_FROM.search(text.lower()) or stems & start)
    switched = int(bool(_SWITCH.search(text))) and 1 - 2 * bool(_OFF.search(text))
    return [until - since, switched, *(bool(stems & right) - bool(stems & left) for left, right in others)]


def _unnamed(one: str, other: str) -> set[str]:
    """Names of one text that do not stand in the other; days are not names."""
    there = {stem(word) for word in words(other)}
    return {name for name in names(one) if name not in there and not days(name)}


def _turned(one: str, other: str) -> bool:
    """Whether one goes to where the other comes from."""
    a, b = (
        {("from" if way == "from" else "to", place) for way, place in _DIRECTION.findall(text.lower())}
        for text in (one, other)
    )
    return any(("from" if way == "to" else "to", place) in b and (way, place) not in b for way, place in a)


def _unsupported(
    mine: Mapping[str, str],
    theirs: Mapping[str, str],
    besides: Mapping[str, str],
    vectors: Callable[[list[str]], np.ndarray],
) -> list[str]:
    """My words without a counterpart among theirs: neither themselves, nor a synonym, nor a word close in meaning."""
    light, known = thesaurus().light, thesaurus().synonyms
    around = theirs | besides
    left = [
        (root, word)
        for root, word in mine.items()
        if root not in around and root not in light and not any(known(root, other) for other in around)
    ]
    if not left or not around:
        return [word for _, word in left]
    ours, others = (vectors([f"the {word}" for word in of]) for of in ([w for _, w in left], around.values()))
    swap = any(root not in mine and root not in light and not any(known(root, m) for m in mine) for root in theirs)
    close = (ours @ others.T).max(axis=1) >= (SWAPPED if swap else SUPPORTED)
    return [word for (_, word), near in zip(left, close, strict=True) if not near]


def _contrast(
    question: str, known: str, foreign: list[str], lost: list[str], vectors: Callable[[list[str]], np.ndarray]
) -> bool:
    """Whether the words that have no counterpart are what tells two questions apart, rather than another way to ask."""
    asked, told, bare, frame = vectors([question, known, _without(question, foreign), _without(known, lost)])
    return bool(asked @ told < MIN_DOUBT or bare @ frame >= SAME_FRAME or bare @ told - asked @ told >= APART)


def _without(text: str, left_out: list[str]) -> str:
    return (
        " ".join(re.sub(rf"\b(?:{'|'.join(map(re.escape, left_out))})\b", "", text.lower()).split())
        if left_out
        else text
    )
