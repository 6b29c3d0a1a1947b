"""Summaries of a given text: short enough, and with no number, date or name that does not stand in it."""

import re

from core.facts import days, names, numbers
from core.language import language
from core.sentences import sentences, stem, words
from kinds.chat import token_f1
from kinds.kind import Finding, Kind, Loss, Task

SHARE = 3
"""Without a limit in the instruction a summary has at most one word for so many of the text."""
LEAST_WORDS = 15
"""A summary of a short text may have so many words in any case."""
_NUMBERS = dict(zip("one two three four five six seven eight nine ten".split(), range(1, 11), strict=True))
_LIMIT = re.compile(
    rf"\b(\d+|{'|'.join(_NUMBERS)})[ -](?:short |brief )?"
    r"(?:(words?|w[oö]rtern?|palabras|слов\w*)|(sentences?|s[aä]tzen?|frases|oraciones|предложени\w*))\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:summar(?:y|i[sz]e)|shorten|tl;?dr|abstract|sum up|in short|zusammen|res[uú]m|кратк|резюм)", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+(?:[-.,:'’/][^\W_]+)*")


class Summary(Kind):
    """The outcome is how far it keeps to its length, times the share of its facts that stand in the text."""

    name = "summary"
    measure = "token F1"
    loss: Loss = "mean squared error"
    whys = ("faithful", "too_long", "invented", "no_summary")
    alone = True

    def ending(self, task: Task) -> str:
        """What a summary is, and how long."""
        return f"Write only the summary, in at most {_limit(task.instruction)}. Use only what the text says."

    def check(self, task: Task, reply: str) -> Finding | None:
        """Whether it is short enough, and which of its facts the text does not have."""
        if not words(reply):
            return Finding(0.0, "no_summary", "There is no summary.")
        _, text = parts(task.instruction)
        evidence = "\n".join([text, *task.sources])
        share, invented = _facts(reply, evidence)
        limit = _limit(task.instruction)
        length = limit.of(reply)
        value = min(1.0, limit.count / length) * share
        if invented:
            listed = ", ".join(invented)
            return Finding(value, "invented", f"Not in the text: {listed}.", values={"facts": listed})
        if length > limit.count:
            said = f"{length} {limit.unit}, where {limit.count} are the most."
            return Finding(value, "too_long", said, values={"length": length, "limit": limit.count})
        return Finding(value, "faithful", "Short enough, and every number, date and name stands in the text.")

    def score(self, reply: str, reference: str) -> float:
        """Overlap of words."""
        return token_f1(reply, reference)


class _Limit:
    """How long a summary may be, in words or sentences."""

    def __init__(self, count: int, unit: str):
        self.count, self.unit = count, unit

    def __str__(self) -> str:
        return f"{self.count} {self.unit if self.count > 1 else self.unit.removesuffix('s')}"

    def of(self, reply: str) -> int:
        """How long a reply is in this unit."""
        return len(words(reply)) if self.unit == "words" else len(sentences(reply))


def parts(instruction: str) -> tuple[str, str]:
    """What an instruction asks, and the text that it is about.

    What asks is the first or the last paragraph, or what stands before the first colon, where it speaks of a summary
    or of a length; else all of it is the text.
    """
    head, _, rest = instruction.strip().partition("\n")
    if not (rest and _asks(head)):
        before, colon, after = instruction.partition(":")
        head, rest = (before, after) if colon and "\n" not in before and _asks(before) else ("", instruction)
    body, _, tail = rest.strip().rpartition("\n")
    if body and not head and _asks(tail):
        head, rest = tail, body
    return head.strip(), rest.strip()


def _asks(text: str) -> bool:
    return len(words(text)) <= 30 and bool(_ASKS.search(text) or _LIMIT.search(text))


def _limit(instruction: str) -> _Limit:
    asked, text = parts(instruction)
    found = _LIMIT.search(asked)
    if found is None:
        return _Limit(max(LEAST_WORDS, len(words(text)) // SHARE), "words")
    count = _NUMBERS.get(found[1].lower()) or int(found[1])
    return _Limit(max(1, count), "words" if found[2] else "sentences")


def _facts(reply: str, evidence: str) -> tuple[float, list[str]]:
    """The share of a summary's facts that stand in the evidence, and the others as they are written, in order.

    Capitals tell names from other words in English only.
    """
    named = names(reply) if language(evidence) == "en" else set()
    there = {stem(word) for word in words(evidence)}
    claimed = numbers(reply) | days(reply) | named
    lacking = (numbers(reply) - numbers(evidence)) | (days(reply) - days(evidence)) | (named - there)
    if not lacking:
        return 1.0, []
    said = [
        word
        for word in dict.fromkeys(_WORD.findall(reply))
        if lacking & (numbers(word) | days(word) | {stem(part) for part in words(word)})
    ]
    return 1 - len(lacking) / len(claimed), said or sorted(lacking)
