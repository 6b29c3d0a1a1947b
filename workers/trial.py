"""The canary judges itself: each window's outcomes add to the evidence, and enough of it, or time, ends the trial."""

import logging
from typing import Literal

from adapters.aliases import Canary
from core.errors import AliasMoved
from core.records import Turn
from feedback.evidence import Evidence, after, summary, verdict
from workers.context import Context

log = logging.getLogger(__name__)
WINDOW_S = 3600
FEEDBACK_S = 3600
"""How long after a window its answers may still be rated."""


def judge_canary(context: Context, now: int) -> None:
    """Count the windows that are complete at `now` (ms), and end the canary if they are enough, or its time is over.

    What was counted is kept window by window, so that a worker that is killed, or another one, goes on from there.

    Raises: StoreUnavailable.
    """
    canary = context.registry.aliases().canary
    if canary is None:
        return
    evidence = context.outcomes.evidence(canary.version, canary.set_at)
    found = verdict(evidence)
    while found is None and _complete(canary, evidence.windows, now):
        evidence = _count(context, canary, evidence)
        if not context.outcomes.keep(canary.version, canary.set_at, evidence):
            return
        found = verdict(evidence)
    if found:
        _end(context, canary, found.outcome, found.why)
    elif now >= (canary.started_at or canary.set_at) + 1000 * context.settings.canary_max_s:
        _end(context, canary, "expire", f"{_unfinished(canary, evidence)} Live stays.")


def _complete(canary: Canary, window: int, now: int) -> bool:
    """Whether a window is over, and the time for feedback about it."""
    return canary.started_at is not None and now >= _begins(canary, window + 1) + 1000 * FEEDBACK_S


def _begins(canary: Canary, window: int) -> int:
    return (canary.started_at or 0) + 1000 * WINDOW_S * window


def _count(context: Context, canary: Canary, evidence: Evidence) -> Evidence:
    since, until = _begins(canary, evidence.windows), _begins(canary, evidence.windows + 1)
    return after(evidence, context.outcomes.window(since, until, lambda turn: _arm(canary, turn, since, until)))


def _arm(canary: Canary, turn: Turn, since: int, until: int) -> bool | None:
    """Whether a turn of a window is the canary's; None where its chat was not answered by the version it was routed to.

    A chat that another share moved from one to the other within the window counts for neither: a part of an hour holds
    fewer complaints than all of it.
    """
    if turn.chat is None:
        return None
    taken = canary.took(turn.chat, since, until)
    if taken is None:
        return None
    return taken if turn.adapter == (canary.version if taken else canary.against) else None


def _unfinished(canary: Canary, evidence: Evidence) -> str:
    if canary.started_at is None:
        return "not every serving process could install it in time."
    return f"not enough evidence in time: {summary(evidence)}"


def _end(context: Context, canary: Canary, outcome: Literal["promote", "rollback", "expire"], why: str) -> None:
    try:
        context.registry.end_canary(canary, outcome, "canary", why)
    except AliasMoved as error:
        log.info("the canary %s: %s", canary.version[:12], error)
        return
    context.outcomes.drop_histories(canary.version)
    log.info("the canary %s ended: %s. %s", canary.version[:12], outcome, why)
