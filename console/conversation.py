"""What the playground page and the terminal share: who is speaking, what was said, and feedback about it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from core.client import Asked, Begun, Ended, Said, ServingClient
from core.errors import NotFound
from core.identity import Pseudonyms
from core.records import Citation, Message, Observation, Turn
from core.settings import Settings
from core.store import Store, connect
from feedback.observations import Observations
from feedback.people import Consent, People
from feedback.progress import read_progress
from feedback.ratings import Ratings
from feedback.turns import Turns, messages

OPERATOR = "playground:operator"
"""Page and terminal listen on this machine alone, so whoever speaks there is its one operator."""
AGAIN_TEMPERATURE = 0.8
"""Greedy decoding would give the same answer again."""

Event = Begun | Said | Ended


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn of the conversation with what the operator said about it."""

    turn: Turn
    rating: Literal[-1, 0, 1]
    correction: str | None
    outcome: str = ""
    """What came of it, as it was told."""


class Conversations:
    """The operator's chats; each is named by an outside id (`playground:...`)."""

    def __init__(
        self, store: Store, client: ServingClient, pseudonyms: Pseudonyms, retention_days: int, refresh_min_items: int
    ):
        self._store = store
        self._client = client
        self._pseudonyms = pseudonyms
        self._operator = pseudonyms.author(OPERATOR)
        self._turns = Turns(store, retention_days)
        self._ratings = Ratings(store, self._turns)
        self._people = People(store)
        self._observations = Observations(store, self._turns)
        self._refresh_min_items = refresh_min_items

    @classmethod
    def open(cls, settings: Settings) -> "Conversations":
        """Over the record and the HTTP API that the settings name."""
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return cls(
            connect(settings.store_url),
            ServingClient(settings.serving_base, key),
            Pseudonyms.of_installation(settings.data_dir),
            settings.turn_retention_days,
            settings.refresh_min_items,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
        self._store.close()

    async def ask(self, chat: str, text: str, kind: str | None = None) -> AsyncIterator[Event]:
        """The answer to the next message of a chat, as a kind of task (None: the installation's).

        Closing the iterator stops it and keeps what was said.

        Raises: what `ServingClient.answer` raises; StoreUnavailable where the conversation cannot be read.
        """
        past = await asyncio.to_thread(self._conversation, chat)
        said = [*messages(past), Message("user", text)]
        asked = Asked(said, chat, OPERATOR, parent=past[-1].id if past else None, kind=kind)
        async with aclosing(self._client.answer(asked)) as events:
            async for event in events:
                yield event

    async def ask_again(self, chat: str, turn_id: str) -> AsyncIterator[Event]:
        """Another answer to a turn's question, from which the chat then continues.

        Raises: NotFound where the chat has no such turn; what `ask` raises.
        """
        turn, past = await asyncio.to_thread(self._turn, chat, turn_id)
        asked = Asked(
            [*messages(past), *turn.messages],
            chat,
            OPERATOR,
            parent=past[-1].id if past else None,
            regenerates=turn_id,
            temperature=AGAIN_TEMPERATURE,
            kind=turn.kind,
        )
        async with aclosing(self._client.answer(asked)) as events:
            async for event in events:
                if isinstance(event, Ended) and event.turn_id:
                    await asyncio.to_thread(self._ratings.regenerated, turn_id, event.turn_id, self._operator)
                yield event

    def history(self, chat: str) -> list[PastTurn]:
        """A chat's conversation, oldest turn first, with the operator's feedback.

        Raises: StoreUnavailable.
        """
        turns = self._conversation(chat)
        seen = self._observations.of([turn.id for turn in turns])
        return [self._with_feedback(turn, seen.get(turn.id)) for turn in turns]

    def rate(self, turn_id: str, value: Literal[-1, 0, 1], reason: str | None = None) -> None:
        """Set the operator's thumb (0 takes it back).

        Raises: NotFound, StoreUnavailable.
        """
        self._ratings.rate(turn_id, self._operator, value, reason)

    def correct(self, turn_id: str, text: str) -> None:
        """Set what the operator says the answer should have been.

        Raises: NotFound, InvalidInput, StoreUnavailable.
        """
        self._ratings.correct(turn_id, self._operator, text)

    def reset(self, chat: str) -> None:
        """Begin a chat afresh; what was said stays in the record.

        Raises: StoreUnavailable.
        """
        self._turns.reset(self._pseudonyms.chat(chat))

    def consent(self) -> Consent:
        """Whether the operator's words may be learned from.

        Raises: StoreUnavailable.
        """
        return self._people.person(self._operator).consent

    def set_consent(self, consent: Consent) -> None:
        """Note whether the operator's words may be learned from, who is trusted as the owner is.

        Raises: StoreUnavailable.
        """
        self._people.grant(self._operator, "owner")
        self._people.set_consent(self._operator, consent)

    def progress(self) -> str:
        """How far the next refresh is, as a sentence.

        Raises: StoreUnavailable.
        """
        return str(read_progress(self._store, self._refresh_min_items))

    def _conversation(self, chat: str) -> Sequence[Turn]:
        return self._turns.conversation(self._turns.head(self._pseudonyms.chat(chat)))

    def _turn(self, chat: str, turn_id: str) -> tuple[Turn, Sequence[Turn]]:
        """A turn of the chat, and the conversation before it."""
        turn = self._turns.get(turn_id)
        if turn.chat != self._pseudonyms.chat(chat):
            raise NotFound("that answer belongs to another conversation; ask your question here.")
        return turn, self._turns.conversation(turn.parent)

    def _with_feedback(self, turn: Turn, seen: Observation | None) -> PastTurn:
        votes, corrections = self._ratings.votes(turn.id), self._ratings.corrections(turn.id)
        return PastTurn(
            turn,
            next((vote.value for vote in votes if vote.author == self._operator), 0),
            next((c.text for c in corrections if c.author == self._operator), None),
            seen.said if seen else "",
        )


def draft_correction(text: str, citations: Sequence[Citation]) -> str:
    """An answer as a correction begins: without the marks of its sources, which the correction does not have."""
    for cited in citations:
        text = text.replace(f" [{cited.number}]", "").replace(f"[{cited.number}]", "")
    return text


def first_contact(retention_days: int) -> tuple[str, ...]:
    """What a person should know before the first question: what is stored, for how long, and who reads it."""
    return (
        "Stored: every question, its answer and your feedback, in this installation's own database, under a pseudonym.",
        f"For how long: {retention_days} days. What an operator approves is kept for good.",
        "Who reads it: the operators of this installation, when they review answers.",
    )


CONSENT_QUESTION = "May the assistant also learn from what you write? You get answers either way."
