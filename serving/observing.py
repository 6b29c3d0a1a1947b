"""What came of an answer: looked at as its kind does, beside the event loop, recorded with its turn, and told."""

import asyncio
import logging

from core.errors import NotFound, StoreUnavailable
from core.records import Observation, Turn
from feedback.observations import Observations
from kinds import KINDS
from kinds.kind import Finding, Task

log = logging.getLogger(__name__)


class Outcomes:
    """Observes the model's own answers; what people approved needs no check."""

    def __init__(self, observations: Observations):
        self._observations = observations

    async def observe(self, turn: Turn, task: Task, stored: bool) -> Observation | None:
        """What came of the answer of a turn that has ended; None where that cannot be observed.

        It is part of the record where the turn is.
        """
        if turn.origin not in ("model", "quote"):
            return None
        finding = await asyncio.to_thread(_checked, turn, task)
        if finding is None:
            return None
        observation = Observation(
            turn.id, finding.value, finding.why, finding.said, finding.took_ms, values=dict(finding.values)
        )
        return await asyncio.to_thread(self._record, observation) if stored else observation

    def _record(self, seen: Observation) -> Observation:
        try:
            return self._observations.record(seen.turn, seen.value, seen.why, seen.said, seen.took_ms, seen.values)
        except (NotFound, StoreUnavailable) as error:
            log.warning("what came of turn %s could not be stored: %s", seen.turn, error)
            return seen


def _checked(turn: Turn, task: Task) -> Finding | None:
    """What the check of a turn's kind finds; a check that fails says nothing of the answer."""
    try:
        return KINDS[turn.kind].check(task, turn.reply if turn.generated is None else turn.generated)
    except Exception:
        log.exception("the answer of turn %s could not be checked", turn.id)
        return None
