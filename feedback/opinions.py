"""Second opinions: a sampled share of decided answers is shown to another operator, blind, and how far they agree."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core import keys
from core.errors import InvalidInput
from core.privacy import scrub
from core.records import Opinion, Review, Verdict, from_json, now_ms, to_json
from core.store import Store, durable
from feedback.reviews import QueueItem, Reviews
from feedback.rows import IMPORTER
from feedback.turns import Turns

SHARE = 0.1
"""Of all turns, those whose decision another operator is asked about; which ones, a hash of the id says."""
LOOKED_AT = 1000
"""The newest decisions among which one is looked for."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two operators agree on what becomes of the same suggestion."""

    asked: int
    same: int
    kappa: float | None
    """Cohen (1960): agreement beyond chance, 1 at most; None where chance alone would always agree."""

    @property
    def share(self) -> float | None:
        """The share of answers on which both said the same."""
        return self.same / self.asked if self.asked else None


class Opinions:
    """Second opinions in Redis: no words, what was decided stays. Every method raises StoreUnavailable."""

    def __init__(self, store: Store, turns: Turns, reviews: Reviews):
        self._store, self._turns, self._reviews = store, turns, reviews

    def wanted_from(self, operator: str) -> list[str]:
        """The turns of the sample that somebody else has decided, and on which nobody was asked yet; newest first."""
        sampled = [
            review.turn
            for review in self._reviews.decided(0, LOOKED_AT)
            if is_sampled(review.turn) and review.reviewer not in (operator, IMPORTER)
        ]
        if not sampled:
            return []
        with durable():
            asked = self._store.zmscore(keys.OPINIONS, sampled)
        return [turn for turn, since in zip(sampled, asked, strict=True) if since is None]

    def give(self, item: QueueItem, operator: str, rejected: bool, text: str = "") -> Opinion:
        """Note what an operator would have made of an item: `text` approved, or rejected.

        Raises: InvalidInput where nobody else has decided it; NotFound.
        """
        review = self._reviews.get(item.turn.id)
        if review is None or review.reviewer == operator:
            raise InvalidInput("this answer is not one that another operator decided.")
        second = _verdict(item, "" if rejected else text)
        opinion = Opinion(item.turn.id, operator, second, review.reviewer, first_verdict(item, review), now_ms())
        oldest = opinion.created_at - 1000 * self._turns.retention_s
        with durable(), self._store.pipeline() as pipe:
            pipe.set(keys.opinion(item.turn.id), to_json(opinion), ex=self._turns.retention_s)
            pipe.zadd(keys.OPINIONS, {item.turn.id: opinion.created_at})
            pipe.zremrangebyscore(keys.OPINIONS, "-inf", oldest)
            pipe.execute()
        return opinion

    def all(self) -> list[Opinion]:
        """Every opinion that is kept, the newest first."""
        with durable():
            ids = self._store.zrevrange(keys.OPINIONS, 0, -1)
            texts = self._store.mget([keys.opinion(turn) for turn in ids]) if ids else []
        return [from_json(Opinion, text) for text in texts if text]


def forget_first_operator(store: Store, pipe: Store, author: str, instead: str) -> None:
    """Let no second opinion name who had decided first, within a transaction.

    Raises: StoreUnavailable.
    """
    with durable():
        ids = store.zrange(keys.OPINIONS, 0, -1)
        texts = store.mget([keys.opinion(turn) for turn in ids]) if ids else []
    for opinion in (from_json(Opinion, text) for text in texts if text):
        if opinion.first_operator == author:
            pipe.set(keys.opinion(opinion.turn), to_json(replace(opinion, first_operator=instead)), keepttl=True)


def agreement(opinions: Sequence[Opinion]) -> Agreement:
    """The share of equal verdicts, and Cohen's kappa between first and second operators.

    J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20 (1960) 37-46.
    """
    count = len(opinions)
    same = sum(opinion.first == opinion.verdict for opinion in opinions)
    first = Counter(opinion.first for opinion in opinions)
    second = Counter(opinion.verdict for opinion in opinions)
    by_chance = sum(first[verdict] * second[verdict] for verdict in first) / count**2 if count else 1.0
    kappa = (same / count - by_chance) / (1 - by_chance) if by_chance < 1 else None
    return Agreement(count, same, kappa)


def is_sampled(turn_id: str) -> bool:
    """Whether a second operator is asked about a turn."""
    return int.from_bytes(hashlib.sha256(turn_id.encode()).digest()[:4]) < SHARE * 2**32


def first_verdict(item: QueueItem, review: Review) -> Verdict:
    """What a decision made of what was suggested."""
    return _verdict(item, "" if review.decision == "reject" else review.text)


def _verdict(item: QueueItem, text: str) -> Verdict:
    if not text.strip():
        return "rejected"
    return "as suggested" if scrub(text.strip()) == scrub(item.suggestion.strip()) else "rewritten"
