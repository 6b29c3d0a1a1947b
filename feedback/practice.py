"""Practice: answers that a refresh had a version write to instructions of the record, with what came of each."""

from collections import defaultdict
from dataclasses import dataclass

from core import keys
from core.errors import FenceLost, NotFound
from core.records import Observation, Turn, now_ms, to_json
from core.store import Store, durable
from feedback.observations import Observations
from feedback.turns import Turns, without_personal_data
from kinds.kind import Finding

_ADD = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
if redis.call('EXISTS', KEYS[2]) == 0 then return 'gone' end
redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[3])
redis.call('ZADD', KEYS[4], ARGV[4], ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', ARGV[4] - 1000 * ARGV[3])
return 'ok'
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answer in practice, and what was observed of it."""

    turn: Turn
    observation: Observation


class Practice:
    """What was practised, as turns of origin `practice` beside the turn whose instruction they answer.

    Nobody was shown them; they live, are exported and are forgotten as turns of who asked. Every method raises
    StoreUnavailable.
    """

    def __init__(self, store: Store, turns: Turns, observations: Observations):
        self._store, self._turns, self._observations = store, turns, observations
        self._add = store.register_script(_ADD)

    def add(self, turn: Turn, found: Finding, held: str) -> None:
        """Keep an answer and what came of it, while the refresh lock's value is `held` and its instruction is there.

        Raises: FenceLost; NotFound where the instruction is gone.
        """
        assert turn.beside is not None
        names = [keys.REFRESH_LOCK, keys.turn(turn.beside), keys.turn(turn.id), keys.PRACTICE]
        stored = to_json(without_personal_data(turn))
        with durable():
            answer = self._add(keys=names, args=[held, stored, self._turns.retention_s, turn.created_at, turn.id])
        if answer == "lost":
            raise FenceLost("the refresh was taken over by another worker; this one stops.")
        if answer == "gone":
            raise NotFound(f"there is no turn {turn.beside} any more.")
        self._observations.record(turn.id, found.value, found.why, found.said, found.took_ms, found.values)

    def attempts(self) -> dict[str, list[Attempt]]:
        """What was practised of each instruction's turn, oldest first; an answer that was never checked is left out."""
        with durable():
            ids = self._store.zrangebyscore(keys.PRACTICE, now_ms() - 1000 * self._turns.retention_s, "+inf")
        turns, observed = self._turns.get_many(ids), self._observations.of(ids)
        found: defaultdict[str, list[Attempt]] = defaultdict(list)
        for turn in turns.values():
            if turn.beside and turn.id in observed:
                found[turn.beside].append(Attempt(turn, observed[turn.id]))
        return dict(found)

    def ask(self) -> None:
        """Have the next refresh practise first, and be due at once."""
        with durable():
            self._store.set(keys.REFRESH_PRACTICE, now_ms())

    def asked(self) -> str | None:
        """Since when (ms) that is asked for."""
        with durable():
            return self._store.get(keys.REFRESH_PRACTICE)

    def settle(self, asked: str | None) -> None:
        """What was asked for then is done; what was asked for since is not."""
        if asked is not None and self.asked() == asked:
            with durable():
                self._store.delete(keys.REFRESH_PRACTICE)
