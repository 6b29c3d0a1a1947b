"""/stats: how much the bot is used and liked, how long the queue is, and a picture of the thumbs."""

import asyncio

from aiogram.types import BufferedInputFile, Message

from bot import texts
from bot.operators import phrases
from bot.operators.cards import short
from bot.operators.chart import draw
from bot.parts import Parts
from core.records import now_ms
from feedback.progress import read_progress
from feedback.tallies import Tally, Thumbs, tally

FILE = "thumbs.png"
HOUR_MS = 3_600_000


async def stats(message: Message, parts: Parts) -> None:
    """`/stats`: figures, below a picture."""
    caption, picture = await asyncio.to_thread(_figures, parts)
    await message.answer_photo(BufferedInputFile(picture, FILE), caption=caption)


def _figures(parts: Parts) -> tuple[str, bytes]:
    counted = tally(parts.store, parts.turns, parts.ratings)
    progress = read_progress(parts.store, parts.settings.refresh_min_items)
    said = [
        phrases.figures(counted.answers, counted.thumbs.up, counted.thumbs.down),
        *_versions(parts, counted),
        _queue(parts),
        texts.far(progress),
        phrases.CHART,
    ]
    return "\n".join(said), draw(counted.days)


def _versions(parts: Parts, counted: Tally) -> list[str]:
    aliases = parts.registry.aliases()
    thumbs = counted.versions.get(aliases.live, Thumbs())
    said = [phrases.live_version(short(aliases.live), thumbs.up, thumbs.down)]
    if trial := aliases.canary:
        thumbs = counted.versions.get(trial.version, Thumbs())
        said.append(phrases.on_trial(short(trial.version), trial.share, thumbs.up, thumbs.down))
    return said


def _queue(parts: Parts) -> str:
    waiting, oldest = parts.reviews.waiting(), parts.reviews.oldest()
    if oldest is None:
        return phrases.QUEUE_EMPTY
    return phrases.queue(waiting, (now_ms() - oldest) // HOUR_MS)
