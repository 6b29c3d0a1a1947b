"""The audit log: who did what on what, in the order of the events."""

from collections.abc import Collection
from dataclasses import dataclass

from core import keys
from core.store import Store, durable

# KEYS: the log. ARGV: what stands for names from now on, and these. What is deleted from a stream goes on standing in
# its memory, so that it is written anew, under the same ids.
_RENAME = """
local all, found, gone = redis.call('XRANGE', KEYS[1], '-', '+'), false, {}
for i = 2, #ARGV do gone[ARGV[i]] = true end
for _, entry in ipairs(all) do
  for i = 1, #entry[2], 2 do
    local named = entry[2][i] == 'subject' or entry[2][i] == 'who'
    if named and gone[entry[2][i + 1]] then entry[2][i + 1], found = ARGV[1], true end
  end
end
if not found then return end
redis.call('DEL', KEYS[1])
for _, entry in ipairs(all) do redis.call('XADD', KEYS[1], entry[1], unpack(entry[2])) end
"""


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
        self._rename = store.register_script(_RENAME)

    def note(self, who: str, what: str, subject: str = "", why: str = "", pipe: Store | None = None) -> None:
        """Something was done, or is by a transaction."""
        with durable():
            (pipe or self._store).xadd(keys.AUDIT, {"who": who, "what": what, "subject": subject, "why": why})

    def page(self, before: str | None = None, count: int = 50) -> list[Entry]:
        """The newest entries, or those older than one, newest first."""
        with durable():
            found = self._store.xrevrange(keys.AUDIT, max=f"({before}" if before else "+", count=count)
        return [Entry(entry, int(entry.split("-")[0]), **_fields(said)) for entry, said in found]

    def rename(self, pipe: Store, names: Collection[str], instead: str) -> None:
        """Let nothing in the log lead to people and turns any more, as part of a transaction."""
        self._rename([keys.AUDIT], [instead, *names], client=pipe)


def _fields(said: dict[str, str]) -> dict[str, str]:
    return {name: said.get(name, "") for name in ("who", "what", "subject", "why")}
