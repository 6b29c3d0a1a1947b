"""Feedback events about turns: thumbs, corrections, regenerations. One vote per author and turn; the last wins."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from core import keys
from core.errors import InvalidInput, NotFound
from core.privacy import scrub
from core.records import Correction, Rating, Regeneration, Signal, Turn, from_json, now_ms, to_json
from core.store import Store, durable
from feedback.events import Events
from feedback.order import ReviewOrder
from feedback.turns import Turns

T = TypeVar("T", Rating, Correction, Regeneration)
PENDING_S = 3600
AT_ONCE = 500
"""Turns that are read in one round trip."""
MAX_CORRECTION = 8000
"""Characters; a longer text is a document, not an answer."""


@dataclass(frozen=True, slots=True)
class Said:
    """Everything that people said about one turn: every author's present thumb and correction, newest first."""

    votes: tuple[Rating, ...] = ()
    corrections: tuple[Correction, ...] = ()
    regenerations: tuple[Regeneration, ...] = ()


class Ratings:
    """Records feedback, without personal data; what it returns from is stored and in the operators' queue."""

    def __init__(self, store: Store, turns: Turns):
        self._store = store
        self._turns = turns
        self._order = ReviewOrder(store, turns)
        self._events = Events(store, turns)

    def rate(
        self,
        turn_id: str,
        author: str,
        value: Literal[-1, 0, 1],
        reason: str | None = None,
        against: str | None = None,
    ) -> None:
        """Set an author's thumb about a turn (0 takes it back), which was preferred to another one, if that is named.

        Raises: NotFound, StoreUnavailable.
        """
        turn = self._turns.get(turn_id)
        rating = Rating(turn_id, author, value, reason and scrub(reason), now_ms(), against)
        self._store_event(turn, rating, keys.votes(turn_id))

    def correct(self, turn_id: str, author: str, text: str) -> None:
        """Set what an author says the answer should have been.

        Raises: NotFound, InvalidInput, StoreUnavailable.
        """
        turn = self._turns.get(turn_id)
        correction = Correction(turn_id, author, correction_text(text), now_ms())
        self._store_event(turn, correction, keys.corrections(turn_id))

    def take_back_correction(self, turn_id: str, author: str) -> None:
        """Take an author's correction back, as long as nobody has decided on the turn.

        Raises: NotFound, InvalidInput, StoreUnavailable.
        """
        turn, record = self._turns.get(turn_id), keys.corrections(turn_id)
        with durable():
            if not self._store.hexists(record, author):
                raise NotFound("there is no correction to take back.")
            if self._store.exists(keys.review(turn_id)):
                raise InvalidInput("an operator has decided on this already; ask them to change it.", "decided_already")
        (said,) = self.said_about([turn_id])
        others = [c for c in said.corrections if c.author != author]
        with durable(), self._store.pipeline() as pipe:
            pipe.hdel(record, author)
            self._events.note(pipe, Correction(turn_id, author, "", now_ms()), record)
            if others or any(vote.value for vote in said.votes):
                self._order.enter(pipe, turn, now_ms(), False)
            else:
                pipe.zrem(keys.QUEUE, turn_id)
                pipe.zrem(keys.QUEUE_KINDS, turn_id)
            pipe.execute()

    def regenerated(self, turn_id: str, replacement: str, author: str) -> None:
        """Note that an author had a turn answered again; each replacement is noted once.

        Raises: NotFound, StoreUnavailable.
        """
        self._turns.get(turn_id)
        if any(known.replacement == replacement for known in self.regenerations(turn_id)):
            return
        event = Regeneration(turn_id, replacement, author, now_ms())
        with durable(), self._store.pipeline() as pipe:
            pipe.rpush(keys.regenerations(turn_id), to_json(event))
            self._events.note(pipe, event, keys.regenerations(turn_id))
            pipe.execute()

    def votes(self, turn_id: str) -> list[Rating]:
        """Every author's present thumb about a turn."""
        with durable():
            return [from_json(Rating, text) for text in self._store.hvals(keys.votes(turn_id))]

    def vote(self, turn_id: str, author: str) -> int | None:
        """An author's present thumb about a turn: 1, -1, or 0 where it was taken back; None: there never was one."""
        return next((vote.value for vote in self.votes(turn_id) if vote.author == author), None)

    def preferred_to(self, turn_ids: Sequence[str]) -> dict[str, str]:
        """Of these turns, those that somebody preferred to another, with that other one; the newest pick counts."""
        found: dict[str, str] = {}
        for at in range(0, len(turn_ids), AT_ONCE):
            ids = turn_ids[at : at + AT_ONCE]
            with durable(), self._store.pipeline(transaction=False) as pipe:
                for turn_id in ids:
                    pipe.hvals(keys.votes(turn_id))
                votes = [_newest_first(Rating, texts) for texts in pipe.execute()]
            others = {turn_id: preferred_to(said) for turn_id, said in zip(ids, votes, strict=True)}
            found |= {turn_id: other for turn_id, other in others.items() if other}
        return found

    def corrections(self, turn_id: str) -> list[Correction]:
        """Every author's present correction of a turn, newest first."""
        with durable():
            found = [from_json(Correction, text) for text in self._store.hvals(keys.corrections(turn_id))]
        return sorted(found, key=lambda c: -c.created_at)

    def regenerations(self, turn_id: str) -> list[Regeneration]:
        """The times a turn was answered again."""
        with durable():
            return [from_json(Regeneration, text) for text in self._store.lrange(keys.regenerations(turn_id), 0, -1)]

    def said_about(self, turn_ids: Sequence[str]) -> list[Said]:
        """What was said about each of the turns, in one round trip.

        Raises: StoreUnavailable.
        """
        with durable(), self._store.pipeline(transaction=False) as pipe:
            for turn_id in turn_ids:
                pipe.hvals(keys.votes(turn_id))
                pipe.hvals(keys.corrections(turn_id))
                pipe.lrange(keys.regenerations(turn_id), 0, -1)
            found = pipe.execute()
        return [
            Said(_newest_first(Rating, votes), _newest_first(Correction, texts), _newest_first(Regeneration, again))
            for votes, texts, again in zip(found[::3], found[1::3], found[2::3], strict=True)
        ]

    def signals(self, turn_ids: Sequence[str]) -> dict[str, set[Signal]]:
        """What people have said against turns, in one round trip."""
        return {
            turn_id: {
                signal
                for signal, given in (
                    ("down", any(vote.value < 0 for vote in said.votes)),
                    ("corrected", bool(said.corrections)),
                    ("regenerated", bool(said.regenerations)),
                )
                if given
            }
            for turn_id, said in zip(turn_ids, self.said_about(turn_ids), strict=True)
        }

    def await_correction(self, chat: str, author: str, turn_id: str) -> None:
        """This author's next message in the chat corrects the turn."""
        with durable():
            self._store.set(keys.pending(chat, author), turn_id, ex=PENDING_S)

    def pending(self, chat: str, author: str) -> str | None:
        """The turn that this author's next message would correct, if one is awaited."""
        with durable():
            return self._store.get(keys.pending(chat, author))

    def take_pending(self, chat: str, author: str) -> str | None:
        """The turn that this author's next message would correct, if one is awaited; it is awaited no longer."""
        with durable():
            return self._store.getdel(keys.pending(chat, author))

    def _store_event(self, turn: Turn, event: Rating | Correction, record: str) -> None:
        new_kind = self._order.is_of_a_new_kind(turn)
        with durable(), self._store.pipeline() as pipe:
            pipe.hset(record, event.author, to_json(event))
            self._events.note(pipe, event, record)
            self._order.enter(pipe, turn, event.created_at, new_kind)
            pipe.execute()


def preferred_to(votes: Iterable[Rating]) -> str | None:
    """The turn to which the one that these votes are about was preferred, by the first of them that says so."""
    return next((vote.against for vote in votes if vote.value == 1 and vote.against), None)


def correction_text(text: str) -> str:
    """A correction as it is stored: without personal data.

    Raises: InvalidInput where it is empty or too long.
    """
    text = text.strip()
    if not text:
        raise InvalidInput(
            "a correction must say something; write what the answer should have been.", "correction_empty"
        )
    if len(text) > MAX_CORRECTION:
        raise InvalidInput(
            f"a correction may have {MAX_CORRECTION} characters, and this one has {len(text)}.",
            "correction_too_long",
            most=MAX_CORRECTION,
            characters=len(text),
        )
    return scrub(text)


def _newest_first(kind: type[T], texts: Sequence[str]) -> tuple[T, ...]:
    return tuple(sorted((from_json(kind, text) for text in texts), key=lambda event: -event.created_at))
