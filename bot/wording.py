"""What the bot says about documents, limits, and in explanation of an answer: sentences with something to fill in."""

from collections.abc import Sequence

from bot.limits.budgets import Used, Verdict
from bot.texts import GATES, NO_EXAMPLES, NO_SOURCES, TOO_FAST, name_of
from core.library import NearExample
from core.records import GateReport, Passage, Turn
from core.settings import Settings

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


def beyond(verdict: Verdict, settings: Settings, minutes: int) -> str:
    """Why a question is not answered, and when it would be again."""
    match verdict:
        case "messages":
            limit = f"Today's limit of {settings.telegram_day_messages} questions is used up."
        case "tokens":
            limit = f"Today's limit of {settings.telegram_day_tokens} tokens (pieces of words) is used up."
        case "all":
            limit = "What I may do in a day, for all people together, is used up."
        case _:
            return TOO_FAST
    return f"{limit} {again(minutes)}"


def again(minutes: int) -> str:
    """When a budget is renewed."""
    hours, rest = divmod(minutes, 60)
    return f"Please ask again after 00:00 UTC, in {hours} h {rest} min."


def used(mine: Used, settings: Settings, minutes: int) -> str:
    """What somebody used today, and when the next day begins."""
    hours, rest = divmod(minutes, 60)
    return (
        f"Today (UTC) you asked {_of(mine.messages, settings.telegram_day_messages)} questions and used "
        f"{_of(mine.tokens, settings.telegram_day_tokens)} tokens (pieces of words, read and written). "
        f"The next day begins in {hours} h {rest} min."
    )


def used_by_all(together: Used, settings: Settings) -> str:
    """What all people used today."""
    return (
        f"All together: {_of(together.messages, settings.telegram_day_messages_all)} questions, "
        f"{_of(together.tokens, settings.telegram_day_tokens_all)} tokens. By pseudonym, which /ban takes:"
    )


def used_by(author: str, used: Used) -> str:
    """What one of them used."""
    return f"{author}: {used.messages} questions, {used.tokens} tokens"


def _of(used: int, limit: int) -> str:
    return f"{used} of {limit}" if limit else str(used)


def group_closed(group: int) -> str:
    """What is said in a group that may not use the bot."""
    return f"I am not meant for this group. Its number, for whoever runs me, is {group}."


def invitation(link: str, uses: int, days: int) -> str:
    """A link, and for how many people and how long it works."""
    return f"{link}\nWhoever opens this link may use the bot. It works for people: {uses}, days: {days}."


def banned(user: str) -> str:
    """What an operator is told."""
    return f"{user} is banned: I do not answer them and store nothing of what they write. /unban takes it back."


def unbanned(user: str) -> str:
    """What an operator is told."""
    return f"{user} is not banned any more, and may do what they might before."
