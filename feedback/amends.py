"""Edited answers for people who did not like the first: sent under their question, once, where an operator wants it."""

from dataclasses import dataclass

from core import keys
from core.errors import InvalidInput
from core.records import Review, Turn, now_ms
from core.store import Store, durable
from feedback.audit import AuditLog
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.turns import Turns


@dataclass(frozen=True, slots=True)
class Amend:
    """An edited answer to be sent. `address` is the chat's outside id, `question` the message in it that asked."""

    turn: str
    author: str
    chat: str
    topic: str | None
    address: str
    question: int | None
    text: str
    corrected: bool
    """Whether who asked wrote a correction, and did not only give a thumb down."""


class Amends:
    """Which edited answers are to be sent. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, turns: Turns, ratings: Ratings, reviews: Reviews):
        self._store, self._turns, self._ratings, self._reviews = store, turns, ratings, reviews
        self._audit = AuditLog(store)

    def note(self, turn_id: str, author: str, address: str) -> None:
        """Remember where who asked is reached, as long as a thumb down or a correction of theirs stands."""
        turn = self._turns.get_many([turn_id]).get(turn_id)
        if turn is None or turn.author != author or turn.chat is None:
            return
        key = keys.amends(turn.chat, turn.id, author)
        with durable():
            if self._complaint(turn) is None:
                self._store.delete(key)
            else:
                self._store.set(key, address, ex=self._turns.retention_s)

    def why_not(self, turn_id: str) -> InvalidInput | None:
        """Why the edited answer to a turn cannot be sent to who asked; None: it can.

        Raises: NotFound.
        """
        turn = self._turns.get(turn_id)
        if self._edit(turn) is None:
            return InvalidInput("no edited answer is in force here; decide `edit` first.", "not_edited")
        with durable():
            if self._store.exists(keys.amended(turn_id)):
                return InvalidInput("the edited answer was sent already, and is sent once.", "sent_already")
        if self._complaint(turn) is None:
            return InvalidInput(
                "whoever asked gave no 👎 and no correction, so nothing is to be put right.", "not_disliked"
            )
        if self._address(turn) is None:
            return InvalidInput(
                "whoever asked cannot be reached: they asked elsewhere than in Telegram, or too long ago.",
                "unreachable",
            )
        return None

    def ask(self, turn_id: str, who: str) -> None:
        """Have the edited answer sent by the bot, as soon as one runs; the audit log tells who wanted it.

        Raises: NotFound, InvalidInput where it cannot be sent.
        """
        why_not = self.why_not(turn_id)
        if why_not is not None:
            raise why_not
        with durable(), self._store.pipeline() as pipe:
            pipe.zadd(keys.AMENDS, {turn_id: now_ms()})
            self._audit.note(who, "send the edited answer", turn_id, pipe=pipe)
            pipe.execute()

    def waiting(self) -> list[str]:
        """Turns whose edited answer is to be sent, oldest request first."""
        with durable():
            return self._store.zrange(keys.AMENDS, 0, -1)

    def due(self, turn_id: str) -> Amend | None:
        """What is to be sent. None: it is sent already, or not to be sent any more, and waits no longer."""
        turn = self._turns.get_many([turn_id]).get(turn_id)
        review, complaint = (self._edit(turn), self._complaint(turn)) if turn else (None, None)
        address = self._address(turn) if turn and turn.chat else None
        with durable():
            if (
                turn is None
                or turn.chat is None
                or turn.author is None
                or review is None
                or complaint is None
                or address is None
                or self._store.exists(keys.amended(turn_id))
            ):
                self._store.zrem(keys.AMENDS, turn_id)
                return None
        question = self._turns.asked(turn.chat, turn_id)
        return Amend(
            turn_id, turn.author, turn.chat, turn.topic, address, question, review.text, complaint == "corrected"
        )

    def sent(self, amend: Amend) -> None:
        """It was sent, or nobody is there any more who could get it."""
        with durable(), self._store.pipeline() as pipe:
            pipe.set(keys.amended(amend.turn), now_ms(), ex=self._turns.retention_s)
            pipe.zrem(keys.AMENDS, amend.turn)
            pipe.execute()

    def _edit(self, turn: Turn) -> Review | None:
        review = self._reviews.get(turn.id)
        if review is None or review.decision != "edit" or review.is_over(now_ms()):
            return None
        return review

    def _complaint(self, turn: Turn) -> str | None:
        (said,) = self._ratings.said_about([turn.id])
        if any(correction.author == turn.author for correction in said.corrections):
            return "corrected"
        return "down" if any(vote.author == turn.author and vote.value < 0 for vote in said.votes) else None

    def _address(self, turn: Turn) -> str | None:
        if turn.chat is None or turn.author is None:
            return None
        with durable():
            return self._store.get(keys.amends(turn.chat, turn.id, turn.author))
