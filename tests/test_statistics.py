"""The gate's statistics against values worked out by hand or printed in tables."""

import math

import pytest

from training.statistics import mean_difference, sign_test, student_975, tally, win_share


def test_the_sign_test_is_exact():
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == 1 / 32
    assert sign_test(0, 5) == 1.0
    assert sign_test(8, 2) == pytest.approx(sum(math.comb(10, k) for k in (8, 9, 10)) / 1024)


def test_close_scores_are_ties():
    assert tally([0.5, 0.5, 0.5, 0.5, 0.5], [0.51, 0.49, 0.53, 1.0, 0.0]) == (2, 1)


def test_the_share_of_wins_has_clopper_and_pearsons_interval():
    # Ten of ten: the lower end solves p**10 = 0.025. Eight of ten is in every table: 0.4439 to 0.9748.
    assert win_share(10, 0) == (pytest.approx(0.025**0.1, abs=1e-6), 1.0)
    assert win_share(0, 10) == (0.0, pytest.approx(1 - 0.025**0.1, abs=1e-6))
    assert win_share(8, 2) == (pytest.approx(0.4439, abs=1e-4), pytest.approx(0.9748, abs=1e-4))
    low, high = win_share(300, 300)
    assert 0.459 < low < 0.461 and 0.539 < high < 0.541


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (3, 3.182), (7, 2.365), (29, 2.045), (1000, 1.962)]
)
def test_students_quantile_is_that_of_the_tables(freedom, quantile):
    assert student_975(freedom) == pytest.approx(quantile, rel=0.01)


def test_the_interval_of_a_mean_difference():
    # Differences 0, 1, 0, 1: mean 1/2, standard error sqrt(1/3)/2, three degrees of freedom.
    low, high = mean_difference([0, 0, 1, 0], [0, 1, 1, 1])
    half = 3.182 * math.sqrt(1 / 3) / 2
    assert (low, high) == (pytest.approx(0.5 - half, abs=0.01), pytest.approx(0.5 + half, abs=0.01))
    assert mean_difference([0.2], [0.5]) == (pytest.approx(0.3),) * 2
    assert mean_difference([], []) == (0.0, 0.0)
