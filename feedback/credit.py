"""Whose decisions went live: those of an operator that a version learned and the one before it had not."""

from collections.abc import Collection

from core.records import Review
from feedback.reviews import Reviews


def credited(reviews: Reviews, who: str, learned: Collection[str], before: Collection[str]) -> list[Review]:
    """An operator's decisions in force about the turns that are `learned` and were not `before`, the newest first.

    Raises: StoreUnavailable.
    """
    new = sorted(set(learned).difference(before))
    mine = [review for review in reviews.get_many(new).values() if review.reviewer == who]
    return sorted(mine, key=lambda review: -review.created_at)
