"""Turns: one answer each, chained by parent. Serving alone writes them, save for what operators answer."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from core import keys
from core.errors import NotFound
from core.privacy import scrub
from core.records import Message, Turn, from_json, now_ms, to_json
from core.store import Store, durable

DAY_S = 86_400
MAX_CONVERSATION = 40
"""Turns of history that are looked at; the prompt's budget drops far more."""
RECENT_MS = 2 * DAY_S * 1000
"""How long a turn is found by when it was opened."""
EDITABLE_S = 2 * DAY_S
"""How long Telegram lets people edit a message."""


class Turns:
    """Turns in Redis, without personal data. Unapproved ones live `retention_days`."""

    def __init__(self, store: Store, retention_days: int):
        self._store = store
        self.retention_s = retention_days * DAY_S

    def open(self, turn: Turn) -> None:
        """Store a turn before its first token is generated.

        Raises: StoreUnavailable.
        """
        with durable(), self._store.pipeline() as pipe:
            pipe.set(keys.turn(turn.id), to_json(without_personal_data(turn)), ex=self.retention_s)
            pipe.zadd(keys.OPEN_TURNS, {turn.id: turn.created_at})
            pipe.execute()

    def close(self, turn: Turn) -> None:
        """Store a turn's end. A chat's conversation continues from its newest turn that said something in it.

        A turn that was forgotten while it was open does not come back.

        Raises: StoreUnavailable.
        """
        with durable(), self._store.pipeline() as pipe:
            pipe.set(keys.turn(turn.id), to_json(without_personal_data(turn)), ex=self.retention_s, xx=True)
            pipe.zrem(keys.OPEN_TURNS, turn.id)
            if turn.chat and not turn.beside:
                pipe.zadd(keys.RECENT_TURNS, {turn.id: turn.created_at})
                pipe.zremrangebyscore(keys.RECENT_TURNS, "-inf", now_ms() - RECENT_MS)
            if turn.chat and not turn.beside and turn.reply and turn.status in ("complete", "stopped"):
                pipe.set(keys.head(turn.chat, turn.topic), turn.id, ex=self.retention_s)
            pipe.execute()

    def recent(self, since_ms: int, until_ms: int) -> list[str]:
        """Closed turns of chats that were opened from an instant to before another, both within the last two days."""
        with durable():
            return self._store.zrangebyscore(keys.RECENT_TURNS, since_ms, f"({until_ms}")

    def has_any(self) -> bool:
        """Whether anything was ever asked in a chat."""
        with durable():
            return self._store.exists(keys.RECENT_TURNS) > 0

    def add_closed(self, turns: Iterable[Turn]) -> None:
        """Store turns that were answered elsewhere (an import), in one round trip.

        Raises: StoreUnavailable.
        """
        with durable(), self._store.pipeline(transaction=False) as pipe:
            for turn in turns:
                pipe.set(keys.turn(turn.id), to_json(without_personal_data(turn)), ex=self.retention_s)
            pipe.execute()

    def get(self, turn_id: str) -> Turn:
        """One turn.

        Raises: NotFound, StoreUnavailable.
        """
        with durable():
            text = self._store.get(keys.turn(turn_id))
        if text is None:
            raise NotFound(f"there is no turn {turn_id}; it may be older than the record is kept.")
        return from_json(Turn, text)

    def get_many(self, turn_ids: Sequence[str]) -> dict[str, Turn]:
        """Those of the turns that exist."""
        if not turn_ids:
            return {}
        with durable():
            texts = self._store.mget([keys.turn(t) for t in turn_ids])
        return {t: from_json(Turn, text) for t, text in zip(turn_ids, texts, strict=True) if text}

    def conversation(self, turn_id: str | None) -> list[Turn]:
        """A turn and its ancestors, oldest first; empty for None. A missing ancestor ends the walk."""
        walk: list[Turn] = []
        with durable():
            while turn_id and len(walk) < MAX_CONVERSATION:
                text = self._store.get(keys.turn(turn_id))
                if text is None:
                    break
                walk.append(from_json(Turn, text))
                turn_id = walk[-1].parent
        return walk[::-1]

    def head(self, chat: str, topic: str | None = None) -> str | None:
        """The turn that the conversation of a chat, or of a topic in it, continues from."""
        with durable():
            return self._store.get(keys.head(chat, topic))

    def reset(self, chat: str, topic: str | None = None) -> None:
        """Begin the conversation of a chat or topic afresh; its turns stay in the record."""
        with durable():
            self._store.delete(keys.head(chat, topic), keys.latest(chat, topic))

    def step_back(self, turn: Turn) -> None:
        """Let a conversation that continues from a turn continue from before it."""
        if turn.chat and self.head(turn.chat, turn.topic) == turn.id:
            with durable():
                if turn.parent is None:
                    self._store.delete(keys.head(turn.chat, turn.topic))
                else:
                    self._store.set(keys.head(turn.chat, turn.topic), turn.parent, ex=self.retention_s)

    def note_latest(self, chat: str, topic: str | None, turn_id: str | None) -> None:
        """Remember what was asked last in a chat or topic; None: it has no turn."""
        with durable():
            if turn_id is None:
                self._store.delete(keys.latest(chat, topic))
            else:
                self._store.set(keys.latest(chat, topic), turn_id, ex=self.retention_s)

    def latest(self, chat: str, topic: str | None = None) -> str | None:
        """The turn of what was asked last in a chat or topic, also where it failed."""
        with durable():
            return self._store.get(keys.latest(chat, topic))

    def note_posted(self, chat: str, message: int, turn_id: str) -> None:
        """Remember which turn a message in a chat shows."""
        with durable():
            self._store.set(keys.posted(chat, message), turn_id, ex=self.retention_s)

    def posted(self, chat: str, message: int) -> str | None:
        """The turn that a message in a chat shows."""
        with durable():
            return self._store.get(keys.posted(chat, message))

    def note_shown(self, chat: str, turn_id: str, messages: Sequence[int]) -> None:
        """Remember which messages in a chat show a turn, in order."""
        with durable():
            self._store.set(keys.shown(chat, turn_id), ",".join(map(str, messages)), ex=self.retention_s)

    def shown(self, chat: str, turn_id: str) -> list[int]:
        """The messages in a chat that show a turn, in order."""
        with durable():
            found = self._store.get(keys.shown(chat, turn_id))
        return _numbers(found or "")

    def note_unanswered(self, chat: str, author: str, message: int, shown: Sequence[int]) -> None:
        """Remember that a person's message has no turn, and which messages in the chat say why."""
        with durable():
            self._store.set(keys.unanswered(chat, author, message), ",".join(map(str, shown)), ex=EDITABLE_S)

    def unanswered(self, chat: str, author: str, message: int) -> list[int] | None:
        """The messages that say why a person's message has no turn; None where nothing is known of that."""
        with durable():
            found = self._store.get(keys.unanswered(chat, author, message))
        return None if found is None else _numbers(found)

    def note_answered(self, chat: str, author: str, message: int) -> None:
        """A message that had no turn has one now."""
        with durable():
            self._store.delete(keys.unanswered(chat, author, message))

    def note_asked(self, chat: str, turn_id: str, message: int) -> None:
        """Remember which message in a chat asked for a turn."""
        with durable(), self._store.pipeline() as pipe:
            pipe.set(keys.asked(chat, turn_id), message, ex=self.retention_s)
            pipe.set(keys.answered(chat, message), turn_id, ex=self.retention_s)
            pipe.execute()

    def answered(self, chat: str, message: int) -> str | None:
        """The newest turn that a message in a chat asked for."""
        with durable():
            return self._store.get(keys.answered(chat, message))

    def asked(self, chat: str, turn_id: str) -> int | None:
        """The message in a chat that asked for a turn."""
        with durable():
            message = self._store.get(keys.asked(chat, turn_id))
        return int(message) if message else None

    def close_orphans(self, living: Iterable[str]) -> list[str]:
        """Close as failed every open turn whose serving process is not among the living. Returns their ids."""
        living = set(living)
        closed = []
        with durable():
            open_ids = self._store.zrange(keys.OPEN_TURNS, 0, -1)
        for turn_id, turn in self.get_many(open_ids).items():
            if turn.replica not in living:
                self.close(replace(turn, status="failed", total_ms=now_ms() - turn.created_at))
                closed.append(turn_id)
        return closed


