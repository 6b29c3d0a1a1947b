"""What came of an answer: looked at as its kind does, beside the event loop, recorded with its turn, and told."""

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from core.errors import NotFound, StoreUnavailable
from core.records import Observation, Turn
from feedback.observations import Observations
from feedback.permission import Permission
from kinds import KINDS
from kinds.kind import Finding, Task

RUNS_AT_ONCE, WAITING = 2, 16
"""Programs that run side by side, and those that may wait for them: each may take ten seconds, and people wait too."""
BUSY = Finding(0.0, "busy", "It was not run: too many programs were waiting. Ask again later.", observed=False)
log = logging.getLogger(__name__)


class Outcomes:
    """Observes the model's own answers; what people approved needs no check."""

    def __init__(self, observations: Observations, permission: Permission):
        self._observations = observations
        self._permission = permission
        self._running = ThreadPoolExecutor(RUNS_AT_ONCE, "run")
        """Runs wait here for one another, and not in the threads that other answers need."""
        self._begun = 0

    async def observe(self, turn: Turn, task: Task, stored: bool, stop: threading.Event) -> Finding | None:
        """What came of the answer of a turn that has ended; None where that cannot be observed.

        It is part of the record where the turn is. `stop` is set when nobody waits for it any more.
        """
        if turn.origin not in ("model", "quote"):
            return None
        if KINDS[turn.kind].runs:
            may_run = await asyncio.to_thread(self._permission.may_run, turn.author)
            finding = await self._run(turn, replace(task, may_run=may_run, stop=stop))
        else:
            finding = await asyncio.to_thread(_checked, turn, task)
        if finding is not None and finding.observed and stored:
            await asyncio.to_thread(self._record, turn.id, finding)
        return finding

    async def _run(self, turn: Turn, task: Task) -> Finding | None:
        """What comes of a reply that is run; that it is not, where too many wait."""
        if not task.may_run:
            return None
        if self._begun >= RUNS_AT_ONCE + WAITING:
            return BUSY
        self._begun += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._running, _checked, turn, task)
        finally:
            self._begun -= 1

    def _record(self, turn_id: str, found: Finding) -> None:
        try:
            self._observations.record(turn_id, found.value, found.why, found.said, found.took_ms, found.values)
        except (NotFound, StoreUnavailable) as error:
            log.warning("what came of turn %s could not be stored: %s", turn_id, error)

    def close(self) -> None:
        """Let no run begin any more."""
        self._running.shutdown(wait=False, cancel_futures=True)


def repaired(kind: str, finding: Finding | None) -> str | None:
    """What the model is told of an answer that failed, so that it tries once more; None: the answer stands."""
    return KINDS[kind].repair(finding) if finding is not None else None


def told(turn_id: str, finding: Finding) -> Observation:
    """A finding as the person is told of it."""
    return Observation(turn_id, finding.value, finding.why, finding.said, finding.took_ms, values=dict(finding.values))


def _checked(turn: Turn, task: Task) -> Finding | None:
    """What the check of a turn's kind finds; a check that fails says nothing of the answer."""
    try:
        return KINDS[turn.kind].check(task, turn.reply if turn.generated is None else turn.generated)
    except Exception:
        log.exception("the answer of turn %s could not be checked", turn.id)
        return None
