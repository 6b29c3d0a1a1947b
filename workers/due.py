"""Whether a refresh is due, for the schedule, and how the documents are asked for."""

from core import keys
from core.errors import InvalidInput
from core.records import now_ms
from core.store import durable
from retrieval.generations import public_chunks
from training.outlook import why_due
from workers.context import Context
from workers.searching import search_due


def refresh_due(context: Context) -> str | None:
    """Why a refresh should start now, or None.

    Raises: StoreUnavailable.
    """
    return _adapter_due(context) or search_due(context)


def only_search_due(context: Context) -> bool:
    """Whether a refresh is due for the search alone, and no adapter need be tuned.

    Raises: StoreUnavailable.
    """
    return _adapter_due(context) is None and search_due(context) is not None


def _adapter_due(context: Context) -> str | None:
    return why_due(context.settings, context.store, context.registry, context.reviews)


def ask_for_documents(context: Context) -> None:
    """Have the next refresh learn the documents as well, and be due at once.

    Raises: IndexDamaged; InvalidInput where there are none.
    """
    if not public_chunks(context.settings.data_dir):
        raise InvalidInput("there are no documents that everyone may see; `apprentice ingest PATH...` reads some.")
    with durable():
        context.store.set(keys.REFRESH_DOMAIN, now_ms())
