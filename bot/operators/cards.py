"""An answer that waits for a decision, as operators see it: what was asked, said, answered, and would be approved."""

from collections import Counter
from collections.abc import Iterator

from aiogram.types import MessageEntity

from bot import texts, wording
from bot.formatting import formatted, shown
from bot.operators import phrases
from bot.splitting import Formatted, units
from core.records import Rating
from feedback.reviews import QueueItem
from feedback.turns import question

BEFORE = 3
"""Earlier exchanges that are shown."""
SHORT_ID = 12


def card(item: QueueItem, waiting: int) -> Formatted:
    """Everything that a decision rests on."""
    whole = Formatted("")
    for part in _parts(item, waiting):
        whole = whole + (Formatted("\n\n") if whole.text else Formatted("")) + part
    return whole


def short(version: str) -> str:
    """A version as people are shown it; they may name it so."""
    return version[:SHORT_ID]


def _parts(item: QueueItem, waiting: int) -> Iterator[Formatted]:
    turn = item.turn
    yield _plain(f"{phrases.card_heading(waiting, short(turn.adapter))}\n{phrases.why_here(item.why)}")
    if item.conversation:
        past = item.conversation[-BEFORE:]
        exchanges = [f"{wording.excerpt(question(t))}\n→ {wording.excerpt(t.reply)}" for t in past]
        yield _under(phrases.BEFORE, _plain("\n".join(exchanges)))
    yield _under(phrases.QUESTION, _plain(question(turn)))
    yield _under(phrases.ANSWER, formatted(turn.reply))
    if turn.passages:
        lines = [phrases.passage(texts.name_of(p), p.score, wording.excerpt(p.text)) for p in turn.passages]
        yield _under(phrases.PASSAGES, _plain("\n".join(lines)))
    if thumbs := _thumbs(item.votes):
        yield _under(phrases.THUMBS, _plain(thumbs))
    if others := [correction.text for correction in item.corrections[1:]]:
        yield _under(phrases.OTHER_CORRECTIONS, _plain("\n\n".join(others)))
    if item.suggestion != turn.reply:
        yield _under(phrases.SUGGESTION, formatted(item.suggestion))


def _thumbs(votes: tuple[Rating, ...]) -> str:
    """The thumbs and their reasons, each with how often it was given."""
    reasons: dict[str | None, str] = dict(texts.reasons())
    said = Counter(
        "👍" if vote.value > 0 else " ".join(["👎", *([reasons.get(vote.reason, vote.reason)] if vote.reason else [])])
        for vote in votes
        if vote.value
    )
    return "\n".join(f"{count} × {what}" for what, count in said.items())


def _under(heading: str, text: Formatted) -> Formatted:
    bold = MessageEntity(type="bold", offset=0, length=units(heading))
    return Formatted(heading, (bold,)) + Formatted("\n") + text


def _plain(text: str) -> Formatted:
    return Formatted(shown(text))
