"""What the search has learned, as it is served: whether it must go, the way back, and files that are kept for it."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from core import keys
from core.errors import AliasMoved, IndexDamaged, InvalidInput
from core.records import now_ms
from core.store import durable
from feedback.embedders import Embedders
from retrieval.generations import current_learned, drop_previous, load
from retrieval.tuned import adopt
from workers.context import Context

log = logging.getLogger(__name__)
FOLDER = "search"
"""In the data folder: what the search learned, by its id, for the way back."""
KEPT = 20
"""Versions whose figures and files are kept."""
FORGOTTEN = "the search learned from somebody who was forgotten"


def search_due(context: Context) -> str | None:
    """Why the search should learn now, or None: what it learned must go, or somebody asked.

    Raises: StoreUnavailable.
    """
    with durable():
        if context.store.exists(keys.REFRESH_LOCK, keys.REFRESH_POSTPONED):
            return None
    if Embedders(context.store).asked():
        return "the search is to learn"
    try:
        learned = current_learned(context.settings.data_dir)
    except IndexDamaged:
        return None
    return FORGOTTEN if must_go(context, learned) else None


def must_go(context: Context, learned: str | None) -> bool:
    """Whether somebody was forgotten whom the search learned from, or nobody knows any more whom it learned from."""
    embedders = Embedders(context.store)
    return learned is not None and (embedders.get(learned) is None or embedders.marked(learned) is not None)


def finish_forgetting_search(context: Context) -> None:
    """Let the search be as it was before it learned, where what it learned must go and no refresh has seen to it in
    time; what must go and is not in use goes at once.

    Raises: StoreUnavailable.
    """
    with suppress(AliasMoved, IndexDamaged):
        learned = current_learned(context.settings.data_dir)
        since = Embedders(context.store).marked(learned) if learned else None
        if since is not None and now_ms() - since >= 1000 * context.settings.forget_max_s:
            leave_search(context, learned, "schedule", FORGOTTEN)
        tidy(context)


def leave_search(context: Context, learned: str | None, who: str, why: str) -> None:
    """Let the search read questions as the installation's embedder does, and keep nothing of what it had learned.

    Raises: AliasMoved, DiskFull, IndexDamaged, StoreUnavailable.
    """
    data_dir = context.settings.data_dir
    adopt(data_dir, None, learned)
    drop_previous(data_dir)
    Embedders(context.store).note(who, "search fall back", learned or "", why)
    log.warning("the search reads questions as the embedder does: %s", why)
    tidy(context)


def roll_back(context: Context, who: str, why: str) -> str | None:
    """Let the search be as it was before it learned last; returns the id of what it had learned then, if anything.

    Raises: InvalidInput where it has learned nothing; AliasMoved, DiskFull, IndexDamaged, StoreUnavailable.
    """
    data_dir, embedders = context.settings.data_dir, Embedders(context.store)
    now = load(data_dir)
    if now is None or now.learned is None:
        raise InvalidInput("the search has learned nothing yet; it reads questions as the embedder does.")
    version = embedders.get(now.learned)
    before = embedders.get(version.against) if version else None
    kept = data_dir / FOLDER / f"{before.id}.safetensors" if before and not must_go(context, before.id) else None
    adapter = kept.read_bytes() if before and kept and before.base == now.embedder and kept.is_file() else None
    adopt(data_dir, adapter, now.learned)
    embedders.note(who, "search rollback", now.learned, why)
    tidy(context)
    return before.id if before and adapter else None


def keep(data_dir: Path, name: str, adapter: bytes) -> None:
    """Keep what the search learned, for the way back."""
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}"
    draft.write_bytes(adapter)
    os.replace(draft, folder / f"{name}.safetensors")


def tidy(context: Context) -> None:
    """Delete what must go and what is old, files and record, unless it is in use.

    Raises: IndexDamaged, StoreUnavailable.
    """
    data_dir, embedders = context.settings.data_dir, Embedders(context.store)
    used = current_learned(data_dir)
    for age, version in enumerate(embedders.all()):
        marked = embedders.marked(version.id) is not None
        if version.id != used and (marked or age >= KEPT):
            embedders.drop(version.id)
        if version.id != used and marked:
            drop_previous(data_dir)
    for path in (data_dir / FOLDER).glob("*"):
        if path.stem != used and embedders.get(path.stem) is None:
            path.unlink(missing_ok=True)
