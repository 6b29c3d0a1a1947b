"""Corrections that were shown to their author and are not sent yet."""

import secrets

from core import keys
from core.errors import NotFound
from core.records import Draft, from_json, to_json
from core.store import Store, durable
from feedback.ratings import Ratings, correction_text
from feedback.turns import Turns

DRAFT_S = 86_400


class Drafts:
    """Drafts in Redis, each its author's own. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, turns: Turns, ratings: Ratings):
        self._store, self._turns, self._ratings = store, turns, ratings

    def propose(self, chat: str, author: str, turn_id: str, text: str) -> tuple[str, str]:
        """Keep a correction until its author sends it; gives its id, and the text as it would be stored.

        Raises: NotFound, InvalidInput.
        """
        self._turns.get(turn_id)
        draft, draft_id = Draft(turn_id, correction_text(text)), secrets.token_hex(8)
        with durable():
            self._store.set(keys.draft(chat, author, draft_id), to_json(draft), ex=DRAFT_S)
        return draft_id, draft.text

    def send(self, chat: str, author: str, draft_id: str) -> Draft:
        """Store a draft as its author's correction.

        Raises: NotFound where it is not this author's, or is gone.
        """
        draft = self.get(chat, author, draft_id)
        self._ratings.correct(draft.turn, author, draft.text)
        self._delete(chat, author, draft_id)
        return draft

    def drop(self, chat: str, author: str, draft_id: str) -> Draft:
        """Take a draft away, unsent.

        Raises: NotFound where it is not this author's, or is gone.
        """
        draft = self.get(chat, author, draft_id)
        self._delete(chat, author, draft_id)
        return draft

    def get(self, chat: str, author: str, draft_id: str) -> Draft:
        """A draft that waits for its author.

        Raises: NotFound where it is not this author's, or is gone.
        """
        with durable():
            text = self._store.get(keys.draft(chat, author, draft_id))
        if text is None:
            raise NotFound("this correction is not waiting for you any more.")
        return from_json(Draft, text)

    def _delete(self, chat: str, author: str, draft_id: str) -> None:
        with durable():
            self._store.delete(keys.draft(chat, author, draft_id))
