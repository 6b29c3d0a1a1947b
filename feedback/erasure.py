"""The database's files: what was removed still stands in them until they are written anew."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from core import keys
from core.errors import StoreUnavailable
from core.records import now_ms
from core.store import Store, durable

POLL_S = 0.05
OVERDUE_MS = 60_000
"""After this long whoever removed something is taken for dead, and the schedule writes the files anew."""
_ADVICE = "Everything was removed, but the database's files still hold it"


def erase(store: Store, data_dir: Path) -> None:
    """Have the append-only file and the snapshot written anew, and wait until the old ones are gone.

    Beside an append-only file nothing reads a snapshot: one that lies in the data folder is deleted.

    Raises: StoreUnavailable where it failed; the schedule tries again.
    """
    with durable():
        store.set(keys.ERASURE, now_ms())
        try:
            append_only = _info(store)["aof_enabled"]
            if append_only:
                _do(store, store.bgrewriteaof, "append-only file", "aof_last_bgrewrite_status")
            if append_only and (folder := _folder_within(store, data_dir)):
                for leftover in (*folder.glob("*.rdb"), *folder.glob("temp-*")):
                    leftover.unlink(missing_ok=True)
            elif store.config_get("save")["save"] or _info(store).get("rdb_saves"):
                _do(store, store.bgsave, "snapshot", "rdb_last_bgsave_status")
        except redis.ResponseError as error:
            raise StoreUnavailable(f"{_ADVICE}: it refuses to write them anew ({error}).") from error
        store.delete(keys.ERASURE)


def erase_overdue(store: Store, data_dir: Path) -> None:
    """Finish what a process that was killed while it erased has left.

    Raises: StoreUnavailable.
    """
    with durable():
        since = store.get(keys.ERASURE)
    if since is not None and now_ms() - int(since) > OVERDUE_MS:
        erase(store, data_dir)


def _folder_within(store: Store, data_dir: Path) -> Path | None:
    """The database's folder where it lies in the data folder; a database elsewhere may call its own the same."""
    where = store.config_get("dir", "appenddirname")
    folder = Path(where["dir"])
    is_ours = folder.is_relative_to(data_dir.resolve()) and (folder / where["appenddirname"]).is_dir()
    return folder if is_ours else None


def _do(store: Store, begin: Callable[[], Any], what: str, status: str) -> None:
    """Begin after what runs already, which may hold what was removed since, and wait for the end."""
    _wait(store)
    begin()
    _wait(store)
    if _info(store)[status] != "ok":
        raise StoreUnavailable(f"{_ADVICE}: its {what} could not be written, perhaps for want of space.")


def _wait(store: Store) -> None:
    running = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
    while any(_info(store).get(name) for name in running):
        time.sleep(POLL_S)


def _info(store: Store) -> dict[str, Any]:
    return store.info("persistence")
