"""Operators' decisions: what waits for one, and what an approval sets in motion."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core import keys
from core.errors import InvalidInput
from core.identity import Pseudonyms
from core.privacy import scrub
from core.records import (
    APPROVED_PASSAGE,
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
from feedback.ratings import Ratings
from feedback.shown import approvable
from feedback.turns import Turns, question, stays_in_chat, system_text

EVALUATION_SHARE = 5
"""One group in this many is kept for judging and never trained on."""

_ASSIGN_SPLITS = """
local out = {}
for i = 1, #ARGV, 3 do
  local root, text, fresh = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local by_root = redis.call('HGET', KEYS[1], root)
  local by_text = redis.call('HGET', KEYS[1], text)
  local split = by_text or by_root or fresh
  if by_root and by_text and by_root ~= by_text then
    split = 'excluded'
  else
    redis.call('HSET', KEYS[1], root, split, text, split)
  end
  out[#out + 1] = split
end
return out
"""
_LET_GO = """
redis.call('SREM', KEYS[2], ARGV[1])
if redis.call('ZSCORE', KEYS[1], ARGV[2]) or redis.call('EXISTS', KEYS[2]) == 1 then return end
for i = 3, #KEYS do
  if redis.call('PTTL', KEYS[i]) == -1 then redis.call('EXPIRE', KEYS[i], ARGV[3]) end
end
"""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A turn that waits for a decision, with everything said about it."""

    turn: Turn
    conversation: tuple[Turn, ...]
    votes: tuple[Rating, ...]
    corrections: tuple[Correction, ...]
    regenerations: tuple[Regeneration, ...]

    @property
    def suggestion(self) -> str:
        """What an operator would approve: the newest correction, or the answer in plain words."""
        return self.corrections[0].text if self.corrections else approvable(self.turn)


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision about to be made. `text` is the approved answer."""

    turn: Turn
    decision: Decision
    scope: Scope
    text: str
    why: str = ""
    correctors: tuple[str, ...] = ()


class Reviews:
    """The review queue and the decisions in force."""

    def __init__(self, store: Store, turns: Turns, ratings: Ratings, pseudonyms: Pseudonyms):
        self._store = store
        self._turns = turns
        self._ratings = ratings
        self._pseudonyms = pseudonyms
        self._assign = store.register_script(_ASSIGN_SPLITS)
        self._let_go_of = store.register_script(_LET_GO)

    def waiting(self) -> int:
        """How many turns wait for a decision."""
        with durable():
            return self._store.zcard(keys.QUEUE)

    def queue(self, limit: int = 50) -> list[QueueItem]:
        """The turns that wait longest. Turns that outlived the record leave the queue."""
        with durable():
            ids = self._store.zrange(keys.QUEUE, 0, limit - 1)
        found = self._turns.get_many(ids)
        gone = [turn_id for turn_id in ids if turn_id not in found]
        if gone:
            with durable():
                self._store.zrem(keys.QUEUE, *gone)
        return [self.item(turn_id) for turn_id in ids if turn_id in found]

    def item(self, turn_id: str) -> QueueItem:
        """One turn with its conversation and feedback.

        Raises: NotFound.
        """
        turn = self._turns.get(turn_id)
        return QueueItem(
            turn,
            tuple(self._turns.conversation(turn.parent)),
            tuple(self._ratings.votes(turn_id)),
            tuple(self._ratings.corrections(turn_id)),
            tuple(self._ratings.regenerations(turn_id)),
        )

    def decide(
        self, turn_id: str, decision: Decision, reviewer: str, scope: Scope = "chat", text: str = "", why: str = ""
    ) -> Review:
        """Approve the answer that was shown or an edited text, or reject it. A later decision replaces an earlier one.

        The scope `everyone` is refused for a conversation that used what is one chat's own.

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
            raise InvalidInput("this conversation used what is the chat's own: it can be approved for this chat only.")
        seen = self._ratings.corrections(turn_id) if decision == "edit" else []
        correctors = tuple(sorted(c.author for c in seen))
        return self.decide_many([NewDecision(turn, decision, scope, text, why, correctors)], reviewer)[0]

    def decide_many(self, decisions: Sequence[NewDecision], reviewer: str) -> list[Review]:
        """Make decisions in one round trip. Approved texts are scrubbed of personal data.

        Raises: InvalidInput, StoreUnavailable.
        """
        if any(d.decision != "reject" and not d.text.strip() for d in decisions):
            raise InvalidInput("an approved answer cannot be empty; reject it, or write one.")
        at = now_ms()
        splits = self._splits([d.turn for d in decisions])
        reviews = [
            Review(d.turn.id, d.decision, d.scope, _approved_text(d), reviewer, d.why, d.correctors, split, at)
            for d, split in zip(decisions, splits, strict=True)
        ]
        with durable(), self._store.pipeline() as pipe:
            for decision, review in zip(decisions, reviews, strict=True):
                pipe.set(keys.review(review.turn), to_json(review))
                pipe.zrem(keys.QUEUE, review.turn)
                if review.decision == "reject":
                    pipe.zrem(keys.APPROVED, review.turn)
                    pipe.zrem(keys.FOR_EVERYONE, review.turn)
                    pipe.hdel(keys.QUESTION_VECTORS, review.turn)
                    pipe.expire(keys.review(review.turn), self._turns.retention_s)
                    self._let_go(pipe, decision.turn)
                else:
                    pipe.zadd(keys.APPROVED, {review.turn: at})
                    if review.scope == "everyone":
                        pipe.zadd(keys.FOR_EVERYONE, {review.turn: at})
                    else:
                        pipe.zrem(keys.FOR_EVERYONE, review.turn)
                    self._keep_for_ever(pipe, decision.turn)
                pipe.xadd(keys.APPROVALS, {"turn": review.turn})
            pipe.execute()
        return reviews

    def get(self, turn_id: str) -> Review | None:
        """The decision in force about a turn."""
        with durable():
            text = self._store.get(keys.review(turn_id))
        return from_json(Review, text) if text else None

    def approved(self, since_ms: int = 0, until_ms: int | None = None) -> list[Review]:
        """Approvals in force, oldest first; those of `since_ms` itself are left out."""
        top = "+inf" if until_ms is None else until_ms
        with durable():
            ids = self._store.zrangebyscore(keys.APPROVED, f"({since_ms}", top)
            texts = self._store.mget([keys.review(t) for t in ids]) if ids else []
        return [from_json(Review, text) for text in texts if text]

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
            pipe.hdel(keys.QUESTION_VECTORS, turn.id)
            self._let_go(pipe, turn)
            pipe.xadd(keys.APPROVALS, {"turn": turn.id})

    def split_field(self, turn: Turn) -> str:
        """Under which name the side of a question is kept, whoever asks it: a keyed hash."""
        return f"text:{self._pseudonyms.digest('text', _normalised(turn))}"

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
            if review is None or turn is None or review.decision == "reject":
                revoked.append(turn_id)
            else:
                answers.append(_answer(turn, review))
        return entries[-1][0], answers, revoked

    def _splits(self, turns: Iterable[Turn]) -> list[Split]:
        args: list[str] = []
        for turn in turns:
            root = self._root(turn)
            lot = int.from_bytes(hashlib.sha256(_normalised(turn).encode()).digest()[:8], "big")
            fresh = "evaluation" if lot % EVALUATION_SHARE == 0 else "train"
            args += [f"root:{root}", self.split_field(turn), fresh]
        with durable():
            return self._assign(keys=[keys.SPLITS], args=args) if args else []

    def _root(self, turn: Turn) -> str:
        """The turn that decides the side: where an approved answer was said or used, the one it was approved for."""
        conversation = [*self._turns.conversation(turn.parent), turn]
        used = [p.id for t in conversation for p in t.passages if p.id.startswith(APPROVED_PASSAGE)]
        for passage in used:
            source = self._turns.conversation(passage.removeprefix(APPROVED_PASSAGE))
            if source:
                return source[0].id
        return conversation[0].id if len(conversation) > 1 else turn.regenerates or turn.id

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


def _kept_keys(turn: Turn) -> tuple[str, ...]:
    return keys.turn(turn.id), keys.votes(turn.id), keys.corrections(turn.id), keys.regenerations(turn.id)


def _normalised(turn: Turn) -> str:
    return " ".join(re.findall(r"\w+", f"{system_text(turn)} {question(turn)}".lower()))


def _approved_text(decision: NewDecision) -> str:
    return "" if decision.decision == "reject" else scrub(decision.text.strip())


def _answer(turn: Turn, review: Review) -> ApprovedAnswer:
    follows = turn.parent is not None or sum(m.role == "user" for m in turn.messages) > 1
    return ApprovedAnswer(
        turn.id, question(turn), review.text, review.scope, turn.chat, system_text(turn), review.created_at, follows
    )
