"""The operators' inbox: chats that a person answers in the model's place, who has them, and what is not answered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core import keys
from core.privacy import scrub
from core.records import Handover, Holder, Message, Turn, from_json, now_ms, to_json
from core.store import Store, durable
from feedback.turns import Turns, question

ASKED = "/human"
"""The question of a conversation that began with asking for a person."""

# KEYS: handover. ARGV: holder. Whoever is first has it.
_TAKE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], 'holder', ARGV[1])
"""
# KEYS: handover. ARGV: now. Whether who asked is to be told that nobody came.
_MISS = """
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'holder') == 1 then return 0 end
if redis.call('HSETNX', KEYS[1], 'missed', ARGV[1]) == 1 then redis.call('HSET', KEYS[1], 'unsaid', 1) end
return redis.call('HEXISTS', KEYS[1], 'unsaid')
"""
# KEYS: handover, what was said. ARGV: message, text, seconds.
_SAY = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A handover as it stands. `said` is what is not answered: the person's messages, by their numbers, in order."""

    handover: Handover
    holder: Holder | None = None
    missed: bool = False
    """Whether nobody came in time, so that the model answers until somebody does."""
    said: tuple[tuple[int, str], ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether the model is silent in the chat."""
        return self.holder is not None or not self.missed


class Handovers:
    """Handovers in Redis, without personal data. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, turns: Turns):
        self._store, self._turns = store, turns
        self._take, self._miss = store.register_script(_TAKE), store.register_script(_MISS)
        self._say = store.register_script(_SAY)

    def begin(self, handover: Handover) -> None:
        """Put a chat into the inbox, where it waits for an operator from now on."""
        with durable(), self._store.pipeline() as pipe:
            key = keys.handover(handover.id)
            pipe.hset(key, "asked", to_json(handover))
            pipe.hdel(key, "missed", "unsaid")
            pipe.set(keys.handed_over(handover.chat, handover.topic), handover.id, ex=self._turns.retention_s)
            pipe.expire(key, self._turns.retention_s)
            pipe.zadd(keys.INBOX, {handover.id: handover.created_at})
            pipe.execute()

    def get(self, handover_id: str) -> Case | None:
        """A handover as it stands; None: it has ended."""
        return self._read([handover_id])[0]

    def of_chat(self, chat: str, topic: str | None = None) -> Case | None:
        """The handover of a chat, or of a topic in it."""
        with durable():
            found = self._store.get(keys.handed_over(chat, topic))
        return self.get(found) if found else None

    def inbox(self) -> list[Case]:
        """Every chat that waits for a person or talks with one, oldest first."""
        with durable():
            ids = self._store.zrange(keys.INBOX, 0, -1)
        cases = self._read(ids)
        if gone := [handover_id for handover_id, case in zip(ids, cases, strict=True) if case is None]:
            with durable():
                self._store.zrem(keys.INBOX, *gone)
        return [case for case in cases if case is not None]

    def take(self, handover_id: str, holder: Holder) -> Case | None:
        """Give a chat to an operator if nobody has it; the case as it stands then. None: it has ended."""
        with durable():
            self._take(keys=[keys.handover(handover_id)], args=[to_json(holder)])
        return self.get(handover_id)

    def release(self, handover_id: str) -> None:
        """Take a chat from the operator who has it: it waits for another from now on."""
        with durable(), self._store.pipeline() as pipe:
            self._let_go(pipe, handover_id)
            pipe.execute()

    def say(self, case: Case, message: int, text: str) -> Case | None:
        """Keep what the person wrote in a message until it is answered; the case afterwards. None: it has ended."""
        names = [keys.handover(case.handover.id), keys.handover_said(case.handover.id)]
        with durable():
            self._say(keys=names, args=[message, scrub(text), self._turns.retention_s])
        return self.get(case.handover.id)

    def answer(self, case: Case, turn_id: str, text: str) -> Turn:
        """Store what an operator wrote as a turn of the chat, from which its conversation goes on; under an id once.

        It answers what is not answered yet; where that is nothing, it goes on with the operator's last answer, or is
        another answer to the question at which a person was asked for.
        """
        handover, known = case.handover, self._known(turn_id)
        if known is not None:
            return known
        head = self._known(self._turns.head(handover.chat, handover.topic))
        if not case.said and head is not None and head.origin == "operator" and not self._is_decided(head):
            if head.reply.endswith(scrub(text)):
                return head
            return self._store_turn(replace(head, reply=f"{head.reply}\n\n{text}"))
        turn = self._store_turn(replace(self._question(case, head), id=turn_id, reply=text))
        if case.said:
            with durable():
                self._store.hdel(keys.handover_said(handover.id), *(message for message, _ in case.said))
            self._turns.note_asked(handover.chat, turn.id, case.said[-1][0])
        return turn

    def _question(self, case: Case, head: Turn | None) -> Turn:
        """The turn that an operator answers, without the answer."""
        handover, parent = case.handover, head.id if head else None
        asked = None if case.said else self._known(handover.turn)
        turn = Turn(
            id="",
            messages=tuple(Message("user", said, handover.author) for _, said in case.said),
            parent=parent,
            chat=handover.chat,
            author=handover.author,
            origin="operator",
            status="complete",
            created_at=now_ms(),
            topic=handover.topic,
        )
        if asked is not None:
            before = asked.parent if asked.id == parent else parent
            return replace(turn, messages=asked.messages, parent=before, regenerates=asked.id)
        return turn if case.said else replace(turn, messages=(Message("user", ASKED, handover.author),))

    def end(self, case: Case) -> None:
        """Hand a chat back to the model, and take it out of the inbox."""
        with durable(), self._store.pipeline() as pipe:
            self._remove(pipe, case.handover)
            pipe.execute()

    def overdue(self, max_s: int) -> list[Case]:
        """Chats that nobody took within so long, which are the model's again, and are to be told so."""
        with durable():
            waited = self._store.zrangebyscore(keys.INBOX, "-inf", now_ms() - 1000 * max_s)
            missed = [i for i in waited if self._miss(keys=[keys.handover(i)], args=[now_ms()])]
        return [case for case in self._read(missed) if case is not None]

    def apologised(self, case: Case) -> None:
        """Who asked was told that nobody came."""
        with durable():
            self._store.hdel(keys.handover(case.handover.id), "unsaid")

    def note_told(self, handover_id: str, operator: str, address: str, message: int) -> None:
        """Remember where an operator sees a handover."""
        with durable(), self._store.pipeline() as pipe:
            pipe.hset(keys.handover_told(handover_id), operator, f"{address} {message}")
            pipe.expire(keys.handover_told(handover_id), self._turns.retention_s)
            pipe.execute()

    def told(self, handover_id: str) -> dict[str, tuple[str, int]]:
        """Where each operator sees a handover: the chat's outside id, and the message."""
        with durable():
            found = self._store.hgetall(keys.handover_told(handover_id))
        split = {operator: where.rsplit(" ", 1) for operator, where in found.items()}
        return {operator: (address, int(message)) for operator, (address, message) in split.items()}

    def note_forwarded(self, chat: str, message: int, handover_id: str) -> None:
        """Remember what a message in an operator's chat is from."""
        with durable():
            self._store.set(keys.forwarded(chat, message), handover_id, ex=self._turns.retention_s)

    def forwarded(self, chat: str, message: int) -> str | None:
        """What a message in an operator's chat is from; it may have ended."""
        with durable():
            return self._store.get(keys.forwarded(chat, message))

    def forget(self, pipe: Store, author: str, cases: Sequence[Case]) -> None:
        """Take a person out of all handovers, within a transaction: theirs end, those they had wait for another."""
        for case in cases:
            if case.handover.author == author:
                self._remove(pipe, case.handover)
            elif case.holder is not None and case.holder.operator == author:
                self._let_go(pipe, case.handover.id)
            pipe.hdel(keys.handover_told(case.handover.id), author)

    def _read(self, ids: Sequence[str]) -> list[Case | None]:
        with durable(), self._store.pipeline() as pipe:
            for handover_id in ids:
                pipe.hgetall(keys.handover(handover_id))
                pipe.hgetall(keys.handover_said(handover_id))
            found = pipe.execute()
        return [_case(fields, said) for fields, said in zip(found[::2], found[1::2], strict=True)]

    def _known(self, turn_id: str | None) -> Turn | None:
        return self._turns.get_many([turn_id]).get(turn_id) if turn_id else None

    def _store_turn(self, turn: Turn) -> Turn:
        self._turns.open(turn)
        self._turns.close(turn)
        return self._turns.get(turn.id)

    def _is_decided(self, turn: Turn) -> bool:
        with durable():
            return bool(self._store.exists(keys.review(turn.id)))

    def _let_go(self, pipe: Store, handover_id: str) -> None:
        pipe.hdel(keys.handover(handover_id), "holder", "missed", "unsaid")
        pipe.zadd(keys.INBOX, {handover_id: now_ms()}, xx=True)

    def _remove(self, pipe: Store, handover: Handover) -> None:
        pipe.delete(keys.handover(handover.id), keys.handover_said(handover.id), keys.handover_told(handover.id))
        pipe.delete(keys.handed_over(handover.chat, handover.topic))
        pipe.zrem(keys.INBOX, handover.id)


def last_exchange(turns: Turns, handover: Handover) -> tuple[str, str]:
    """The question at which a person was asked for, and its answer; both empty where there was none.

    Raises: StoreUnavailable.
    """
    found = turns.get_many([handover.turn]).get(handover.turn) if handover.turn else None
    return (question(found), found.reply) if found else ("", "")


def _case(fields: dict[str, str], said: dict[str, str]) -> Case | None:
    if "asked" not in fields:
        return None
    holder = from_json(Holder, fields["holder"]) if "holder" in fields else None
    written = tuple(sorted((int(message), text) for message, text in said.items()))
    return Case(from_json(Handover, fields["asked"]), holder, "missed" in fields, written)
