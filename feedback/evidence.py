"""Whether the answers of a new version are worse: an anytime-valid test on what a share of the chats made of them.

One outcome is one chat in one window of time, with or without each signal. A window's outcomes are compared among
chats with the same history only (so many windows before, so many of them with the signal). If the version makes no
difference, the two arms are exchangeable there: given how many outcomes are bad, those of the canary are
hypergeometric, whatever the rate of the hour, of the day and of these chats may be. With odds ratio w between the arms
they follow Fisher's noncentral hypergeometric distribution P_w.

* Worse: the product over windows and histories of P_w / P_1, averaged over WORSE. It is a martingale without a
  difference, so that it ever reaches 1/a with probability a at most (Ville 1939). Each signal has its part of LEVEL.
* Not worse: the product of P_1 / P_MARGIN, of complaints in each chat's first window alone, since a history hides part
  of the difference that made it. P_1 / P_MARGIN has a mean of at most 1 at every odds ratio of MARGIN or more,
  because the distributions are ordered by their likelihood ratio.

After J. ter Schure, M. F. Perez-Ortiz, A. Ly, P. Grunwald, "The anytime-valid logrank test" (2020), which bets on the
same conditional distribution event by event, and R. Turner, A. Ly, P. Grunwald, "Generic e-variables for exact
sequential k-sample tests that allow for optional stopping" (2022).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.records import Signal

COMPLAINTS: frozenset[Signal] = frozenset({"down", "regenerated", "corrected", "failed", "empty"})
SIGNALS = {
    "complaint": "complaints of any kind",
    "down": "thumbs down",
    "regenerated": "answers asked for again",
    "corrected": "corrections",
    "failed": "failed answers",
    "empty": "empty answers",
    "cut": "answers cut at their limit",
}
"""What is tested, in words; `complaint` is any of COMPLAINTS."""
LEVEL = 0.05
"""How often, at most, a version is taken back that is not worse; and how often one is promoted that is."""
PARTS = {name: LEVEL / 2 if name == "complaint" else LEVEL / 2 / (len(SIGNALS) - 1) for name in SIGNALS}
WORSE = (1.5, 2.5, 5.0)
"""Odds ratios that a worse version may have."""
MARGIN = 1.5
"""A version whose complaints have this odds ratio, or a larger one, is not to be promoted."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one chat made of one window's answers."""

    chat: str
    canary: bool
    signals: frozenset[Signal]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known after so many windows. Pairs are counts of the canary and of live."""

    windows: int = 0
    outcomes: tuple[int, int] = (0, 0)
    bad: dict[str, tuple[int, int]] = field(default_factory=dict)
    chats_seen: tuple[int, int] = (0, 0)
    chats_complaining: tuple[int, int] = (0, 0)
    """Those whose first window had a complaint."""
    worse: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """For each signal the logarithm of each product over WORSE."""
    not_worse: float = 0.0
    """The logarithm of the product for a version that is not worse."""
    chats: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Each chat's history: windows that it took part in, and how many of them had each signal."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a canary should end, and why."""

    outcome: Literal["promote", "rollback"]
    why: str


def after(evidence: Evidence, outcomes: Sequence[Outcome]) -> Evidence:
    """The evidence with one more window's outcomes, at most one of each chat."""
    history = np.array([evidence.chats.get(o.chat, (0,) * (1 + len(SIGNALS))) for o in outcomes], int)
    if not len(history):
        return replace(evidence, windows=evidence.windows + 1)
    canary = np.array([o.canary for o in outcomes])
    bad = np.array([[name in _named(o.signals) for name in SIGNALS] for o in outcomes])
    first = history[:, 0] == 0
    worse, counts = {}, {}
    for n, name in enumerate(SIGNALS):
        _, ratios = stratified(canary, bad[:, n], _stratum(history[:, 0], history[:, 1 + n]), WORSE)
        worse[name] = tuple((evidence.worse.get(name, 0.0) + ratios.sum(axis=0)).tolist())
        counts[name] = _plus(evidence.bad.get(name, (0, 0)), canary, bad[:, n])
    complaining = bad[first, 0]
    _, ratios = stratified(canary[first], complaining, np.zeros(first.sum(), int), (1.0,), MARGIN)
    history += np.hstack([np.ones((len(history), 1), int), bad])
    return Evidence(
        windows=evidence.windows + 1,
        outcomes=_plus(evidence.outcomes, canary),
        bad=counts,
        chats_seen=_plus(evidence.chats_seen, canary[first]),
        chats_complaining=_plus(evidence.chats_complaining, canary[first], complaining),
        worse=worse,
        not_worse=evidence.not_worse + float(ratios.sum()),
        chats=evidence.chats | {o.chat: tuple(h) for o, h in zip(outcomes, history.tolist(), strict=True)},
    )


