"""Whether a refresh is due: enough that is new, enough time with anything new, or somebody was forgotten."""

from core import keys
from core.records import now_ms
from core.store import durable
from workers.context import Context


def refresh_due(context: Context) -> str | None:
    """Why a refresh should start now, or None. Time alone never starts one, and none starts while a canary runs.

    Where live learned from somebody who was forgotten since the last one, one is due whatever else is new.

    Raises: StoreUnavailable.
    """
    settings = context.settings
    with durable():
        if context.store.exists(keys.REFRESH_LOCK, keys.REFRESH_POSTPONED):
            return None
        if context.store.hexists(keys.ALIASES, "canary"):
            return None
        last = context.store.hgetall(keys.REFRESH_LAST)
        forgotten = int(context.store.get(keys.FORGOTTEN) or 0)
    if int(last.get("at", 0)) <= forgotten and context.registry.marked_live():
        return "the live version learned from somebody who was forgotten"
    new = _new_items(context, int(last.get("until", 0)))
    what = "newly approved items" if settings.review_policy == "all" else "turns with new feedback"
    if new == 0:
        return None
    if new >= settings.refresh_min_items:
        return f"{new} {what}"
    waited_s = (now_ms() - int(last["at"])) / 1000 if last else 0
    if last and waited_s >= settings.refresh_interval_s:
        return f"{new} {what}, and {waited_s / 3600:.0f} hours since the last refresh"
    return None


def _new_items(context: Context, since: int) -> int:
    """What may be learned from since an instant (ms): approvals, and where the policy says so whatever was said."""
    if context.settings.review_policy == "all":
        return context.reviews.count_for_everyone(since)
    with durable():
        found = [context.store.zrangebyscore(key, f"({since}", "+inf") for key in (keys.FOR_EVERYONE, keys.FEEDBACK)]
    return len(set().union(*found))
