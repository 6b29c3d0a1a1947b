"""The gate's three outcomes, with its own thresholds."""

import math

import pytest

from training.examples import EvaluationItem
from training.gate import Answered, judge, sign_test

ITEMS = [EvaluationItem(f"i{n}", (1,), (2,), f"the right answer number {n}") for n in range(12)]
GENERAL = [EvaluationItem(f"g{n}", (1,), (2,), "x") for n in range(10)]


def verdict(
    right_before: int, right_after: int, general_loss: float = 0.0, items=ITEMS, bad: str | None = None, ended=True
):
    """A gate over versions that answer the first so many prompts rightly."""

    def generate(version, asked):
        right = right_after if version == "new" else right_before
        texts = [item.reference if n < right else "something else entirely" for n, item in enumerate(asked)]
        if bad is not None and version == "new":
            texts = [bad] * len(texts)
        return [Answered(text, ended or version != "new") for text in texts]

    def score(version, asked):
        return [-2.0 - (general_loss if version == "new" else 0.0)] * len(asked)

    return judge("new", "old", items, GENERAL, generate, score)


def test_significantly_better_is_promoted():
    report = verdict(2, 9)
    assert (report.outcome, len(report.wins), len(report.losses), len(report.ties)) == ("promote", 7, 0, 5)
    assert report.p == pytest.approx(1 / 128)
    new, general = report.slices
    assert new.after > new.before and new.low < new.after - new.before < new.high
    assert general.before == general.after == -2.0


def test_a_little_better_is_not_enough_evidence():
    assert verdict(2, 5).outcome == "not enough evidence"
    assert verdict(0, 6, items=ITEMS[:6]).outcome == "not enough evidence", "too few frozen prompts"
    assert verdict(0, 0, items=[]).outcome == "not enough evidence"


def test_worse_is_rejected():
    assert verdict(9, 2).outcome == "reject"


def test_harm_on_the_general_slice_is_rejected():
    report = verdict(0, 12, general_loss=0.3)
    assert report.outcome == "reject" and "general slice lost 0.300" in report.summary


@pytest.mark.parametrize(("bad", "ended", "what"), [("", True, "empty"), ("the right answer number", False, "endless")])
def test_empty_and_endless_answers_are_vetoed(bad, ended, what):
    report = verdict(0, 12, bad=bad, ended=ended)
    assert report.outcome == "reject" and what in report.vetoes[0]


def test_the_sign_test_is_exact():
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == 1 / 32
    assert sign_test(8, 2) == pytest.approx(sum(math.comb(10, k) for k in (8, 9, 10)) / 1024)
