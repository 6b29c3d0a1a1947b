"""Operators' decisions: what waits for one, and what an approval sets in motion."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from redis import WatchError

from core import keys
from core.errors import InvalidInput, NotFound
from core.identity import Pseudonyms
from core.privacy import scrub
from core.records import (
    ApprovedAnswer,
    Correction,
    Decision,
    Rating,
    Regeneration,
    Review,
    Scope,
    Split,
    Turn,
    from_json,
    now_ms,
    to_json,
)
from core.store import Store, durable
from feedback.audit import AuditLog
from feedback.likeness import jaccard, words
from feedback.order import ReviewOrder, reason, since
from feedback.ratings import Ratings, Said
from feedback.shown import approvable
from feedback.sides import Sides
from feedback.turns import Turns, question, stays_in_chat, system_text

TAKEN_OVER = 0.5
"""A correction that shares this much of its words with the approved text was approved with it."""

BATCH = 500
"""Decisions read in one round trip."""

_LET_GO = """
redis.call('SREM', KEYS[2], ARGV[1])
if redis.call('ZSCORE', KEYS[1], ARGV[2]) or redis.call('EXISTS', KEYS[2]) == 1 then return end
for i = 3, #KEYS do
  if redis.call('PTTL', KEYS[i]) == -1 then redis.call('EXPIRE', KEYS[i], ARGV[3]) end
