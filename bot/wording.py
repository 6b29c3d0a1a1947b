"""What the bot says about documents, limits, and in explanation of an answer: messages with something to fill in."""

from collections.abc import Sequence

from bot import texts
from bot.tongue import say
from core.library import NearExample
from core.records import GateReport, Passage, Turn
from core.settings import Settings
from feedback.budgets import Used, Verdict

EXCERPT = 160
"""Characters of a passage or an example that /why shows."""


def passages(turn: Turn) -> str:
    """What an answer was based on: each passage it was given, how near it was, and what it cites of it."""
    if not turn.passages:
        return say("no-sources")
    cited = {citation.number: citation.text for citation in turn.citations}
    return "\n\n".join(_passage(n, passage, cited.get(n)) for n, passage in enumerate(turn.passages, 1))


def _passage(number: int, passage: Passage, cited: str | None) -> str:
    where, score = f"[{number}] {texts.name_of(passage)}", f"{passage.score:.2f}"
    heading = say("passage-cited" if cited else "passage-not-cited", where=where, score=score)
    return f"{heading}\n“{excerpt(cited or passage.text)}”"


def excerpt(text: str) -> str:
    """The beginning of a text."""
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "…"


def reading(name: str, share: int | None = None) -> str:
    """How far a document is, in percent."""
    return say("reading", name=name) if share is None else say("reading-share", name=name, share=share)


def ready(name: str, passages: int, everyone: bool) -> str:
    """What is said of a document that answers from now on."""
    return say("ready-for-everyone" if everyone else "ready-for-chat", name=name, passages=passages)


def too_large(name: str, megabytes: int) -> str:
    """Why a document is not taken."""
    return say("too-large", name=name, megabytes=megabytes)


def gone_document(name: str) -> str:
    """What is said of a document that was removed."""
    return say("gone-document", name=name)


def document(number: int, name: str, passages: int) -> str:
    """A line of the list of documents."""
    return say("document", number=number, name=name, passages=passages)


def more_documents(count: int) -> str:
    """What stands below a list that is longer."""
    return say("more-documents", count=count)


def version(version_id: str, date: str, items: int, chunks: int) -> str:
    """Which version answered, and what it was tuned on."""
    about = {"version": version_id, "date": date, "items": items}
    return say("version-of-documents", **about, chunks=chunks) if chunks else say("version", **about)


def gate(report: GateReport) -> str:
    """What the gate found of a version."""
    counts = {"wins": len(report.wins), "losses": len(report.losses), "ties": len(report.ties)}
    return f"{texts.gate(report.outcome)} {say('gate-counts', **counts, p=f'{report.p:.3g}')}"


def approved(date: str) -> str:
    """Of an answer that was given word for word."""
    return say("approved-on", date=date)


def examples(found: Sequence[NearExample]) -> str:
    """The nearest approved answers that a version learned from."""
    if not found:
        return say("no-examples")
    lines = [f"• {excerpt(e.question)} → {excerpt(e.answer)} ({e.similarity:.2f})" for e in found]
    return "\n".join([say("examples"), *lines])


def beyond(verdict: Verdict, settings: Settings, minutes: int) -> str:
    """Why a question is not answered, and when it would be again."""
    match verdict:
        case "messages":
            limit = say("beyond-messages", limit=settings.telegram_day_messages)
        case "tokens":
            limit = say("beyond-tokens", limit=settings.telegram_day_tokens)
        case "all":
            limit = say("beyond-all")
        case _:
            return say("too-fast")
    return f"{limit} {again(minutes)}"


def again(minutes: int) -> str:
    """When a budget is renewed."""
    hours, rest = divmod(minutes, 60)
    return say("ask-again", hours=hours, minutes=rest)


def used(mine: Used, settings: Settings, minutes: int) -> str:
    """What somebody used today, and when the next day begins."""
    hours, rest = divmod(minutes, 60)
    return say(
        "used",
        questions=_of(mine.messages, settings.telegram_day_messages),
        tokens=_of(mine.tokens, settings.telegram_day_tokens),
        hours=hours,
        minutes=rest,
    )


def used_by_all(together: Used, settings: Settings) -> str:
    """What all people used today."""
    return say(
        "used-by-all",
        questions=_of(together.messages, settings.telegram_day_messages_all),
        tokens=_of(together.tokens, settings.telegram_day_tokens_all),
    )


def used_by(author: str, used: Used) -> str:
    """What one of them used."""
    return say("used-by", author=author, questions=used.messages, tokens=used.tokens)


def _of(used: int, limit: int) -> str:
    return f"{used} / {limit}" if limit else str(used)


def group_closed(group: int) -> str:
    """What is said in a group that may not use the bot."""
    return say("group-closed", group=str(group))


def invitation(link: str, uses: int, days: int) -> str:
    """A link, and for how many people and how long it works."""
    return f"{link}\n{say('invitation', uses=uses, days=days)}"


def banned(user: str) -> str:
    """What an operator is told."""
    return say("is-banned", user=user)


def unbanned(user: str) -> str:
    """What an operator is told."""
    return say("is-not-banned-any-more", user=user)
