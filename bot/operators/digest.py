"""The daily digest: what waits, how the last day was, and what became of an operator's own decisions."""

import asyncio
from dataclasses import dataclass

from aiogram import Bot
from aiogram.types import CallbackQuery

from adapters.aliases import Reign
from bot.beside import again_and_again
from bot.buttons import put_under, say_instead
from bot.operators import choices, phrases
from bot.operators.cards import short
from bot.operators.choices import WantDigest
from bot.operators.telling import tell_operators
from bot.operators.watching import alerts_and_digest
from bot.parts import Contact, Parts, outside
from core.records import now_ms
from feedback.credit import credited
from feedback.progress import failed_since
from feedback.tallies import Day, last_days

WAIT_S = 10.0
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LATE_MS = DAY_MS // 2
"""A digest that is later than this, after sleep, is left out: the next one is nearer."""
VERSIONS = 5
"""Versions of each kind that are named, the newest; and how many are looked through for rejected ones."""
LOOKED_AT = 20
TAKEN_BACK = frozenset({"rollback", "canary rollback", "fall back"})
"""What the audit log calls it when a version is taken back."""


@dataclass(frozen=True, slots=True)
class News:
    """What is told to all operators. `days` are the last 24 hours and those before."""

    waiting: int
    oldest_h: int
    inbox: int
    days: tuple[Day, Day]
    live: tuple[Reign, ...]
    rejected: tuple[str, ...]
    taken_back: tuple[str, ...]
    failed: str | None

    @property
    def is_none(self) -> bool:
        """Whether nothing happened and nothing waits."""
        happened = self.live or self.rejected or self.taken_back or self.failed or not self.days[0].is_empty
        return not (self.waiting or self.inbox or happened)


def due_at(now: int, hour: int) -> int | None:
    """The instant (ms) of the newest digest, at an hour (UTC) of each day; None where it is too late for it."""
    newest = now // DAY_MS * DAY_MS + hour * HOUR_MS
    if newest > now:
        newest -= DAY_MS
    return newest if now - newest <= LATE_MS else None


def gather(parts: Parts, now: int) -> News:
    """What happened in the day before an instant (ms), and what waits.

    Raises: StoreUnavailable.
    """
    since, oldest = now - DAY_MS, parts.reviews.oldest()
    entries = [fields for _, fields in parts.registry.audit_after(f"{since}-0")]
    versions = parts.registry.versions(0, LOOKED_AT)
    reports = [version.report for version in versions if version.report and version.report.created_at >= since]
    return News(
        waiting=parts.reviews.waiting(),
        oldest_h=0 if oldest is None else max(0, now - oldest) // HOUR_MS,
        inbox=sum(case.holder is None for case in parts.handovers.inbox()),
        days=last_days(parts.store, parts.turns, parts.ratings, now),
        live=tuple(reign for reign in parts.registry.reigns() if reign.at >= since)[-VERSIONS:],
        rejected=tuple(report.version for report in reports if report.outcome == "reject")[:VERSIONS],
        taken_back=tuple(fields["subject"] for fields in entries if fields["what"] in TAKEN_BACK)[-VERSIONS:],
        failed=failed_since(parts.store, since),
    )


def words(parts: Parts, news: News, author: str) -> str | None:
    """The digest as one operator reads it; None where there is nothing to tell."""
    if news.is_none:
        return None
    said = [phrases.DIGEST]
    if news.waiting:
        said.append(phrases.queue(news.waiting, news.oldest_h))
    if news.inbox:
        said.append(phrases.digest_inbox(news.inbox))
    today, before = news.days
    if not today.is_empty or not before.is_empty:
        said.append(phrases.digest_answers(today.answers, before.answers))
        said.append(phrases.digest_thumbs(today.thumbs, before.thumbs))
    for reign in news.live:
        said.append(phrases.digest_live(short(reign.live), short(reign.was)))
        learned, known = parts.registry.learned(reign.live), parts.registry.learned(reign.was)
        if mine := len(credited(parts.reviews, author, learned, known)):
            said.append(phrases.digest_yours(mine))
    said += [phrases.digest_taken_back(short(version)) for version in news.taken_back]
    said += [phrases.digest_rejected(short(version)) for version in news.rejected]
    if news.failed:
        said.append(phrases.digest_failed(news.failed))
    return "\n".join(said)


class Digests:
    """What one bot does about digests; several may do so side by side."""

    def __init__(self, bot: Bot, parts: Parts, hour: int):
        self._bot, self._parts, self._hour = bot, parts, hour
        self._done: int | None = None

    async def look(self) -> None:
        """Tell what is due, unless it was told."""
        now, parts = now_ms(), self._parts
        due = due_at(now, self._hour)
        if due is None or due == self._done:
            return
        news = await asyncio.to_thread(gather, parts, now)
        readers = await asyncio.to_thread(parts.people.digest_readers)
        if await tell_operators(
            self._bot,
            parts,
            f"digest:{due}",
            readers,
            lambda author: words(parts, news, author),
            lambda: choices.daily(True),
        ):
            self._done = due


async def keep_digesting(bot: Bot, parts: Parts) -> None:
    """Send the digests, until cancelled; none where no hour is set."""
    hour = parts.settings.digest_hour
    if hour is None:
        return
    late, lost = "whether a digest is due is not known", "operators may not get their digest"
    await again_and_again(Digests(bot, parts, hour).look, WAIT_S, late, lost)


async def want_digest(callback: CallbackQuery, callback_data: WantDigest, parts: Parts, contact: Contact) -> None:
    """An operator wants the digest, or not."""
    address, wanted = outside(contact.user_id), callback_data.answer == "yes"
    await asyncio.to_thread(parts.people.want_digest, address, wanted)
    await callback.answer(phrases.DIGEST_ON if wanted else phrases.DIGEST_OFF)
    if callback_data.under == "digest":
        await put_under(callback, choices.daily(wanted))
    else:
        await say_instead(callback, *await asyncio.to_thread(alerts_and_digest, parts, address))