end
"""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A turn with everything said about it, and why it stands where it does in the queue; empty: it is not in it."""

    turn: Turn
    conversation: tuple[Turn, ...]
    votes: tuple[Rating, ...]
    corrections: tuple[Correction, ...]
    regenerations: tuple[Regeneration, ...]
    why: str = ""

    @property
    def suggestion(self) -> str:
        """What an operator would approve: the newest correction, or the answer in plain words."""
        return self.corrections[0].text if self.corrections else approvable(self.turn)


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision about to be made. `text` is the approved answer; `said` is what people had said before it."""

    turn: Turn
    decision: Decision
    scope: Scope
    text: str
    why: str = ""
    said: Said = Said()
    until: int | None = None
    """When (ms) an approval shall end."""


class Reviews:
    """The review queue and the decisions in force."""

    def __init__(self, store: Store, turns: Turns, ratings: Ratings, pseudonyms: Pseudonyms):
        self._store = store
        self._turns = turns
        self._ratings = ratings
        self._sides = Sides(store, turns, pseudonyms)
        self._order = ReviewOrder(store, turns)
        self._audit = AuditLog(store)
        self._let_go_of = store.register_script(_LET_GO)

    def waiting(self) -> int:
        """How many turns wait for a decision."""
        with durable():
            return self._store.zcard(keys.QUEUE)

    def oldest(self) -> int | None:
        """Since when (ms) the turn waits that has waited longest."""
        with durable():
            scores = [score for _, score in self._store.zrange(keys.QUEUE, 0, -1, withscores=True)]
        return min(map(since, scores), default=None)

    def queue(self, limit: int = 50) -> list[QueueItem]:
        """The turns to decide next (see `feedback.order`). Turns that outlived the record leave the queue."""
        with durable():
            scores = dict(self._store.zrange(keys.QUEUE, 0, limit - 1, withscores=True))
        ids = list(scores)
        found = self._turns.get_many(ids)
        gone = [turn_id for turn_id in ids if turn_id not in found]
        if gone:
            with durable():
                self._store.zrem(keys.QUEUE, *gone)
        here = [turn_id for turn_id in ids if turn_id in found]
        said = self._ratings.said_about(here)
        return [self._item(found[t], about, reason(scores[t])) for t, about in zip(here, said, strict=True)]

    def item(self, turn_id: str) -> QueueItem:
        """One turn with its conversation and feedback.

        Raises: NotFound.
        """
        turn = self._turns.get(turn_id)
        (said,) = self._ratings.said_about([turn_id])
        with durable():
            score = self._store.zscore(keys.QUEUE, turn_id)
        return self._item(turn, said, "" if score is None else reason(score))

    def _item(self, turn: Turn, said: Said, why: str = "") -> QueueItem:
        past = tuple(self._turns.conversation(turn.parent))
        return QueueItem(turn, past, said.votes, said.corrections, said.regenerations, why)

    def approve(self, item: QueueItem, reviewer: str, scope: Scope, text: str = "") -> Review:
        """Approve what is suggested, or a better text.

        Raises: NotFound, InvalidInput, StoreUnavailable.
        """
        text = text or (item.suggestion if item.corrections else "")
        return self.decide(item.turn.id, "edit" if text else "approve", reviewer, scope, text)

    def decide(
        self,
        turn_id: str,
        decision: Decision,
        reviewer: str,
        scope: Scope = "chat",
        text: str = "",
        why: str = "",
        until: int | None = None,
    ) -> Review:
        """Approve the answer that was shown or an edited text, or reject it. A later decision replaces an earlier one.

        An approval ends at the instant `until` (ms), where one is given. The scope `everyone` is refused for a
        conversation that used what is one chat's own. The audit log tells it.

        Raises: NotFound, InvalidInput, StoreUnavailable.
        """
        turn = self._turns.get(turn_id)
        if decision == "approve":
            text = approvable(turn)
        if (
            decision != "reject"
            and scope == "everyone"
            and stays_in_chat([*self._turns.conversation(turn.parent), turn])
        ):
            raise InvalidInput(
                "this conversation used what is the chat's own: it can be approved for this chat only.",
                "own_to_the_chat",
            )
        (said,) = self._ratings.said_about([turn_id])
        return self._decide([NewDecision(turn, decision, scope, text, why, said, until)], reviewer, told=True)[0]

    def decide_many(self, decisions: Sequence[NewDecision], reviewer: str) -> list[Review]:
        """Make decisions in one round trip; whoever makes so many tells the audit log of them as one.

        Raises: InvalidInput, StoreUnavailable.
        """
        return self._decide(decisions, reviewer, told=False)

    def _decide(self, decisions: Sequence[NewDecision], reviewer: str, told: bool) -> list[Review]:
        """Make decisions. Approved texts are scrubbed of personal data."""
        if any(d.decision != "reject" and not d.text.strip() for d in decisions):
            raise InvalidInput("an approved answer cannot be empty; reject it, or write one.", "approved_empty")
        at = now_ms()
        if any(d.until is not None and (d.decision == "reject" or d.until <= at) for d in decisions):
            raise InvalidInput("an approval can only end in the future; choose a later day, or none.")
        splits = self.splits([d.turn for d in decisions])
        reviews = [
            Review(
                d.turn.id,
                d.decision,
                d.scope,
                _approved_text(d),
                reviewer,
                scrub(d.why),
                _correctors(d),
                split,
                at,
                d.until,
            )
            for d, split in zip(decisions, splits, strict=True)
        ]
        with durable(), self._store.pipeline() as pipe:
            for decision, review in zip(decisions, reviews, strict=True):
                self._apply(pipe, decision, review)
                if told:
                    self._audit.note(reviewer, review.decision, review.turn, _audience(review), pipe)
            pipe.zremrangebyscore(keys.DECIDED, "-inf", at - 1000 * self._turns.retention_s)
            pipe.execute()
        return reviews

    def _apply(self, pipe: Store, decision: NewDecision, review: Review) -> None:
        """Put a decision in force, as part of a transaction; serving is told."""
        pipe.set(keys.review(review.turn), to_json(review))
        pipe.zrem(keys.QUEUE, review.turn)
        pipe.zrem(keys.REJECTED, review.turn)
        pipe.zadd(keys.DECIDED, {review.turn: review.created_at})
        if review.until is None:
            pipe.zrem(keys.EXPIRING, review.turn)
        else:
            pipe.zadd(keys.EXPIRING, {review.turn: review.until})
        if review.decision == "reject":
            if review.scope == "everyone":
                pipe.zadd(keys.REJECTED, {review.turn: review.created_at})
            self._end(pipe, decision.turn)
        else:
            pipe.zadd(keys.APPROVED, {review.turn: review.created_at})
            if review.scope == "everyone":
                pipe.zadd(keys.FOR_EVERYONE, {review.turn: review.created_at})
            else:
                pipe.zrem(keys.FOR_EVERYONE, review.turn)
            self._keep_for_ever(pipe, decision.turn)
        _note_borne_out(pipe, decision, review.text)
        pipe.xadd(keys.APPROVALS, {"turn": review.turn})

    def undo(self, turn_id: str, made_at: int, who: str) -> None:
        """Take back the decision that was made at an instant (ms): the turn waits again, as if nobody had decided.

        The audit log tells it. Raises: NotFound where another decision, or none, is in force; StoreUnavailable.
        """
        self._take_back(turn_id, made_at, who)

    def undo_one_of_many(self, turn_id: str, made_at: int) -> None:
        """As `undo`; whoever takes many back tells the audit log of them as one."""
        self._take_back(turn_id, made_at, None)

    def _take_back(self, turn_id: str, made_at: int, who: str | None) -> None:
        turn, review = self._turns.get(turn_id), self.get(turn_id)
        if review is None or review.created_at != made_at:
            raise NotFound("this decision is not in force any more.")
        (said,) = self._ratings.said_about([turn_id])
        with durable():
            is_kind = self._store.zscore(keys.QUEUE_KINDS, turn_id) is not None
            heard_at = self._store.zscore(keys.FEEDBACK, turn_id) or made_at
        with durable(), self._store.pipeline() as pipe:
            self.withdraw(pipe, [turn])
            for author in _heard(said):
                pipe.srem(keys.approved_of(author), turn_id)
            self._order.enter(pipe, turn, int(heard_at), is_kind)
            if who is not None:
                self._audit.note(who, "undo", turn_id, pipe=pipe)
            pipe.execute()

    def expire(self) -> list[str]:
        """End the approvals whose time is over: they live as long as turns from now on, and serving is told.

        Returns their turns. Raises: StoreUnavailable.
        """
        with durable():
            over = self._store.zrangebyscore(keys.EXPIRING, "-inf", now_ms())
        return [turn_id for turn_id in over if self._expire(turn_id)]

    def _expire(self, turn_id: str) -> bool:
        """End one approval, unless it was decided anew meanwhile."""
        turn = self._turns.get_many([turn_id]).get(turn_id)
        with durable(), self._store.pipeline() as pipe:
            pipe.watch(keys.review(turn_id))
            review = self.get(turn_id)
            if review is not None and not review.is_over(now_ms()):
                return False
            pipe.multi()
            pipe.zrem(keys.EXPIRING, turn_id)
            if turn is not None and review is not None:
                self._end(pipe, turn)
                pipe.xadd(keys.APPROVALS, {"turn": turn_id})
            try:
                pipe.execute()
            except WatchError:
                return False
        return True

    def _end(self, pipe: Store, turn: Turn) -> None:
        """Let an answer be approved no longer; the decision lives as long as turns, from now."""
        pipe.zrem(keys.APPROVED, turn.id)
        pipe.zrem(keys.FOR_EVERYONE, turn.id)
        pipe.hdel(keys.QUESTION_VECTORS, turn.id)
        pipe.expire(keys.review(turn.id), self._turns.retention_s)
        self._let_go(pipe, turn)

    def get(self, turn_id: str) -> Review | None:
        """The decision in force about a turn."""
        with durable():
            text = self._store.get(keys.review(turn_id))
        return from_json(Review, text) if text else None

    def get_many(self, turn_ids: Sequence[str]) -> dict[str, Review]:
        """The decisions in force about these turns, by turn."""
        return {review.turn: review for review in self._in_force(turn_ids)}

    def approved(self, since_ms: int = 0, until_ms: int | None = None) -> list[Review]:
        """Approvals in force, oldest first; those of `since_ms` itself are left out."""
        top = "+inf" if until_ms is None else until_ms
        with durable():
            ids = self._store.zrangebyscore(keys.APPROVED, f"({since_ms}", top)
        return self._in_force(ids)

    def rejected(self) -> list[Review]:
        """Rejections for everyone in force, oldest first, of turns that are still kept."""
        with durable():
            self._store.zremrangebyscore(keys.REJECTED, "-inf", now_ms() - 1000 * self._turns.retention_s)
            ids = self._store.zrange(keys.REJECTED, 0, -1)
        return self._in_force(ids)

    def decided(self, first: int = 0, count: int = 50) -> list[Review]:
        """Decisions in force, the newest first, no older than turns are kept."""
        with durable():
            ids = self._store.zrevrange(keys.DECIDED, first, first + count - 1)
        return self._in_force(ids)

    def _in_force(self, turn_ids: Sequence[str]) -> list[Review]:
        return [review for review in self._stored(turn_ids) if not review.is_over(now_ms())]

    def _stored(self, turn_ids: Sequence[str]) -> list[Review]:
        with durable():
            texts = self._store.mget([keys.review(t) for t in turn_ids]) if turn_ids else []
        return [from_json(Review, text) for text in texts if text]

    def approved_of(self, turn_ids: Sequence[str]) -> list[Review]:
        """The approvals in force of some turns."""
        return [review for review in self._in_force(turn_ids) if review.decision != "reject"]

    def newest_approved(self, first: int, count: int) -> list[Review]:
        """Approvals in force, newest first, from a place in that order on."""
        with durable():
            ids = self._store.zrevrange(keys.APPROVED, first, first + count - 1)
        return self._in_force(ids)

    def count_for_everyone(self, since_ms: int = 0) -> int:
        """How many approvals for everyone in force were made after an instant."""
        with durable():
            return self._store.zcount(keys.FOR_EVERYONE, f"({since_ms}", "+inf")

    def withdraw(self, pipe: Store, turns: Iterable[Turn]) -> None:
        """Take decisions out of the record, within a transaction, as if they had never been made; serving is told."""
        for turn in turns:
            pipe.delete(keys.review(turn.id))
            pipe.zrem(keys.APPROVED, turn.id)
            pipe.zrem(keys.FOR_EVERYONE, turn.id)
            pipe.zrem(keys.REJECTED, turn.id)
            pipe.zrem(keys.DECIDED, turn.id)
            pipe.zrem(keys.EXPIRING, turn.id)
            pipe.hdel(keys.QUESTION_VECTORS, turn.id)
            self._let_go(pipe, turn)
            pipe.xadd(keys.APPROVALS, {"turn": turn.id})

    def forget_reviewer(self, pipe: Store, author: str, instead: str, withdrawn: Collection[str]) -> None:
        """Let no decision name who made it, within a transaction; those that are `withdrawn` in it are gone."""
        with durable():
            found = {
                turn for key in (keys.APPROVED, keys.REJECTED, keys.DECIDED) for turn in self._store.zrange(key, 0, -1)
            }
        ids = sorted(found.difference(withdrawn))
        for at in range(0, len(ids), BATCH):
            for review in self._stored(ids[at : at + BATCH]):
                if review.reviewer == author:
                    pipe.set(keys.review(review.turn), to_json(replace(review, reviewer=instead)), keepttl=True)

    def answers_since(self, position: str) -> tuple[str, list[ApprovedAnswer], list[str]]:
        """Approved answers decided after a position of the stream, and turns whose approval was taken back.

        Returns the new position.
        """
        with durable():
            entries = self._store.xrange(keys.APPROVALS, min=f"({position}", max="+")
        if not entries:
            return position, [], []
        turn_ids = list(dict.fromkeys(fields["turn"] for _, fields in entries))
        turns = self._turns.get_many(turn_ids)
        with durable():
            texts = self._store.mget([keys.review(t) for t in turn_ids])
        answers, revoked = [], []
        for turn_id, text in zip(turn_ids, texts, strict=True):
            review = from_json(Review, text) if text else None
            turn = turns.get(turn_id)
            if review is None or turn is None or review.decision == "reject" or review.is_over(now_ms()):
                revoked.append(turn_id)
            else:
                answers.append(_answer(turn, review))
        return entries[-1][0], answers, revoked

    def splits(self, turns: Iterable[Turn]) -> list[Split]:
        """Which side each turn stands on; see `feedback.sides`.

        Raises: StoreUnavailable.
        """
        return self._sides.of(turns)

    def _keep_for_ever(self, pipe: Store, turn: Turn) -> None:
        for kept in (turn, *self._turns.conversation(turn.parent)):
            if kept.id != turn.id:
                pipe.sadd(keys.keepers(kept.id), turn.id)
            for key in _kept_keys(kept):
                pipe.persist(key)

    def _let_go(self, pipe: Store, turn: Turn) -> None:
        """Give a conversation's turns their lifetime back, from now, except those that another approval keeps."""
        for kept in (turn, *self._turns.conversation(turn.parent)):
            self._let_go_of(
                keys=[keys.APPROVED, keys.keepers(kept.id), *_kept_keys(kept)],
                args=[turn.id, kept.id, self._turns.retention_s],
                client=pipe,
            )


