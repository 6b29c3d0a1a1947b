"""What operators note about an answer: edits that are not approved yet, tags, and comments for each other."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core import keys
from core.errors import InvalidInput
from core.privacy import scrub
from core.records import Comment, from_json, now_ms, to_json
from core.store import Store, durable
from feedback.events import AS_LONG_AS_THE_TURN
from feedback.ratings import correction_text
from feedback.turns import Turns

TAG = re.compile(r"[\w-]{1,32}")
MAX_COMMENT = 2000
"""Characters."""

# KEYS: the tag's turns, tags. ARGV: tag, turn. A tag that nothing has is no tag any more.
_UNTAG = """
redis.call('ZREM', KEYS[1], ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
"""


@dataclass(frozen=True, slots=True)
class Notes:
    """What is noted about one turn; `edit` is the asking operator's own."""

    edit: str | None
    tags: tuple[str, ...]
    comments: tuple[Comment, ...]


class Notebook:
    """Notes in Redis, without personal data. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, turns: Turns):
        self._store, self._turns = store, turns
        self._as_long_as_the_turn = store.register_script(AS_LONG_AS_THE_TURN)
        self._untag = store.register_script(_UNTAG)

    def of(self, turn_id: str, operator: str) -> Notes:
        """Everything that an operator sees noted about a turn."""
        known = self.tags()
        with durable(), self._store.pipeline(transaction=False) as pipe:
            pipe.hget(keys.edits(turn_id), operator)
            pipe.lrange(keys.comments(turn_id), 0, -1)
            for tag in known:
                pipe.zscore(keys.tagged(tag), turn_id)
            edit, comments, *scores = pipe.execute()
        tags = tuple(tag for tag, score in zip(known, scores, strict=True) if score is not None)
        return Notes(edit, tags, tuple(from_json(Comment, text) for text in comments))

    def keep_edit(self, turn_id: str, operator: str, text: str) -> None:
        """Keep an operator's edit until they decide; an empty one is none.

        Raises: NotFound, InvalidInput where it is too long.
        """
        self._turns.get(turn_id)
        text = correction_text(text) if text.strip() else ""
        with durable(), self._store.pipeline() as pipe:
            if text:
                pipe.hset(keys.edits(turn_id), operator, text)
                self._as_long_as_the_turn(keys=[keys.edits(turn_id), keys.turn(turn_id)], client=pipe)
            else:
                pipe.hdel(keys.edits(turn_id), operator)
            pipe.execute()

    def drop_edit(self, turn_id: str, operator: str) -> None:
        """The operator has decided."""
        with durable():
            self._store.hdel(keys.edits(turn_id), operator)

    def tags(self) -> list[str]:
        """Every tag that a turn has."""
        with durable():
            return sorted(self._store.smembers(keys.TAGS))

    def tag(self, turn_id: str, tag: str) -> None:
        """Give a turn a tag, in small letters.

        Raises: NotFound, InvalidInput.
        """
        tag = tag.strip().lower()
        if not TAG.fullmatch(tag) or scrub(tag) != tag:
            raise InvalidInput("a tag is one word: 32 letters, digits, - and _ at most.")
        self._turns.get(turn_id)
        now = now_ms()
        with durable(), self._store.pipeline() as pipe:
            pipe.zadd(keys.tagged(tag), {turn_id: now})
            pipe.zremrangebyscore(keys.tagged(tag), "-inf", now - 1000 * self._turns.retention_s)
            pipe.sadd(keys.TAGS, tag)
            pipe.execute()

    def untag(self, turn_id: str, tag: str) -> None:
        """Take a tag from a turn."""
        with durable():
            self._untag(keys=[keys.tagged(tag), keys.TAGS], args=[tag, turn_id])

    def comment(self, turn_id: str, operator: str, text: str) -> None:
        """Write something about a turn for the other operators.

        Raises: NotFound, InvalidInput.
        """
        text = text.strip()
        if not text or len(text) > MAX_COMMENT:
            raise InvalidInput(f"a comment has something to say, in {MAX_COMMENT} characters at most.")
        self._turns.get(turn_id)
        with durable(), self._store.pipeline() as pipe:
            pipe.rpush(keys.comments(turn_id), to_json(Comment(operator, scrub(text), now_ms())))
            self._as_long_as_the_turn(keys=[keys.comments(turn_id), keys.turn(turn_id)], client=pipe)
            pipe.execute()

    def forget(self, pipe: Store, turn_ids: Iterable[str]) -> None:
        """Remove all that is noted about turns, and claims on them, within a transaction."""
        tags = self.tags()
        for turn_id in turn_ids:
            pipe.delete(keys.edits(turn_id), keys.comments(turn_id), keys.opinion(turn_id))
            pipe.hdel(keys.CLAIMS, turn_id)
            pipe.zrem(keys.OPINIONS, turn_id)
            for tag in tags:
                self._untag(keys=[keys.tagged(tag), keys.TAGS], args=[tag, turn_id], client=pipe)
