"""The figures of the review order: computed as said, and over clinc150 where it is present."""

import os
from pathlib import Path

import pytest

from bench import review
from core.errors import InvalidInput

DATA = Path(os.environ.get("APPRENTICE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def test_what_reviews_see_is_counted_in_distinct_failing_intents():
    ours, oldest = ["a", "b", "fine", "a"], ["a", "a", "fine", "b"]
    assert review._shares(ours, oldest, {"a", "b", "never asked"}, 2) == {
        "ours": 1.0,
        "oldest first": 0.5,
        "random": pytest.approx((5 / 6 + 3 / 6) / 2),
    }


@pytest.mark.skipif(
    not (DATA / "clinc150").is_dir(),
    reason="clinc150 is not there; APPRENTICE_TEST_DATA names the folder with clinc150/ in it",
)
def test_our_order_sees_more_where_people_say_what_is_wrong(monkeypatch):
    monkeypatch.setattr(review, "ASKED", 300)
    monkeypatch.setattr(review, "SEEDS", 2)
    covered = review.run(DATA)["people"]["as people do"]["covered"]
    assert covered[25]["ours"] > covered[25]["random"] > 0
    assert covered[200]["ours"] > covered[25]["ours"]


def test_missing_data_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="--data"):
        review.run(tmp_path)