def _audience(review: Review) -> str:
    """For whom a decision holds, and until which day (UTC)."""
    if review.until is None:
        return f"for {review.scope}"
    return f"for {review.scope}, until {datetime.fromtimestamp((review.until - 1) / 1000, UTC):%Y-%m-%d}"


def _kept_keys(turn: Turn) -> tuple[str, ...]:
    about = (keys.turn, keys.votes, keys.corrections, keys.regenerations, keys.observation, keys.comments)
    return tuple(key(turn.id) for key in about)


def _approved_text(decision: NewDecision) -> str:
    return "" if decision.decision == "reject" else scrub(decision.text.strip())


def _correctors(decision: NewDecision) -> tuple[str, ...]:
    seen = decision.said.corrections if decision.decision == "edit" else ()
    return tuple(sorted(correction.author for correction in seen))


def _note_borne_out(pipe: Store, decision: NewDecision, approved: str) -> None:
    """Note whose feedback an approval bore out: thumbs up for the answer as it was, or a correction that was taken."""
    said = decision.said
    borne_out: set[str] = set()
    if decision.decision == "approve":
        borne_out = {vote.author for vote in said.votes if vote.value == 1}
    elif decision.decision == "edit":
        taken = (c for c in said.corrections if jaccard(words(c.text), words(approved)) >= TAKEN_OVER)
        borne_out = {correction.author for correction in taken}
    for author in _heard(said):
        change = pipe.sadd if author in borne_out else pipe.srem
        change(keys.approved_of(author), decision.turn.id)


def _heard(said: Said) -> set[str]:
    return {vote.author for vote in said.votes} | {correction.author for correction in said.corrections}


def _answer(turn: Turn, review: Review) -> ApprovedAnswer:
    follows = turn.parent is not None or sum(m.role == "user" for m in turn.messages) > 1
    return ApprovedAnswer(
        turn.id,
        scrub(question(turn)),
        review.text,
        review.scope,
        turn.chat,
        system_text(turn),
        review.created_at,
        follows,
        review.until,
    )
