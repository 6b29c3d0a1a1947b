"""How alike two texts are, by their words alone: no model, and the same figure everywhere."""

import re

_AROUND = ".,;:!?…\"'“”‘’«»()"
CONTENT_LETTERS = 4
"""Shorter words say little about what a text is about, in most languages written with letters."""


def normalised(text: str) -> str:
    """Its words in lower case, without punctuation."""
    return " ".join(_words(text))


def wording(text: str) -> str:
    """Its words in lower case as they are written, signs within them too, without the punctuation around them."""
    return " ".join(word for part in text.lower().split() if (word := part.strip(_AROUND)))


def words(text: str) -> frozenset[str]:
    """Its words."""
    return frozenset(_words(text))


def shingles(text: str) -> frozenset[str]:
    """Its words and its pairs of neighbouring words: what two wordings of nearly the same text share."""
    said = _words(text)
    return frozenset(said) | {f"{first} {second}" for first, second in zip(said, said[1:], strict=False)}


def content_words(text: str) -> frozenset[str]:
    """Its longer words, or all where it has none: what two questions about the same thing share."""
    return frozenset(word for word in words(text) if len(word) >= CONTENT_LETTERS) or words(text)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """What two sets share of all they hold, in [0, 1] (Jaccard 1901); 1 for two empty ones."""
    return len(one & other) / len(one | other) if one or other else 1.0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
