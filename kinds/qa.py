"""Questions that passages answer: matched with a reference as SQuAD does, and by what the passages support."""

import re
import string

from core.records import QUOTES_HEADING
from core.sentences import is_small_talk, sentences
from kinds.chat import overlap
from kinds.kind import Finding, Kind, Loss, Task

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_MARKS = re.compile(r"((?:\[\d+\])+)(?=\s|$)")


class Qa(Kind):
    """The outcome is the share of the model's sentences that a cited passage supports."""

    name = "qa"
    measure = "mean of exact match and F1"
    loss: Loss = "mean squared error"
    whys = ("supported", "partly_supported", "unsupported", "no_sources")
    grounded = True

    @property
    def memory(self) -> str:
        """What was approved in a chat answers here too, and the other way round."""
        return "chat"

    def check(self, task: Task, reply: str) -> Finding | None:
        """How many sentences of the model's own text were shown with the mark of a passage.

        None of small talk, and where no one was shown anything.
        """
        if task.shown is None or is_small_talk(task.instruction):
            return None
        if not task.sources:
            return Finding(0.0, "no_sources", "No passage was found for this answer.")
        total = max(1, sum(len(sentences(line)) for line in reply.splitlines()))
        own = task.shown.partition(QUOTES_HEADING)[0]
        cited = sum(_is_cited(marks[1], len(task.sources)) for marks in _MARKS.finditer(own))
        supported = min(cited, total)
        if not supported:
            return Finding(0.0, "unsupported", "The sources support nothing of the model's own answer.")
        said = f"The sources support {supported} of {total} sentences of the model's answer; the others are left out."
        values = {"supported": supported, "total": total}
        if supported == total:
            return Finding(1.0, "supported", "The sources support the whole answer.", values=values)
        return Finding(supported / total, "partly_supported", said, values=values)

    def score(self, reply: str, reference: str) -> float:
        """The mean of exact match and F1."""
        return (exact_match(reply, reference) + f1(reply, reference)) / 2


def normalised(text: str) -> str:
    """A text as SQuAD compares it: lower case, no punctuation, no articles, single blanks (Rajpurkar et al. 2016)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(reply: str, reference: str) -> float:
    """1 where both are the same once normalised, else 0."""
    return float(normalised(reply) == normalised(reference))


def f1(reply: str, reference: str) -> float:
    """Harmonic mean of precision and recall over normalised words, in [0, 1]; 1 where both are empty."""
    return overlap(normalised(reply).split(), normalised(reference).split())


def _is_cited(marks: str, sources: int) -> bool:
    return any(1 <= int(number) <= sources for number in re.findall(r"\d+", marks))
