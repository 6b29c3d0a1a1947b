"""Thumbs in figures: how many there were on each day, and for each version."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from core import keys
from core.records import now_ms
from core.store import Store, durable
from feedback.ratings import Ratings
from feedback.turns import DAY_S, Turns

BATCH = 500
DAYS = 14
Z_95 = 1.959964
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Thumbs:
    """How often each was given."""

    up: int = 0
    down: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share of thumbs up (E. B. Wilson 1927); all of it where there are none."""
        n = self.up + self.down
        if not n:
            return 0.0, 1.0
        share, z2 = self.up / n, Z_95**2
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
        return max(middle - half, 0.0), min(middle + half, 1.0)


@dataclass(frozen=True, slots=True)
class Tally:
    """The thumbs of the last days (UTC; none that was taken back), the oldest day first, and answers in 24 hours."""

    days: dict[date, Thumbs]
    versions: dict[str, Thumbs] = field(default_factory=dict)
    answers: int = 0

    @property
    def thumbs(self) -> Thumbs:
        """All of them."""
        return Thumbs(sum(day.up for day in self.days.values()), sum(day.down for day in self.days.values()))


@dataclass(frozen=True, slots=True)
class Day:
    """How many answers there were in 24 hours, and the thumbs that were given."""

    answers: int = 0
    thumbs: Thumbs = Thumbs()

    @property
    def is_empty(self) -> bool:
        """Whether nobody asked or said anything."""
        return not (self.answers or self.thumbs.up or self.thumbs.down)


def last_days(store: Store, turns: Turns, ratings: Ratings, now: int) -> tuple[Day, Day]:
    """The 24 hours before an instant (ms), which is about now, and those before these.

    Raises: StoreUnavailable.
    """
    day_ms = 1000 * DAY_S
    first_ms = now - 2 * day_ms
    found: Counter[tuple[int, int]] = Counter()
    for _, value, at in _votes(store, turns, ratings, first_ms):
        found[min((now - at) // day_ms, 1), value] += 1
    answers = [len(turns.recent(now - (ago + 1) * day_ms, now - ago * day_ms)) for ago in (0, 1)]
    today, before = (Day(answers[ago], Thumbs(found[ago, 1], found[ago, -1])) for ago in (0, 1))
    return today, before


def tally(store: Store, turns: Turns, ratings: Ratings) -> Tally:
    """Count what the record holds.

    Raises: StoreUnavailable.
    """
    now = now_ms()
    today = _day(now)
    days = [today - timedelta(days=before) for before in reversed(range(DAYS))]
    first_ms = int(datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC).timestamp() * 1000)
    by_day: Counter[tuple[date, int]] = Counter()
    by_version: Counter[tuple[str, int]] = Counter()
    for version, value, at in _votes(store, turns, ratings, first_ms):
        by_day[_day(at), value] += 1
        by_version[version, value] += 1
    with durable():
        answers = store.zcount(keys.RECENT_TURNS, now - 1000 * DAY_S, "+inf")
    versions = {version for version, _ in by_version}
    return Tally(
        {day: Thumbs(by_day[day, 1], by_day[day, -1]) for day in days},
        {version: Thumbs(by_version[version, 1], by_version[version, -1]) for version in versions},
        answers,
    )


def _votes(store: Store, turns: Turns, ratings: Ratings, since_ms: int) -> Iterator[tuple[str, int, int]]:
    """The thumbs in force that were given since an instant: which version's answer, 1 or -1, and when (ms)."""
    with durable():
        ids = store.zrangebyscore(keys.FEEDBACK, since_ms, "+inf")
    for at in range(0, len(ids), BATCH):
        found = turns.get_many(ids[at : at + BATCH])
        for turn, said in zip(found.values(), ratings.said_about(list(found)), strict=True):
            for vote in said.votes:
                if vote.value and vote.created_at >= since_ms:
                    yield turn.adapter, vote.value, vote.created_at


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()
