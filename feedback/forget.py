"""Forgetting a person: what is theirs, and what holds their words, leaves the record in one transaction."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from core import keys
from core.identity import Pseudonyms
from core.records import APPROVED_PASSAGE, Turn, new_id, now_ms, to_json
from core.settings import CHECKPOINT_FILE, TRAINING_FOLDER
from core.store import Store, durable
from feedback.audit import AuditLog
from feedback.embedders import Embedders
from feedback.erasure import erase
from feedback.errands import Errands
from feedback.handovers import Case, Handovers
from feedback.notes import Notebook
from feedback.opinions import forget_first_operator
from feedback.order import ReviewOrder
from feedback.outcomes import forget_chats
from feedback.reviews import Reviews
from feedback.sides import Sides
from feedback.traces import BATCH, Traces, find_counters, find_traces
from feedback.turns import Turns

# KEYS: events, erasure. ARGV: author, now, turns. Deleted entries of a stream go on standing in its memory, and in what
# is saved of it, so what stays is written into a new one, under the same ids.
_FORGET_EVENTS = """
local gone, kept, all = {}, {}, redis.call('XRANGE', KEYS[1], '-', '+')
for i = 3, #ARGV do gone[ARGV[i]] = true end
for _, entry in ipairs(all) do
  local fields, data = entry[2], {}
  for i = 1, #fields, 2 do
    if fields[i] == 'data' then data = cjson.decode(fields[i + 1]) end
  end
  if not (data.author == ARGV[1] or gone[data.turn] or gone[data.replacement]) then kept[#kept + 1] = entry end
end
if #kept == #all then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
for _, entry in ipairs(kept) do redis.call('XADD', KEYS[1], entry[1], unpack(entry[2])) end
return #all - #kept
"""

INDICES = (
    keys.QUEUE,
    keys.QUEUE_KINDS,
    keys.FEEDBACK,
    keys.REJECTED,
    keys.DECIDED,
    keys.RECENT_TURNS,
    keys.AMENDS,
    keys.PRACTICE,
)
"""Where turns are found by when something happened."""
SOMEBODY = "operator"
"""Whose decisions those of an operator are who is forgotten."""


class Lineage(Protocol):
    """Knows which adapter versions learned from what."""

    def mark(self, turns: Collection[str], author: str, who: str, why: str) -> list[str]:
        """Mark the versions that saw these turns or this author, and return those newly marked."""
        ...


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a forgetting removed, in numbers. `id` names it in the audit log, and nobody."""

    id: str
    turns: int
    answers: int
    feedback: int
    approvals: int
    versions: int

    def __str__(self) -> str:
        return (
            f"removed: turns {self.turns}, answers to others that followed on them {self.answers}, "
            f"votes and corrections of others' turns {self.feedback}, approved answers {self.approvals}; "
            f"adapter versions marked: {self.versions}"
        )


class Forgetting:
    """Forgets people. Every method raises StoreUnavailable where Redis is away."""

    def __init__(
        self,
        store: Store,
        turns: Turns,
        reviews: Reviews,
        pseudonyms: Pseudonyms,
        lineage: Lineage,
        data_dir: Path,
    ):
        self._store, self._turns, self._reviews = store, turns, reviews
        self._pseudonyms, self._lineage, self._data_dir = pseudonyms, lineage, data_dir
        self._order, self._sides = ReviewOrder(store, turns), Sides(store, turns, pseudonyms)
        self._handovers, self._notebook = Handovers(store, turns), Notebook(store, turns)
        self._embedders = Embedders(store)
        self._audit, self._errands = AuditLog(store), Errands(store)
        self._forget_events = store.register_script(_FORGET_EVENTS)

    def author_of(self, user: str) -> str:
        """The pseudonym of a person named by it, by their number in Telegram, or as a client of the API names them."""
        if re.fullmatch("[0-9a-f]{32}", user):
            return user
        return self._pseudonyms.author(f"telegram:{user}" if user.isdigit() else user)

    def forget(self, author: str, who: str) -> Forgotten | None:
        """Remove all that is of an author, at once, and have the database's files written anew. None: nothing was.

        A refresh that runs ends, since it may learn from them; another becomes due.

        Raises: StoreUnavailable, also where only the files could not be written; the schedule tries that again.
        """
        traces = find_traces(self._store, author)
        if traces.all and self._end_refresh():
            traces = find_traces(self._store, author)  # it may have practised meanwhile
        gone, cases = sorted(traces.own | traces.open), self._handovers.inbox()
        with durable():
            events = self._forget_events(keys=[keys.EVENTS, keys.ERASURE], args=[author, now_ms(), *gone])
            notes = self._notes(author, set(gone), traces.derived) + find_counters(self._store, author)
            if not (traces.all or events or notes or self._is_known(author)):
                return None
        marked = self._lineage.mark(traces.all, author, who, "it learned from somebody who was forgotten")
        self._embedders.mark(traces.all, author, who)
        forgotten = self._remove(author, traces, notes, cases, len(marked), who)
        if traces.all:
            (self._data_dir / TRAINING_FOLDER / CHECKPOINT_FILE).unlink(missing_ok=True)
        erase(self._store, self._data_dir)
        return forgotten

    def _end_refresh(self) -> bool:
        """Whether a refresh ran, which now publishes and keeps nothing any more."""
        with durable(), self._store.pipeline() as pipe:
            _end_refresh(pipe)
            *_, ran = pipe.execute()
        return ran > 0

    def _remove(
        self, author: str, traces: Traces, notes: list[str], cases: Sequence[Case], marked: int, who: str
    ) -> Forgotten:
        """The transaction; afterwards nothing leads from what is left to what was there."""
        own = self._turns.get_many(sorted(traces.own))
        derived = self._turns.get_many(sorted(traces.derived))
        others = self._turns.get_many(sorted(traces.asked | traces.edited))
        with durable(), self._store.pipeline() as pipe:
            withdrawn = {*own, *derived, *traces.edited}
            decided = self._decided(withdrawn)
            self._reviews.withdraw(pipe, [t for t in (own | derived | others).values() if t.id in decided])
            self._reviews.forget_reviewer(pipe, author, SOMEBODY, decided)
            forget_first_operator(self._store, pipe, author, SOMEBODY)
            self._sides.forget(pipe, own.values(), self._on_sides(withdrawn) if own else ())
            for turn in derived.values():
                pipe.set(keys.turn(turn.id), to_json(_without_answer(turn, author)), keepttl=True)
                pipe.delete(keys.observation(turn.id))
            for turn in others.values():
                if turn.id in traces.asked:
                    writer = next(m.author for m in turn.messages if m.author)
                    pipe.set(keys.turn(turn.id), to_json(replace(turn, author=writer)), keepttl=True)
            self._remove_feedback(pipe, author, traces)
            for turn_id in own.keys() | traces.open:
                pipe.delete(*_keys_of(turn_id))
                pipe.zrem(keys.OPEN_TURNS, turn_id)
            for index in INDICES if own or derived else ():
                pipe.zrem(index, *own, *derived)
            self._notebook.forget(pipe, traces.own | traces.open | traces.derived | traces.edited | traces.corrected)
            forget_chats(self._store, pipe, {turn.chat for turn in own.values() if turn.chat})
            self._remove_borne_out(pipe, author, withdrawn)
            self._remove_person(pipe, author, notes)
            self._handovers.forget(pipe, author, cases)
            self._errands.forget(pipe, author)
            if traces.all:
                pipe.set(keys.FORGOTTEN, now_ms())
                _end_refresh(pipe)
            feedback = len(traces.rated) + len(traces.corrected)
            forgotten = Forgotten(new_id(), len(own), len(derived), feedback, len(decided), marked)
            pipe.set(keys.ERASURE, now_ms())
            self._audit.rename(pipe, [author, *own, *traces.open], forgotten.id)
            pipe.xadd(keys.AUDIT, {"who": who, "what": "forget", "subject": forgotten.id, "why": str(forgotten)})
            pipe.execute()
        return forgotten

    def _remove_feedback(self, pipe: Store, author: str, traces: Traces) -> None:
        """Their votes, corrections and regenerations of others' turns, which wait only if others said something too,
        and where what these said puts them.
        """
        for turn_id in traces.rated:
            pipe.hdel(keys.votes(turn_id), author)
        for turn_id in traces.corrected:
            pipe.hdel(keys.corrections(turn_id), author)
        for turn_id, events in traces.regenerations.items():
            for event in events:
                pipe.lrem(keys.regenerations(turn_id), 0, event)
        about = traces.rated | traces.corrected | traces.edited | traces.regenerations.keys()
        for turn_id, turn in self._turns.get_many(sorted(about - traces.own - traces.derived)).items():
            said = self._store.hlen(keys.votes(turn_id)) + self._store.hlen(keys.corrections(turn_id))
            said -= (turn_id in traces.rated) + (turn_id in traces.corrected)
            again = self._store.llen(keys.regenerations(turn_id)) - len(traces.regenerations.get(turn_id, ()))
            if not said:
                pipe.zrem(keys.QUEUE, turn_id)
                pipe.zrem(keys.QUEUE_KINDS, turn_id)
            elif turn_id in traces.edited or self._store.zscore(keys.QUEUE, turn_id) is not None:
                is_kind = self._store.zscore(keys.QUEUE_KINDS, turn_id) is not None
                self._order.enter(pipe, turn, now_ms(), is_kind)
            if not said and not again:
                pipe.zrem(keys.FEEDBACK, turn_id)

    def _decided(self, turn_ids: Collection[str]) -> set[str]:
        ids = sorted(turn_ids)
        with self._store.pipeline(transaction=False) as pipe:
            for turn_id in ids:
                pipe.exists(keys.review(turn_id))
            return {turn_id for turn_id, there in zip(ids, pipe.execute(), strict=True) if there}

    def _on_sides(self, withdrawn: set[str]) -> Iterator[Turn]:
        """The turns that may stand on a side, without those that are withdrawn."""
        indices = (keys.APPROVED, keys.REJECTED, keys.FEEDBACK, keys.QUEUE)
        ids = sorted({turn for index in indices for turn in self._store.zrange(index, 0, -1)} - withdrawn)
        for at in range(0, len(ids), BATCH):
            yield from self._turns.get_many(ids[at : at + BATCH]).values()

    def _remove_borne_out(self, pipe: Store, author: str, withdrawn: set[str]) -> None:
        """What approvals bore out of what they said, and by withdrawn approvals of what others did."""
        pipe.delete(keys.approved_of(author))
        for key in self._store.scan_iter(keys.approved_of("*"), count=1000) if withdrawn else ():
            pipe.srem(key, *withdrawn)

    def _remove_person(self, pipe: Store, author: str, notes: list[str]) -> None:
        pipe.delete(keys.person(author), keys.skipped(author), *notes)
        pipe.srem(keys.PEOPLE, author)
        if self._store.get(keys.OWNER) == author:
            pipe.delete(keys.OWNER, keys.OWNER_ADDRESS)
        for where in (keys.ACCESS_REQUESTS, keys.OPERATORS):
            for address in self._addresses(self._store.hkeys(where), author):
                pipe.hdel(where, address)
        for address in self._addresses(self._store.smembers(keys.DIGEST_OFF), author):
            pipe.srem(keys.DIGEST_OFF, address)
        for key in self._store.scan_iter(keys.alerted("*"), count=1000):
            pipe.srem(key, author)

    def _is_known(self, author: str) -> bool:
        stored = self._store.exists(keys.person(author), keys.approved_of(author))
        requests = self._store.hkeys(keys.ACCESS_REQUESTS)
        return bool(self._store.get(keys.OWNER) == author or stored or self._addresses(requests, author))

    def _addresses(self, among: Iterable[str], author: str) -> list[str]:
        """Those of some outside ids that are an author's."""
        return [address for address in among if self._pseudonyms.author(address) == author]

    def _notes(self, author: str, gone: set[str], derived: set[str]) -> list[str]:
        """What chats remember of turns: where they go on, messages about one, corrections that are awaited."""
        found, theirs = [], {author, *gone}
        chats = list(self._store.scan_iter(keys.head("*").removesuffix("head") + "*", count=1000))
        for at in range(0, len(chats), BATCH):
            batch = chats[at : at + BATCH]
            for key, turn in zip(batch, self._store.mget(batch), strict=True):
                goes_on = turn in derived and key.endswith(":head")
                if turn in gone or goes_on or not theirs.isdisjoint(key.split(":")[3:]):
                    found.append(key)
        return found


def _end_refresh(store: Store) -> None:
    """Take the lock from a refresh that runs: what it tuned is not published."""
    store.incr(keys.REFRESH_FENCE)
    store.delete(keys.REFRESH_LOCK)


def _without_answer(turn: Turn, author: str) -> Turn:
    """Another's turn without what was said in answer, which may repeat what stood before it, and their documents."""
    return replace(
        turn,
        messages=tuple(m for m in turn.messages if m.role != "assistant"),
        passages=tuple(p for p in turn.passages if not p.id.startswith(APPROVED_PASSAGE) and p.author != author),
        reply="",
        generated=None,
        citations=(),
    )


def _keys_of(turn_id: str) -> list[str]:
    about = (
        keys.votes,
        keys.corrections,
        keys.regenerations,
        keys.observation,
        keys.keepers,
        keys.review,
        keys.seen_by,
    )
    return [key(turn_id) for key in (keys.turn, keys.amended, *about)]
