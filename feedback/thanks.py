"""Whom to tell that their correction went live: one bot hears of each approval, and tells each person once."""

from dataclasses import dataclass

import redis

from core import keys
from core.records import Review, Turn, now_ms
from core.store import Store, durable
from feedback.reviews import Reviews
from feedback.turns import Turns

TAKEN_OVER_MS = 60_000
"""After this long without an acknowledgement another bot takes an approval up."""
AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Heard:
    """A decision that was made; `entry` is to be acknowledged."""

    entry: str
    turn: str


@dataclass(frozen=True, slots=True)
class Due:
    """Somebody to be told: since `at` (ms) their correction answers. `address` is the chat's outside id."""

    turn: str
    author: str
    chat: str
    address: str
    question: int | None
    at: int


class Thanks:
    """Who waits for news of their corrections. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, turns: Turns, reviews: Reviews):
        self._store, self._turns, self._reviews = store, turns, reviews

    def expect(self, turn_id: str, author: str, chat: str, address: str) -> None:
        """The author of a correction wants to hear when it goes live."""
        with durable():
            self._store.set(keys.thanks(chat, turn_id, author), address, ex=self._turns.retention_s)

    def expect_no_longer(self, turn_id: str, author: str, chat: str) -> None:
        """The correction was taken back, or its author was told."""
        with durable():
            self._store.delete(keys.thanks(chat, turn_id, author))

    def begin(self) -> None:
        """Hear of approvals from now on; those of while no bot ran are heard later, once it has run before."""
        with durable():
            try:
                self._store.xgroup_create(keys.APPROVALS, keys.TELLING, id="$", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def heard(self, bot: str) -> list[Heard]:
        """Decisions that this bot is to look at: new ones, and those that another left unacknowledged."""
        with durable():
            try:
                left = self._store.xautoclaim(keys.APPROVALS, keys.TELLING, bot, TAKEN_OVER_MS, count=AT_ONCE)[1]
                new = self._store.xreadgroup(keys.TELLING, bot, {keys.APPROVALS: ">"}, count=AT_ONCE)
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                self.begin()
                return []
        entries = [*left, *(entry for _, found in new for entry in found)]
        return [Heard(entry, fields["turn"]) for entry, fields in entries]

    def acknowledge(self, heard: Heard) -> None:
        """Nobody is left to be told of a decision."""
        with durable():
            self._store.xack(keys.APPROVALS, keys.TELLING, heard.entry)

    def due(self, turn_id: str) -> list[Due]:
        """Those who were not told yet, of the people whose corrections the decision in force took over."""
        review, turn = self._reviews.get(turn_id), self._turns.get_many([turn_id]).get(turn_id)
        if review is None or review.decision != "edit" or review.is_over(now_ms()) or turn is None or turn.chat is None:
            return []
        found = (self._due(turn, turn.chat, author, review) for author in review.correctors or ())
        return [due for due in found if due is not None]

    def told(self, due: Due) -> None:
        """They were told, or are not there any more."""
        self.expect_no_longer(due.turn, due.author, due.chat)

    def _due(self, turn: Turn, chat: str, author: str, review: Review) -> Due | None:
        with durable():
            if not self._store.sismember(keys.approved_of(author), turn.id):
                return None
            address = self._store.get(keys.thanks(chat, turn.id, author))
        if address is None:
            return None
        return Due(turn.id, author, chat, address, self._turns.asked(chat, turn.id), review.created_at)
