"""What a forgetting leaves to the schedule: a marked version that has answered long enough, files not yet rewritten."""

import logging

from core.errors import AliasMoved
from core.records import now_ms
from feedback.erasure import erase_overdue
from workers.context import Context
from workers.searching import finish_forgetting_search

log = logging.getLogger(__name__)


def finish_forgetting(context: Context) -> None:
    """Do what is overdue. Aliases that move meanwhile are looked at again by the next tick.

    Raises: StoreUnavailable.
    """
    finish_forgetting_search(context)
    longest_s = context.settings.forget_max_s
    marked = context.registry.marked_live()
    if marked and now_ms() - marked[1] >= 1000 * longest_s:
        version, _ = marked
        why = (
            f"{version[:12]} learned from somebody who was forgotten, and no refresh has replaced it in "
            f"{longest_s / 3600:g} hours"
        )
        try:
            to = context.registry.leave_marked("schedule", why)
        except AliasMoved:
            return
        if to:
            log.warning("live falls back to %s: %s", to[:12], why)
    erase_overdue(context.store, context.settings.data_dir)
