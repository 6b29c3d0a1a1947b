"""What came of carrying answers out: one observation a turn, the newest."""

from collections.abc import Sequence

from core import keys
from core.privacy import scrub
from core.records import Observation, from_json, now_ms, to_json
from core.store import Store, durable
from feedback.events import Events
from feedback.turns import Turns


class Observations:
    """Observations in Redis, which live as long as their turns. Every method raises StoreUnavailable."""

    def __init__(self, store: Store, turns: Turns):
        self._store = store
        self._turns = turns
        self._events = Events(store, turns)

    def record(self, turn_id: str, value: float, why: str, said: str = "", took_ms: int | None = None) -> Observation:
        """Note what came of a turn's answer.

        Raises: NotFound.
        """
        self._turns.get(turn_id)
        observation = Observation(turn_id, value, why, scrub(said), took_ms, now_ms())
        with durable(), self._store.pipeline() as pipe:
            pipe.set(keys.observation(turn_id), to_json(observation))
            self._events.note(pipe, observation, keys.observation(turn_id))
            pipe.execute()
        return observation

    def of(self, turn_ids: Sequence[str]) -> dict[str, Observation]:
        """The observations of those of the turns that have one, in one round trip."""
        if not turn_ids:
            return {}
        with durable():
            found = self._store.mget([keys.observation(turn_id) for turn_id in turn_ids])
        return {turn: from_json(Observation, text) for turn, text in zip(turn_ids, found, strict=True) if text}
