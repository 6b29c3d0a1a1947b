"""The mathematics of the canary's test: exact values by hand, fair bets, and the rule as it is simulated."""

from itertools import count, pairwise
from math import comb

import numpy as np
import pytest

from bench import alarms
from bench.alarms import World, learn, simulate
from core.records import from_json, to_json
from feedback.evidence import (
    LEVEL,
    MARGIN,
    PARTS,
    SIGNALS,
    WORSE,
    Evidence,
    Outcome,
    after,
    e_value,
    log_ratios,
    stratified,
    verdict,
)

NEW = count()


def numbers(*values: int) -> np.ndarray:
    return np.array(values)


def outcomes(canary_bad: int, canary: int, live_bad: int, live: int, signal: str = "down") -> list[Outcome]:
    """A window of chats that were not seen before and are not seen again."""
    arms = [(True, n < canary_bad) for n in range(canary)] + [(False, n < live_bad) for n in range(live)]
    return [Outcome(str(next(NEW)), arm, frozenset({signal} if bad else ())) for arm, bad in arms]


def test_a_table_of_two_and_two_by_hand():
    """Two bad outcomes among two and two: weights 1, 4 w and w^2, so that P_1(2) = 1/6 and P_3(2) = 9/22."""
    found = log_ratios(numbers(2), numbers(2), numbers(2), numbers(2), (3.0, 1.0), 1.0)
    assert np.exp(found) == pytest.approx(np.array([[6 * 9 / 22, 1.0]]))
    found = log_ratios(numbers(0), numbers(2), numbers(2), numbers(2), (1.0,), 3.0)
    assert np.exp(found) == pytest.approx(np.array([[22 / 6]]))


def test_a_table_that_can_only_be_as_it_is_says_nothing():
    x, canary, live, bad = numbers(0, 3, 1, 0), numbers(3, 3, 1, 0), numbers(4, 2, 0, 5), numbers(0, 5, 1, 2)
    assert log_ratios(x, canary, live, bad, WORSE, 1.0) == pytest.approx(np.zeros((4, len(WORSE))))


def test_the_bets_are_fair_without_a_difference_and_not_favourable_beyond_the_margin():
    """Expectations over the whole distribution of a table of 7 and 12 with 6 bad."""
    every = np.arange(7)
    given = (every, np.full(7, 7), np.full(7, 12), np.full(7, 6))
    without = np.array([comb(7, x) * comb(12, 6 - x) / comb(19, 6) for x in every])
    worse = np.exp(log_ratios(*given, WORSE, 1.0))
    assert without @ worse == pytest.approx(np.ones(len(WORSE)))
    not_worse = np.exp(log_ratios(*given, (1.0,), MARGIN))[:, 0]
    at_margin, beyond, better = without * np.exp(log_ratios(*given, (MARGIN, 3.0, 0.5), 1.0)).T
    assert at_margin @ not_worse == pytest.approx(1)
    assert beyond @ not_worse < 1 < better @ not_worse


def test_among_chats_that_keep_their_temper_the_bets_stay_fair():
    """No difference, correlation 0.3 and drift: the mean of what each run has after 12 windows is one, and not more."""
    draw = np.random.default_rng(11)
    world, runs = World(chats=40, share=0.5, active=0.5, correlation=0.3), 2000
    chats, known = alarms._chats(world, runs, draw), alarms._nothing((runs, world.chats))
    for window in range(12):
        learn(known, chats.canary, *alarms._window(world, chats, np.full(runs, np.sin(window)), draw))
    for values in (*np.exp(known.worse["down"][:, :2]).T, e_value(known.worse["complaint"])):
        assert abs(values.mean() - 1) < 4 * values.std() / runs**0.5
    assert np.exp(known.not_worse).mean() > 1, "which is against the odds of the margin, and must grow"


def test_chats_are_compared_with_those_of_the_same_history_only():
    canary, bad = np.array([True, False, True, False]), np.array([True, False, True, False])
    strata, ratios = stratified(canary, bad, numbers(0, 0, 1, 2), WORSE)
    assert strata.tolist() == [0, 1, 2]
    assert (ratios[0] > 0).all() and not ratios[1:].any(), "the last two have nobody to be compared with"