def verdict(evidence: Evidence) -> Verdict | None:
    """How the canary should end by what is known, if it is enough. Worse goes before not worse."""
    for name, value in worse_by(evidence).items():
        if value >= 1 / PARTS[name]:
            counts = _beside(evidence.bad[name], evidence.outcomes, "outcomes")
            return Verdict(
                "rollback", f"worse: {SIGNALS[name]} in {counts}; e-value {value:.0f}, {1 / PARTS[name]:.0f} suffice."
            )
    value = not_worse_by(evidence)
    if value < 1 / LEVEL:
        return None
    counts = _beside(evidence.chats_complaining, evidence.chats_seen, "chats")
    words = f"not worse: first complaints in {counts}"
    return Verdict("promote", f"{words}; e-value against odds of {MARGIN}: {value:.0f}, {1 / LEVEL:.0f} suffice.")


def worse_by(evidence: Evidence) -> dict[str, float]:
    """The e-value of each signal, for a version that is worse."""
    return {name: float(e_value(evidence.worse.get(name, (0.0,)))) for name in SIGNALS}


def not_worse_by(evidence: Evidence) -> float:
    """The e-value for a version that is not worse."""
    return float(np.exp(evidence.not_worse))


def summary(evidence: Evidence) -> str:
    """What is known so far, in a sentence."""
    complaints = _beside(evidence.bad.get("complaint", (0, 0)), evidence.outcomes, "outcomes")
    worse = max(_way(value, PARTS[name]) for name, value in worse_by(evidence).items())
    not_worse = _way(not_worse_by(evidence), LEVEL)
    return (
        f"complaints in {complaints}; windows counted: {evidence.windows}; "
        f"{worse:.0%} of the way to worse, {not_worse:.0%} to not worse."
    )


def log_ratios(x: Ints, canary: Ints, live: Ints, bad: Ints, odds: Sequence[float], null: float) -> Floats:
    """log P_w(x) - log P_null(x) of tables, [tables, len(odds)], for x of `bad` outcomes being the canary's.

    `canary` and `live` are each table's outcomes. P is Fisher's noncentral hypergeometric distribution.
    """
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 1 + (canary + live).max(initial=0))))])
    each = np.arange(canary.max(initial=0) + 1)[None, :]
    n, m, k = canary[:, None], live[:, None], bad[:, None]
    possible = (each <= n) & (each <= k) & (k - each <= m)
    a, b = np.where(possible, each, 0), np.where(possible, k - each, 0)
    log_weight = -(log_factorial[a] + log_factorial[n - a] + log_factorial[b] + log_factorial[np.maximum(m - b, 0)])
    log_weight = np.where(possible, log_weight, -np.inf)

    def log_probability(w: float) -> Floats:
        terms = log_weight + each * np.log(w)
        top = terms.max(axis=1)
        return x * np.log(w) - top - np.log(np.exp(terms - top[:, None]).sum(axis=1))

    at_null = log_probability(null)
    return np.stack([log_probability(w) - at_null for w in odds], axis=1)


def stratified(
    canary: Bools, bad: Bools, stratum: Ints, odds: Sequence[float], null: float = 1.0
) -> tuple[Ints, Floats]:
    """The strata of one window's outcomes, and for each its log-ratios: [strata], [strata, len(odds)]."""
    strata, at = np.unique(stratum, return_inverse=True)
    size = len(strata)
    of_canary = np.bincount(at[canary], minlength=size)
    of_live = np.bincount(at[~canary], minlength=size)
    x = np.bincount(at[canary & bad], minlength=size)
    return strata, log_ratios(x, of_canary, of_live, np.bincount(at[bad], minlength=size), odds, null)


def e_value(logs: Sequence[float] | Floats) -> Floats:
    """The average of products that are given by their logarithms, along the last axis."""
    return np.exp(np.asarray(logs)).mean(axis=-1)


def _named(signals: frozenset[Signal]) -> frozenset[str]:
    return signals | {"complaint"} if signals & COMPLAINTS else signals


def _stratum(windows: Ints, bad: Ints) -> Ints:
    """One number for each history."""
    return windows * (windows.max(initial=0) + 1) + bad


def _plus(before: tuple[int, int], canary: Bools, bad: Bools | None = None) -> tuple[int, int]:
    counted = np.ones_like(canary) if bad is None else bad
    return before[0] + int((canary & counted).sum()), before[1] + int((~canary & counted).sum())


def _beside(bad: tuple[int, int], of: tuple[int, int], what: str) -> str:
    return f"{bad[0]} of the canary's {of[0]} {what} beside {bad[1]} of live's {of[1]}"


def _way(value: float, part: float) -> float:
    """How far an e-value has come to what suffices, on the scale on which evidence adds up: its logarithm."""
    return float(np.clip(np.log(value) / np.log(1 / part), 0, 1))
