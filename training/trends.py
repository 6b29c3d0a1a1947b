"""Each slice of the gate from version to version: is it getting better, and is anything forgotten?"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.records import GateReport, Outcome


@dataclass(frozen=True, slots=True)
class Judged:
    """What one version scored in a slice, and the version it was compared with.

    `low` and `high` bound `after` as the 95 % interval of the difference says; they are None for a single prompt.
    """

    version: str
    at: int
    outcome: Outcome
    items: int
    before: float
    after: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """One slice over time, oldest version first."""

    slice: str
    measure: str
    judged: tuple[Judged, ...]


def trends(reports: Iterable[GateReport]) -> list[Trend]:
    """The slices that any version was asked, in the order of the newest report; empty ones are left out.

    The prompts of a slice change as frozen ones are added: scores of one report compare best, far ones less.
    """
    found: dict[tuple[str, str], list[Judged]] = {}
    in_time = sorted(reports, key=lambda report: report.created_at)
    for report in in_time:
        for part in (part for part in report.slices if part.items):
            sure = part.items > 1
            low, high = (part.before + part.low, part.before + part.high) if sure else (None, None)
            judged = Judged(
                report.version,
                report.created_at,
                report.outcome,
                part.items,
                part.before,
                part.after,
                low,
                high,
            )
            found.setdefault((part.name, part.measure), []).append(judged)
    newest_first = [name for report in reversed(in_time) for name in ((s.name, s.measure) for s in report.slices)]
    return [Trend(*name, tuple(found[name])) for name in dict.fromkeys(newest_first) if name in found]
