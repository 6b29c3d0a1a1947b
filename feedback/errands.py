"""What the bot is to say in handed-over chats for operators at the console, in order: the console sends nothing."""

from collections.abc import Collection

from core import keys
from core.records import Errand, Handover, from_json, new_id, to_json
from core.store import Store, durable
from feedback.people import Person

CLAIM_S = 60
"""So long one bot may be about an errand before another takes it up."""

# KEYS: the claim, the errands. ARGV: this claim, the errand.
_DONE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return redis.call('LREM', KEYS[2], 1, ARGV[2])
"""


class Errands:
    """Errands in Redis, until they are done. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._store = store
        self._id = new_id()
        self._done = store.register_script(_DONE)

    def ask(self, errand: Errand) -> None:
        """Have the bot do something, after all that was asked before."""
        with durable():
            self._store.rpush(keys.ERRANDS, to_json(errand))

    def claim(self) -> Errand | None:
        """The next errand, for this bot alone; None: there is none, or another bot is about it."""
        with durable():
            if not self._store.llen(keys.ERRANDS):
                return None
            if not self._store.set(keys.ERRANDS_CLAIM, self._id, nx=True, ex=CLAIM_S):
                return None
            text = self._store.lindex(keys.ERRANDS, 0)
            if text is None:
                self._store.delete(keys.ERRANDS_CLAIM)
        return from_json(Errand, text) if text else None

    def done(self, errand: Errand) -> None:
        """It is done, or cannot be done."""
        with durable():
            self._done(keys=[keys.ERRANDS_CLAIM, keys.ERRANDS], args=[self._id, to_json(errand)])

    def give_back(self) -> None:
        """It could not be done yet, and is tried again soon."""
        with durable():
            self._store.delete(keys.ERRANDS_CLAIM)

    def forget(self, pipe: Store, author: str) -> None:
        """Take everything that is to be said to a person out, within a transaction."""
        with durable():
            waiting = self._store.lrange(keys.ERRANDS, 0, -1)
        for text in waiting:
            if from_json(Errand, text).handover.author == author:
                pipe.lrem(keys.ERRANDS, 0, text)


def has_left(person: Person, handover: Handover, let_in: Collection[int]) -> bool:
    """Whether who asked may not use the bot any more; `let_in` are the numbers that the settings let in."""
    number = handover.address.rpartition(":")[2]
    is_listed = number.lstrip("-").isdigit() and int(number) in let_in
    return bool(person.banned) or (person.role is None and not is_listed)
