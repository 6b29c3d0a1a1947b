"""How good chances are: whether they tell what works from what does not, and whether they come true."""

import random
from collections.abc import Callable, Sequence

BINS = 10
RESAMPLES = 1000
WORKS = 0.5
"""Outcomes from here on count as answers that work, where only two sides are told apart."""


def auc(outcomes: Sequence[float], chances: Sequence[float]) -> float | None:
    """The chance that one that works has the higher chance than one that does not, ties counting half.

    None where there are none of either sign.
    """
    good = [c for o, c in zip(outcomes, chances, strict=True) if o >= WORKS]
    bad = sorted(c for o, c in zip(outcomes, chances, strict=True) if o < WORKS)
    if not good or not bad:
        return None
    ranks = _mean_ranks([*good, *bad])
    above = sum(ranks[: len(good)]) - len(good) * (len(good) + 1) / 2
    return above / (len(good) * len(bad))


def _mean_ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 1; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for place in order[at:end]:
            ranks[place] = (at + 1 + end) / 2
        at = end
    return ranks


def calibration_error(outcomes: Sequence[float], chances: Sequence[float], bins: int = BINS) -> float:
    """The expected calibration error: |mean outcome - mean chance|, averaged over bins that hold as many each.

    Of fewer than ten times as many answers as bins there are fewer bins (Nguyen and O'Connor 2015; Naeini et al. 2015).
    """
    order = sorted(range(len(chances)), key=lambda n: (chances[n], n))
    bins = max(1, min(bins, len(order) // 10))
    edges = [round(n * len(order) / bins) for n in range(bins + 1)]
    total = 0.0
    for first, last in zip(edges, edges[1:], strict=False):
        total += abs(sum(outcomes[n] - chances[n] for n in order[first:last]))
    return total / len(order)


def interval(
    measure: Callable[[Sequence[float], Sequence[float]], float | None],
    outcomes: Sequence[float],
    chances: Sequence[float],
    groups: Sequence[int] | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval of a measure (Efron 1979), drawing whole groups where there are any."""
    order = random.Random(seed)
    members: dict[int, list[int]] = {}
    for n, group in enumerate(groups if groups is not None else range(len(outcomes))):
        members.setdefault(group, []).append(n)
    names = list(members)
    found = []
    for _ in range(RESAMPLES):
        drawn = [n for name in order.choices(names, k=len(names)) for n in members[name]]
        value = measure([outcomes[n] for n in drawn], [chances[n] for n in drawn])
        if value is not None:
            found.append(value)
    found.sort()
    return found[int(0.025 * len(found))], found[min(int(0.975 * len(found)), len(found) - 1)]
