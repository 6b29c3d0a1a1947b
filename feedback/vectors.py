"""The embedded questions of approved answers, kept so that a start does not embed them all again."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

from core import keys
from core.store import Store, durable


class QuestionVectors:
    """Bytes by turn, in Redis. They go when an approval is taken back."""

    def __init__(self, store: Store):
        self._store = store

    def get(self, turns: Sequence[str]) -> list[bytes | None]:
        """The value of each turn, None where there is none.

        Raises: StoreUnavailable.
        """
        if not turns:
            return []
        with durable():
            found = self._store.hmget(keys.QUESTION_VECTORS, list(turns))
        return [b64decode(value) if value else None for value in found]

    def put(self, vectors: Mapping[str, bytes]) -> None:
        """Keep values by turn.

        Raises: StoreUnavailable.
        """
        with durable():
            self._store.hset(
                keys.QUESTION_VECTORS, mapping={turn: b64encode(value).decode() for turn, value in vectors.items()}
            )
