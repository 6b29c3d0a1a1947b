"""What the bot is to say in handed-over chats for operators at the console, in order: the console sends nothing."""

from collections.abc import Collection

from core import keys
from core.records import Errand, Handover, from_json, to_json
from core.store import Store, durable
from feedback.people import Person


class Errands:
    """Errands in Redis, until they are done. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store):
        self._store = store

    def ask(self, errand: Errand) -> None:
        """Have the bot do something, after all that was asked before."""
        with durable():
            self._store.rpush(keys.ERRANDS, to_json(errand))

    def next(self) -> Errand | None:
        """The first errand that is not done."""
        with durable():
            text = self._store.lindex(keys.ERRANDS, 0)
        return from_json(Errand, text) if text else None

    def done(self, errand: Errand) -> None:
        """It is done, or cannot be done."""
        with durable():
            self._store.lrem(keys.ERRANDS, 1, to_json(errand))

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