def test_a_brigading_voter_is_alone_after_its_first_windows():
    """One chat of the canary that is never content, among many that are: it is counted against once."""
    known, seen = Evidence(), []
    for _ in range(30):
        window = [Outcome("angry", True, frozenset({"down"}))]
        window += [Outcome(str(n), n < 20, frozenset()) for n in range(100)]
        known = after(known, window)
        seen.append(known.worse["down"])
    assert known.bad["down"] == (30, 0) and verdict(known) is None
    assert all(a == b for a, b in pairwise(seen)), "after the first window it is compared with nobody"


def test_a_worse_version_is_found_by_the_signal_that_shows_it():
    known = until_verdict(5, 2, "cut")
    found = verdict(known)
    assert found.outcome == "rollback" and "answers cut at their limit in" in found.why
    n = known.windows
    assert f"{5 * n} of the canary's {10 * n} outcomes beside {2 * n} of live's {40 * n}" in found.why
    assert n > 1 and e_value(after(Evidence(), outcomes(5, 10, 2, 40, "cut")).worse["cut"]) < 1 / PARTS["cut"]
    assert known.bad["complaint"] == (0, 0), "a long answer is no complaint"


def test_a_version_as_good_is_promoted_and_a_better_one_sooner():
    as_good, better = until_verdict(2, 8), until_verdict(0, 8)
    for known in (as_good, better):
        found = verdict(known)
        assert found.outcome == "promote" and "not worse: first complaints in" in found.why
    assert 1 < better.windows < as_good.windows


def until_verdict(canary_bad: int, live_bad: int, signal: str = "down") -> Evidence:
    """Windows of 10 new chats with the canary beside 40 without, as many as it takes."""
    known = Evidence()
    for _ in range(100):
        known = after(known, outcomes(canary_bad, 10, live_bad, 40, signal))
        if verdict(known):
            return known
    raise AssertionError("no verdict")


def test_the_parts_of_the_level_add_up_and_what_is_kept_is_read_again():
    assert sum(PARTS.values()) == pytest.approx(LEVEL)
    known = after(after(Evidence(), outcomes(3, 5, 2, 9)), [])
    assert known.windows == 2 and from_json(Evidence, to_json(known)) == known


def test_what_is_simulated_is_the_rule_itself():
    """One simulated run, window by window, and the same chats told to the rule that judges real ones."""
    draw = np.random.default_rng(5)
    world = World(chats=60, share=0.5, down=0.4, active=0.5)
    chats, known, told = alarms._chats(world, 1, draw), alarms._nothing((1, 60)), Evidence()
    for _ in range(8):
        active, bad = alarms._window(world, chats, np.zeros(1), draw)
        learn(known, chats.canary, active, bad)
        raw = [name for name in SIGNALS if name != "complaint"]
        told = after(
            told,
            [
                Outcome(str(n), bool(chats.canary[0, n]), frozenset(name for name in raw if bad[name][0, n]))
                for n in np.flatnonzero(active[0])
            ],
        )
    for name in SIGNALS:
        assert told.worse[name] == pytest.approx(known.worse[name][0])
    assert told.not_worse == pytest.approx(known.not_worse[0]) and told.not_worse != 0


@pytest.mark.parametrize(
    ("world", "end"),
    [
        (World(chats=150, brigading="canary"), "rolled_back"),
        (World(chats=150, share=0.5, correlation=0, drift=0), "rolled_back"),
        (World(chats=150, share=0.5, down=alarms.AT_MARGIN, brigading="live"), "promoted"),
    ],
)
def test_the_whole_rule_errs_no_more_often_than_it_may(world, end):
    assert simulate(world, 200, 7)[end] <= LEVEL


def test_a_much_worse_version_is_found():
    found = simulate(World(chats=600, share=0.5, down=alarms.WORSE_DOWN), 20, 7)
    assert found["rolled_back"] >= 0.9 and found["promoted"] == 0 and found["rolled_back_windows"] < 24
