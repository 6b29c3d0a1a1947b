"""The audit log: who did what on what, in the order of the events."""

from dataclasses import dataclass

from core import keys
from core.store import Store, durable


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that was done, at (ms). `id` is its place in the log."""

    id: str
    at: int
    who: str
    what: str
    subject: str
    why: str


class AuditLog:
    """Entries in Redis; they name operators, never what people wrote. Methods raise StoreUnavailable."""

    def __init__(self, store: Store):
        self._store = store

    def note(self, who: str, what: str, subject: str = "", why: str = "") -> None:
        """Something was done."""
        with durable():
            self._store.xadd(keys.AUDIT, {"who": who, "what": what, "subject": subject, "why": why})

    def page(self, before: str | None = None, count: int = 50) -> list[Entry]:
        """The newest entries, or those older than one, newest first."""
        with durable():
            found = self._store.xrevrange(keys.AUDIT, max=f"({before}" if before else "+", count=count)
        return [Entry(entry, int(entry.split("-")[0]), **_fields(said)) for entry, said in found]


def _fields(said: dict[str, str]) -> dict[str, str]:
    return {name: said.get(name, "") for name in ("who", "what", "subject", "why")}
