"""The review queue as operators look through it: what waits, in its order, of one kind, reason, person or day."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core import keys
from core.language import language
from core.records import Turn
from core.store import Store, durable
from feedback.order import REASONS, rank_borders
from feedback.ratings import Ratings, Said
from feedback.turns import Turns, question

KINDS = ("correction", "reason", "down", "up")
"""What people may have said: another answer, why they dislike this one, a thumb down, a thumb up."""
BATCH = 500

# Ten thousand ids as one text take 3 ms, as a list of the protocol 200.
_READ = """
local ranks = {}
for i, border in ipairs(ARGV) do ranks[i] = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. border) end
return {table.concat(redis.call('ZRANGE', KEYS[1], 0, -1), ' '), ranks}
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which turns of the queue are wanted; what is empty or None does not matter. Instants in ms."""

    kind: str = ""
    """One of KINDS."""
    reason: str = ""
    """Why people said that the answer was not right, in their words or by one tap."""
    why: str = ""
    """One of `feedback.order.REASONS`."""
    author: str = ""
    """How the pseudonym of who asked begins."""
    version: str = ""
    """How the id of the version that answered begins."""
    language: str = ""
    tag: str = ""
    text: str = ""
    """Stands in the question, the answer or a correction, whatever the case."""
    since: int | None = None
    until: int | None = None
    """Asked before this instant."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What filters look at of a turn."""

    author: str
    version: str
    language: str
    asked_at: int
    kinds: frozenset[str]
    reasons: frozenset[str]
    question: str
    text: str


class Backlog:
    """Looks through the queue. Keeps what filters look at in memory, and reads again what people said since.

    May be used from several threads. Every method raises StoreUnavailable where Redis is away.
    """

    def __init__(self, store: Store, turns: Turns, ratings: Ratings):
        self._store, self._turns, self._ratings = store, turns, ratings
        self._read = store.register_script(_READ)
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._position = ""
        self._forgotten: str | None = None

    def find(self, wanted: Filter) -> dict[str, str]:
        """The turns that wait and are wanted, in the order of the queue, and why each stands where it does."""
        with durable():
            if wanted == Filter():
                return self._waiting()
            with self._lock:
                waiting = self._waiting()
                rows = self._catch_up(waiting)
            tagged = set(self._store.zrange(keys.tagged(wanted.tag), 0, -1)) if wanted.tag else waiting
        found = [turn for turn in waiting if turn in rows and turn in tagged]
        for fits in _checks(wanted):
            found = [turn for turn in found if fits(rows[turn])]
        return {turn: waiting[turn] for turn in found if not wanted.why or waiting[turn] == wanted.why}

    def questions(self) -> dict[str, str]:
        """The question of every turn that waits."""
        with self._lock, durable():
            return {turn: row.question for turn, row in self._catch_up(self._waiting()).items()}

    def languages(self) -> list[str]:
        """The languages of the questions that filters have seen."""
        return sorted({row.language for row in list(self._rows.values())})

    def take_out(self, turn_id: str) -> None:
        """Take a turn that outlived the record out of the queue."""
        with durable():
            self._store.zrem(keys.QUEUE, turn_id)

    def _waiting(self) -> dict[str, str]:
        text, ranks = self._read(keys=[keys.QUEUE], args=rank_borders())
        ids, found = text.split(), {}
        for why, low, high in zip(REASONS, [0, *ranks], [*ranks, len(ids)], strict=True):
            found |= dict.fromkeys(ids[low:high], why)
        return found

    def _catch_up(self, waiting: dict[str, str]) -> dict[str, _Row]:
        """Know every turn that waits as it is now, and no other."""
        forgotten = self._store.get(keys.FORGOTTEN)
        changed = self._changed()
        if forgotten != self._forgotten:
            changed |= self._rows.keys()
        rows = self._rows.copy()
        for turn in changed | (rows.keys() - waiting.keys()):
            rows.pop(turn, None)
        self._rows, self._forgotten = rows, forgotten  # also where what follows fails
        new = list(waiting.keys() - rows.keys())
        for at in range(0, len(new), BATCH):
            rows.update(self._rows_of(new[at : at + BATCH]))
        return rows

    def _changed(self) -> set[str]:
        """The turns about which something was said since the last look."""
        if not self._position:
            newest = self._store.xrevrange(keys.EVENTS, count=1)
            self._position = newest[0][0] if newest else "0-0"
            return set()
        events = self._store.xrange(keys.EVENTS, min=f"({self._position}")
        if events:
            self._position = events[-1][0]
        return {json.loads(fields["data"])["turn"] for _, fields in events}

    def _rows_of(self, turn_ids: Sequence[str]) -> dict[str, _Row]:
        found = self._turns.get_many(turn_ids)
        gone = [turn for turn in turn_ids if turn not in found]
        if gone:
            self._store.zrem(keys.QUEUE, *gone)
        said = self._ratings.said_about(list(found))
        return {turn.id: _row(turn, about) for turn, about in zip(found.values(), said, strict=True)}


def _row(turn: Turn, said: Said) -> _Row:
    asked = question(turn)
    reasons = {vote.reason.casefold() for vote in said.votes if vote.value < 0 and vote.reason}
    there = {
        "correction": bool(said.corrections),
        "reason": bool(reasons),
        "down": any(vote.value < 0 for vote in said.votes),
        "up": any(vote.value > 0 for vote in said.votes),
    }
    return _Row(
        turn.author or "",
        turn.adapter,
        language(asked),
        turn.created_at,
        frozenset(kind for kind in KINDS if there[kind]),
        frozenset(reasons),
        asked,
        "\n".join([asked, turn.reply, *(c.text for c in said.corrections)]).casefold(),
    )


def _checks(wanted: Filter) -> list[Callable[[_Row], bool]]:
    """What a row must satisfy, for what is wanted alone."""
    reason, text, since, until = wanted.reason.casefold(), wanted.text.casefold(), wanted.since, wanted.until
    checks: list[tuple[object, Callable[[_Row], bool]]] = [
        (wanted.kind, lambda row: wanted.kind in row.kinds),
        (reason, lambda row: any(reason in said for said in row.reasons)),
        (wanted.author, lambda row: row.author.startswith(wanted.author)),
        (wanted.version, lambda row: row.version.startswith(wanted.version)),
        (wanted.language, lambda row: row.language == wanted.language),
        (since, lambda row: since is None or row.asked_at >= since),
        (until, lambda row: until is None or row.asked_at < until),
        (text, lambda row: text in row.text),
    ]
    return [fits for asked, fits in checks if asked not in ("", None)]
