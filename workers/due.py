"""Whether a refresh is due: enough that is new, enough time with anything new, documents, or somebody was forgotten."""

from core import keys
from core.errors import InvalidInput
from core.records import now_ms
from core.store import durable
from retrieval.generations import public_chunks
from workers.context import Context


def refresh_due(context: Context) -> str | None:
    """Why a refresh should start now, or None. Time alone never starts one, and none starts while a canary runs.

    Where live learned from somebody who was forgotten since the last one, or somebody asked for the documents to be
    learned, one is due whatever else is new.

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
        documents = context.store.exists(keys.REFRESH_DOMAIN)
    if int(last.get("at", 0)) <= forgotten and context.registry.marked_live():
        return "the live version learned from somebody who was forgotten"
    if documents:
        return "the documents are to be learned"
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


def ask_for_documents(context: Context) -> None:
    """Have the next refresh learn the documents as well, and be due at once.

    Raises: IndexDamaged; InvalidInput where there are none.
    """
    if not public_chunks(context.settings.data_dir):
        raise InvalidInput("there are no documents that everyone may see; `apprentice ingest PATH...` reads some.")
    with durable():
        context.store.set(keys.REFRESH_DOMAIN, now_ms())


def _new_items(context: Context, since: int) -> int:
    """What may be learned from since an instant (ms): approvals, and where the policy says so whatever was said."""
    if context.settings.review_policy == "all":
        return context.reviews.count_for_everyone(since)
    with durable():
        found = [context.store.zrangebyscore(key, f"({since}", "+inf") for key in (keys.FOR_EVERYONE, keys.FEEDBACK)]
    return len(set().union(*found))
