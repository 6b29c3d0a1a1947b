"""An operator's walk through the review queue: what comes next, what was skipped, and which message shows what."""

from collections.abc import Collection

from core import keys
from core.store import Store, durable
from feedback.claims import Claims
from feedback.reviews import QueueItem, Reviews

WALK_S = 86_400


class Walks:
    """Walks in Redis, each an operator's own. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, reviews: Reviews):
        self._store, self._reviews, self._claims = store, reviews, Claims(store)

    def begin(self, author: str) -> None:
        """Walk from the start: nothing is skipped."""
        with durable():
            self._store.delete(keys.skipped(author))

    def skip(self, author: str, turn_id: str) -> None:
        """Pass a turn over, until the next walk begins."""
        with durable(), self._store.pipeline() as pipe:
            pipe.sadd(keys.skipped(author), turn_id)
            pipe.expire(keys.skipped(author), WALK_S)
            pipe.execute()

    def next(self, author: str) -> QueueItem | None:
        """The turn to decide next. None: nothing waits that was not skipped, and that no page of the console shows."""
        return next_item(self._reviews, self.skipped(author) | self._claims.of_others(author))

    def skipped(self, author: str) -> set[str]:
        """The turns that were passed over on this walk."""
        with durable():
            return self._store.smembers(keys.skipped(author))

    def note_card(self, chat: str, message: int, turn_id: str) -> None:
        """Remember which turn a message shows an operator."""
        with durable():
            self._store.set(keys.card(chat, message), turn_id, ex=WALK_S)

    def card(self, chat: str, message: int) -> str | None:
        """The turn that a message shows an operator."""
        with durable():
            return self._store.get(keys.card(chat, message))


def next_item(reviews: Reviews, skipped: Collection[str]) -> QueueItem | None:
    """The first turn of the queue that is not among those skipped."""
    while True:
        waiting = reviews.waiting()
        found = next((item for item in reviews.queue(len(skipped) + 1) if item.turn.id not in skipped), None)
        if found or reviews.waiting() == waiting:
            return found
