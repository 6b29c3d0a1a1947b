"""The tasks: locks and order only."""

import logging

from core import keys
from core.records import now_ms
from core.store import durable
from feedback.wishes import take_up
from workers.app import app, settings
from workers.context import open_context
from workers.due import only_search_due, refresh_due
from workers.lock import RefreshLock
from workers.overdue import finish_forgetting
from workers.trial import judge_canary

log = logging.getLogger(__name__)


@app.task
def tick() -> None:
    """End what was approved for a time, finish what a forgetting has left, and have a refresh made where one is due."""
    context = open_context(settings)
    with durable():
        context.store.hset(keys.WORKERS, "tick", now_ms())
    context.reviews.expire()
    finish_forgetting(context)
    why = refresh_due(context)
    if why:
        log.info("a refresh is due: %s", why)
        refresh.apply_async(expires=2 * settings.tick_s)


@app.task
def judge() -> None:
    """Let a running canary judge itself."""
    judge_canary(open_context(settings), now_ms())


@app.task
def refresh() -> None:
    """Run one refresh, unless another worker holds the lock or it is no longer due.

    One that an operator asked for is begun afresh, even if the same had failed before. Practice comes before it, and
    the search learns after it.
    """
    context = open_context(settings)
    only_search = only_search_due(context)
    with RefreshLock(context.store, settings.lock_s) as lock:
        if lock.try_acquire():
            from workers.cycle import learn
            from workers.search_learning import learn_to_search

            if only_search:
                learn_to_search(context, lock, _silent)
            else:
                learn(context, lock, _silent, again=take_up(context.store))


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody watches the worker; what it is doing stands in the database."""
