"""From answers to figures: throughput, time to first token, gaps between tokens."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.load import Wave


@dataclass(frozen=True, slots=True)
class Figures:
    """Waves of `streams` streams in figures: medians over the waves, except gaps, which are pooled, and the maximum.

    Rates are new tokens a second of wall time, from the common beginning to the last answer's end; times are seconds.
    """

    streams: int
    waves: int
    answers: int
    errors: int
    tokens: int
    tokens_per_s: float
    first_median_s: float
    first_max_s: float
    gap_p50_s: float
    gap_p99_s: float
    gap_p999_s: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON, rounded to what was measured; None stands for what was not."""
        return {k: measured(v, 5) if isinstance(v, float) else v for k, v in asdict(self).items()}


def measured(value: float, digits: int) -> float | None:
    """A figure rounded for JSON, which has no infinity: None where there is none."""
    return round(value, digits) if math.isfinite(value) else None


def over(ours: float | None, theirs: float | None) -> float:
    """One figure over another; NaN where either is missing or the other is 0."""
    return math.nan if ours is None or not theirs else ours / theirs


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed; NaN of nothing."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def tokens_per_s(wave: Wave) -> float:
    """New tokens of whole answers over wall time."""
    return sum(a.tokens for a in wave.answers if a.error is None) / (wave.ended_s - wave.began_s)


def summarise(streams: int, waves: Sequence[Wave]) -> Figures:
    """The figures of waves of the same shape."""
    answers = [a for wave in waves for a in wave.answers]
    firsts = [[a.first_s for a in wave.answers if a.first_s is not None] for wave in waves]
    gaps = [gap for a in answers for gap in a.gaps_s]
    return Figures(
        streams=streams,
        waves=len(waves),
        answers=len(answers),
        errors=sum(len(wave.errors) for wave in waves),
        tokens=sum(a.tokens for a in answers if a.error is None),
        tokens_per_s=median(tokens_per_s(wave) for wave in waves),
        first_median_s=_median([median(f) for f in firsts if f]),
        first_max_s=max((max(f) for f in firsts if f), default=math.nan),
        gap_p50_s=percentile(gaps, 0.5),
        gap_p99_s=percentile(gaps, 0.99),
        gap_p999_s=percentile(gaps, 0.999),
    )


def _median(values: Sequence[float]) -> float:
    return median(values) if values else math.nan


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise, and whether a figure keeps it. `least` is a lower bound, `most` an upper one."""

    name: str
    figure: float
    least: float | None = None
    most: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the figure is within the bounds."""
        return (self.least is None or self.figure >= self.least) and (self.most is None or self.figure <= self.most)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"figure": measured(self.figure, 4), "reached": self.reached}