def _numbers(written: str) -> list[int]:
    return [int(number) for number in written.split(",") if number]


def without_personal_data(turn: Turn) -> Turn:
    """A turn as it is stored: what people wrote is scrubbed, and what was answered, save for what its sources say."""
    public = "\n".join([turn.system, system_text(turn), *(p.text for p in turn.passages)])
    return replace(
        turn,
        messages=tuple(m if m.role == "system" else replace(m, content=scrub(m.content)) for m in turn.messages),
        reply=scrub(turn.reply, public),
        generated=None if turn.generated is None else scrub(turn.generated, public),
    )


def messages(turns: Sequence[Turn]) -> list[Message]:
    """A conversation as messages: each turn's own, then its reply."""
    flat: list[Message] = []
    for turn in turns:
        flat.extend(turn.messages)
        if turn.reply:
            flat.append(Message("assistant", turn.reply))
    return flat


def stays_in_chat(turns: Iterable[Turn]) -> bool:
    """Whether a conversation used a chat's own documents, or answers approved for one chat only."""
    return any(p.scope == "chat" for turn in turns for p in turn.passages)


def question(turn: Turn) -> str:
    """The user's message that a turn answers."""
    return turn.messages[-1].content


def system_text(turn: Turn) -> str:
    """The system message of a turn's own messages, empty where it has none."""
    return next((m.content for m in turn.messages if m.role == "system"), "")
