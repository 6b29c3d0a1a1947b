"""What the bot says about documents, and in explanation of an answer: sentences with something to fill in."""

from collections.abc import Sequence

from bot.texts import GATES, NO_EXAMPLES, NO_SOURCES, name_of
from core.library import NearExample
from core.records import GateReport, Passage, Turn

EXCERPT = 160
"""Characters of a passage or an example that /why shows."""


def passages(turn: Turn) -> str:
    """What an answer was based on: each passage it was given, how near it was, and what it cites of it."""
    if not turn.passages:
        return NO_SOURCES
    cited = {citation.number: citation.text for citation in turn.citations}
    return "\n\n".join(_passage(n, passage, cited.get(n)) for n, passage in enumerate(turn.passages, 1))


def _passage(number: int, passage: Passage, cited: str | None) -> str:
    shown = excerpt(cited or passage.text)
    if cited:
        return f"[{number}] {name_of(passage)} (score {passage.score:.2f}, cited)\n“{shown}”"
    return f"[{number}] {name_of(passage)} (score {passage.score:.2f}, not cited)\n“{shown}”"


def excerpt(text: str) -> str:
    """The beginning of a text."""
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "…"


def reading(name: str, share: int | None = None) -> str:
    """How far a document is, in percent."""
    return f"I read {name}…" if share is None else f"I read {name}: {share} %"


def ready(name: str, passages: int, everyone: bool) -> str:
    """What is said of a document that answers from now on."""
    if everyone:
        return f"{name} is in everyone's sources now, with {passages} passages. /sources lists and removes documents."
    return f"{name} is in this chat's sources now, with {passages} passages. /sources lists and removes documents."


def too_large(name: str, megabytes: int) -> str:
    """Why a document is not taken."""
    return f"{name} is larger than {megabytes} MB; split it into parts and send them one by one."


def gone_document(name: str) -> str:
    """What is said of a document that was removed."""
    return f"{name} is removed, for good."


def document(number: int, name: str, passages: int) -> str:
    """A line of the list of documents."""
    return f"{number}. {name} (passages: {passages})"


def more_documents(count: int) -> str:
    """What stands below a list that is longer."""
    return f"And {count} more, which show when some of these are removed."


def version(version_id: str, date: str, items: int, chunks: int) -> str:
    """Which version answered, and what it was tuned on."""
    if chunks:
        return f"Version {version_id} of {date}, tuned on {items} items of feedback and {chunks} passages of documents."
    return f"Version {version_id} of {date}, tuned on {items} items of feedback."


def gate(report: GateReport) -> str:
    """What the gate found of a version."""
    counts = f"{len(report.wins)} better, {len(report.losses)} worse, {len(report.ties)} alike, p = {report.p:.3g}"
    return f"{GATES[report.outcome]} ({counts})."


def approved(date: str) -> str:
    """Of an answer that was given word for word."""
    return f"An operator approved this answer on {date}, and I gave it word for word."


def examples(found: Sequence[NearExample]) -> str:
    """The nearest approved answers that a version learned from."""
    if not found:
        return NO_EXAMPLES
    lines = [f"• {excerpt(e.question)} → {excerpt(e.answer)} ({e.similarity:.2f})" for e in found]
    return "\n".join(["It learned from these approved answers to questions near yours:", *lines])
