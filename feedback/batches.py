"""Bulk decisions: one decision about many turns of the queue, made in chunks, and taken back as a whole."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core import keys
from core.errors import NotFound
from core.records import Decision, Scope, Turn, new_id
from core.store import Store, durable
from feedback.ratings import Ratings, Said
from feedback.reviews import NewDecision, Reviews
from feedback.shown import approvable
from feedback.turns import Turns, stays_in_chat

CHUNK = 100
"""Turns that are decided, or taken back, at a time."""
LIFE_S = 86_400


@dataclass(frozen=True, slots=True)
class Batch:
    """A bulk decision as it stands: turns that it is still to decide, and those that it decided."""

    id: str
    waiting: int
    made: int


class Batches:
    """Bulk decisions in Redis, turns only: what is decided is said with each chunk, and stands in the reviews.

    Every method raises StoreUnavailable where Redis is away. Two that work on one batch get different turns.
    """

    def __init__(self, store: Store, turns: Turns, ratings: Ratings, reviews: Reviews):
        self._store, self._turns, self._ratings, self._reviews = store, turns, ratings, reviews

    def begin(self, turn_ids: Sequence[str]) -> Batch:
        """A batch that is to decide these turns."""
        batch_id = new_id()
        with durable(), self._store.pipeline() as pipe:
            for at in range(0, len(turn_ids), CHUNK):
                pipe.rpush(keys.batch(batch_id, "waiting"), *turn_ids[at : at + CHUNK])
            pipe.expire(keys.batch(batch_id, "waiting"), LIFE_S)
            pipe.execute()
        return self.get(batch_id)

    def get(self, batch_id: str) -> Batch:
        """A batch as it stands; one that is over and done with has nothing in it."""
        with durable(), self._store.pipeline() as pipe:
            pipe.llen(keys.batch(batch_id, "waiting"))
            pipe.llen(keys.batch(batch_id, "made"))
            waiting, made = pipe.execute()
        return Batch(batch_id, waiting, made)

    def decide(
        self,
        batch_id: str,
        decision: Decision,
        reviewer: str,
        scope: Scope,
        why: str = "",
        text: str = "",
        spared: Collection[str] = (),
    ) -> Batch:
        """Decide the next chunk: approve what is suggested, give all the same `text` (an edit), or reject.

        Turns that were decided meanwhile, that are `spared`, or that the scope is refused to, keep as they are.

        Raises: InvalidInput; the chunk goes on waiting in the queue then, and is not in the batch any more.
        """
        with durable():
            chunk = self._store.lpop(keys.batch(batch_id, "waiting"), CHUNK) or []
        decisions = self._decisions([t for t in chunk if t not in spared], decision, scope, why, text)
        made = self._reviews.decide_many(decisions, reviewer) if decisions else []
        if made:
            with durable(), self._store.pipeline() as pipe:
                pipe.rpush(keys.batch(batch_id, "made"), *(f"{review.turn}:{review.created_at}" for review in made))
                pipe.expire(keys.batch(batch_id, "made"), LIFE_S)
                pipe.execute()
        return self.get(batch_id)

    def undo(self, batch_id: str) -> Batch:
        """Take the next chunk of its decisions back, those that are still in force."""
        with durable():
            self._store.delete(keys.batch(batch_id, "waiting"))
            chunk = self._store.lpop(keys.batch(batch_id, "made"), CHUNK) or []
        for entry in chunk:
            turn_id, _, made_at = entry.partition(":")
            try:
                self._reviews.undo_one_of_many(turn_id, int(made_at))
            except NotFound:
                continue  # decided otherwise since, or gone
        return self.get(batch_id)

    def _decisions(
        self, turn_ids: Sequence[str], decision: Decision, scope: Scope, why: str, text: str
    ) -> list[NewDecision]:
        found = self._turns.get_many(self._still_waiting(turn_ids))
        said = self._ratings.said_about(list(found))
        refused = decision != "reject" and scope == "everyone"
        made = [
            _new(turn, about, decision, scope, why, text)
            for turn, about in zip(found.values(), said, strict=True)
            if not (refused and self._stays(turn))
        ]
        return [d for d in made if d.decision == "reject" or d.text.strip()]

    def _still_waiting(self, turn_ids: Sequence[str]) -> list[str]:
        if not turn_ids:
            return []
        with durable():
            scores = self._store.zmscore(keys.QUEUE, list(turn_ids))
        return [turn for turn, score in zip(turn_ids, scores, strict=True) if score is not None]

    def _stays(self, turn: Turn) -> bool:
        return stays_in_chat([*self._turns.conversation(turn.parent), turn])


def _new(turn: Turn, said: Said, decision: Decision, scope: Scope, why: str, text: str) -> NewDecision:
    if decision == "approve":
        suggested = said.corrections[0].text if said.corrections else approvable(turn)
        return NewDecision(turn, "edit" if said.corrections else "approve", scope, suggested, why, said)
    return NewDecision(turn, decision, scope, text, why, said)
