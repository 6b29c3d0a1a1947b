"""The gate: whether a candidate answers better than what is live, on prompts no version was trained on.

Three outcomes. `promote`: significantly more wins than losses on the frozen prompts, and no harm on the general slice.
`reject`: a veto, harm, or significantly more losses. Otherwise `not enough evidence`: it is kept, and never promoted by
itself. The thresholds are the product's own.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.records import GateReport, Outcome, SliceScore, now_ms
from kinds import KINDS
from training.examples import EvaluationItem

ALPHA = 0.05
"""One-sided level of the exact test."""
MIN_DIFFERENCE = 0.02
"""Scores closer than this are a tie."""
MIN_ITEMS = 8
"""Frozen prompts without which nothing is judged: five wins and no loss are needed for significance at all."""
GENERAL_MARGIN = 0.1
"""Nats a token that the general slice may lose on average (its reference answers under the candidate)."""
MAX_BAD_SHARE = 0.05
"""Share of answers that may be newly empty or newly endless."""

Generate = Callable[[str, Sequence[EvaluationItem]], list["Answered"]]
"""Answers of a version (greedy, as served) to frozen prompts."""
Score = Callable[[str, Sequence[EvaluationItem]], list[float]]
"""Mean log-likelihood (nats a token) of the reference answers under a version."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A version's answer; `ended` is False where it ran into the token limit."""

    text: str
    ended: bool


@dataclass(slots=True)
class _Tally:
    wins: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    ties: list[str] = field(default_factory=list)


def judge(
    candidate: str,
    against: str,
    evaluation: Sequence[EvaluationItem],
    general: Sequence[EvaluationItem],
    generate: Generate,
    score: Score,
) -> GateReport:
    """Compare a candidate with the version that is live."""
    before, after = generate(against, evaluation), generate(candidate, evaluation)
    old = [KINDS[i.kind].score(a.text, i.reference) for i, a in zip(evaluation, before, strict=True)]
    new = [KINDS[i.kind].score(a.text, i.reference) for i, a in zip(evaluation, after, strict=True)]
    tally = _Tally()
    for item, was, now in zip(evaluation, old, new, strict=True):
        column = tally.ties if abs(now - was) < MIN_DIFFERENCE else tally.wins if now > was else tally.losses
        column.append(item.id)
    measure = KINDS[evaluation[0].kind].measure if evaluation else "score"
    slices = [_slice("new", measure, old, new)]
    slices.append(_slice("general", "log-likelihood", score(against, general), score(candidate, general)))
    vetoes = _vetoes(before, after)
    p = sign_test(len(tally.wins), len(tally.losses))
    outcome, summary = _decide(tally, p, slices, vetoes, len(evaluation))
    return GateReport(
        version=candidate,
        against=against,
        wins=tuple(tally.wins),
        losses=tuple(tally.losses),
        ties=tuple(tally.ties),
        p=p,
        slices=tuple(slices),
        vetoes=tuple(vetoes),
        outcome=outcome,
        summary=summary,
        created_at=now_ms(),
    )


def as_text(report: GateReport) -> str:
    """A report for a person: what was compared, every slice with its interval, and what decided."""
    lines = [f"Version {report.version[:12]} against {report.against[:12]}"]
    for row in report.slices:
        change = (
            f"{row.before:.3f} -> {row.after:.3f}, 95 % interval of the difference {row.low:+.3f} to {row.high:+.3f}"
        )
        lines.append(f"  {row.name} ({row.items} items, {row.measure}): {change}")
    counts = f"{len(report.wins)} wins, {len(report.losses)} losses, {len(report.ties)} ties"
    lines.append(f"  frozen prompts: {counts}, exact one-sided p = {report.p:.2g}")
    return "\n".join([*lines, *(f"  veto: {veto}" for veto in report.vetoes)])


def sign_test(wins: int, losses: int) -> float:
    """The chance of at least this many wins among the discordant pairs if neither version were better (exact)."""
    pairs = wins + losses
    return sum(math.comb(pairs, k) for k in range(wins, pairs + 1)) / 2**pairs


def _decide(
    tally: _Tally, p: float, slices: Sequence[SliceScore], vetoes: Sequence[str], items: int
) -> tuple[Outcome, str]:
    counted = f"{len(tally.wins)} wins, {len(tally.losses)} losses, {len(tally.ties)} ties on {items} frozen prompts"
    general = slices[1]
    if vetoes:
        return "reject", f"{counted}; {'; '.join(vetoes)}."
    if general.items and general.after - general.before < -GENERAL_MARGIN:
        lost = general.before - general.after
        return (
            "reject",
            f"{counted}; the general slice lost {lost:.3f} nats a token (at most {GENERAL_MARGIN} allowed).",
        )
    if sign_test(len(tally.losses), len(tally.wins)) <= ALPHA:
        return "reject", f"{counted}; it answers worse."
    if items < MIN_ITEMS:
        return "not enough evidence", f"{counted}; at least {MIN_ITEMS} frozen prompts are needed to judge."
    if p <= ALPHA:
        return "promote", f"{counted}; p = {p:.2g}."
    return "not enough evidence", f"{counted}; p = {p:.2g}, and {ALPHA} is needed."


def _vetoes(before: Sequence[Answered], after: Sequence[Answered]) -> list[str]:
    if not after:
        return []
    empty = sum(not new.text.strip() and bool(old.text.strip()) for old, new in zip(before, after, strict=True))
    endless = sum(not new.ended and old.ended for old, new in zip(before, after, strict=True))
    found = []
    for count, what in ((empty, "empty"), (endless, "endless")):
        if count > max(1, MAX_BAD_SHARE * len(after)):
            found.append(f"{count} of {len(after)} answers became {what}")
    return found


def _slice(name: str, measure: str, before: Sequence[float], after: Sequence[float]) -> SliceScore:
    """Means and a normal 95 % interval of the paired difference."""
    n = len(before)
    if n == 0:
        return SliceScore(name, 0, measure, 0.0, 0.0, 0.0, 0.0)
    differences = [b - a for a, b in zip(before, after, strict=True)]
    mean = sum(differences) / n
    spread = math.sqrt(sum((d - mean) ** 2 for d in differences) / max(n - 1, 1) / n)
    return SliceScore(name, n, measure, sum(before) / n, sum(after) / n, mean - 1.96 * spread, mean + 1.96 * spread)
