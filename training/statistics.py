"""The gate's statistics: exact tests and intervals for paired comparisons, on the standard library alone."""

import math
from collections.abc import Callable, Sequence
from functools import cache

TIE = 0.02
"""Scores closer than this are a tie."""
EXACT_STUDENT = {1: 12.7062, 2: 4.3027}


@cache
def sign_test(wins: int, losses: int) -> float:
    """The chance of at least this many wins among the discordant pairs if neither version were better (exact)."""
    pairs = wins + losses
    return sum(math.comb(pairs, k) for k in range(wins, pairs + 1)) / 2**pairs


def tally(before: Sequence[float], after: Sequence[float], tie: float = TIE) -> tuple[int, int]:
    """Wins and losses among paired scores; what is closer than `tie` is neither."""
    differences = [new - old for old, new in zip(before, after, strict=True)]
    return sum(d >= tie for d in differences), sum(d <= -tie for d in differences)


def win_share(wins: int, losses: int) -> tuple[float, float]:
    """Exact 95 % interval of the share of wins among discordant pairs (Clopper and Pearson 1934)."""
    pairs = wins + losses
    low = _root(lambda share: _at_least(wins, pairs, share) >= 0.025) if wins else 0.0
    high = _root(lambda share: 1 - _at_least(wins + 1, pairs, share) <= 0.025) if losses else 1.0
    return low, high


def mean_difference(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean paired difference; of fewer than two pairs, the mean itself twice."""
    n = len(before)
    if n == 0:
        return 0.0, 0.0
    differences = [new - old for old, new in zip(before, after, strict=True)]
    mean = sum(differences) / n
    if n == 1:
        return mean, mean
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    half = student_975(n - 1) * math.sqrt(variance / n)
    return mean - half, mean + half


def student_975(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5; error below 1 % from 3 degrees on)."""
    if freedom in EXACT_STUDENT:
        return EXACT_STUDENT[freedom]
    z = 1.959964
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def _at_least(wins: int, pairs: int, share: float) -> float:
    """The chance of at least so many wins where each pair is won with this chance, 0 < share < 1."""

    def log_chance(k: int) -> float:
        ways = math.lgamma(pairs + 1) - math.lgamma(k + 1) - math.lgamma(pairs - k + 1)
        return ways + k * math.log(share) + (pairs - k) * math.log1p(-share)

    return math.fsum(math.exp(log_chance(k)) for k in range(wins, pairs + 1))


def _root(reached: Callable[[float], bool]) -> float:
    """Where in (0, 1) a condition begins to hold, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
