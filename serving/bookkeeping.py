"""Prompts and turns: a turn is opened before its first token, and closed whatever happens."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from core.errors import InvalidInput, NotFound, StoreUnavailable
from core.privacy import scrub
from core.prompt import Prompt, Renderer
from core.records import Message, Turn, new_id, now_ms
from feedback.turns import Turns, messages, without_personal_data
from kinds import KINDS
from kinds.kind import Task
from serving.exchange import Question
from serving.knowledge import Found

log = logging.getLogger(__name__)
RETRY_S = 2
T = TypeVar("T")


class Bookkeeping:
    """The turns of one replica. Serving alone writes them."""

    def __init__(self, turns: Turns, replica: str, system_prompt: str):
        self._turns = turns
        self._replica = replica
        self._system = Message("system", system_prompt)
        self._rendering = asyncio.Lock()
        self._background: set[asyncio.Task[Any]] = set()

    def from_record(self, question: Question) -> Question:
        """A question that is asked beside a turn: as it was asked then, in the same chat, from the same passages.

        Where an approved answer was said, the version is asked without it.

        Raises: InvalidInput, StoreUnavailable.
        """
        if question.beside is None:
            return question
        try:
            turn = self._turns.get(question.beside)
        except NotFound:
            raise InvalidInput("`beside` names a turn that does not exist (any more); leave it out.") from None
        past = self._turns.conversation(turn.parent)
        return replace(
            question,
            messages=(*messages(past), *turn.messages),
            parent=past[-1].id if past else None,
            regenerates=None,
            chat=turn.chat,
            topic=turn.topic,
            kind=turn.kind,
            labels=turn.labels,
            schema=turn.schema,
            system=turn.system or None,
            passages=() if turn.origin == "approved" else turn.passages,
        )

    async def render(self, renderer: Renderer, task: Task, question: Question, found: Found) -> Prompt:
        """The prompt, made beside the event loop: a long history takes a while. One at a time, as tokenizers ask."""
        render = KINDS[question.kind].render
        said = self._with_system((*question.messages, *question.attempt), question.system)
        async with self._rendering:
            return await asyncio.to_thread(render, renderer, said, found.passages, task)

    async def open(
        self, question: Question, version: str, task: Task, found: Found, renderer: Renderer, prompt: Prompt
    ) -> tuple[Turn, bool]:
        """A turn for a question, and whether it is stored: not where that was not wanted, or the database is away.

        Raises: InvalidInput where it names a turn that it may not.
        """
        turn = Turn(
            id=new_id(),
            messages=_new_messages(question),
            parent=question.parent,
            regenerates=question.regenerates,
            chat=question.chat,
            author=question.author,
            topic=question.topic,
            kind=question.kind,
            labels=tuple(task.labels),
            schema=task.schema,
            system="" if question.messages[0].role == "system" else question.system or self._system.content,
            passages=found.passages,
            adapter=version,
            prompt_identity=renderer.identity,
            prompt_hash=prompt.hash,
            replica=self._replica,
            created_at=now_ms(),
            prompt_tokens=len(prompt.ids),
            beside=question.beside,
        )
        if not question.record:
            return turn, False
        try:
            turn = await asyncio.to_thread(self._checked, turn)
            if question.attempt or await asyncio.to_thread(_hold_personal_data, question.messages):
                turn = replace(turn, prompt_hash=await self._hash_of_record(turn, renderer))
            await asyncio.to_thread(self._turns.open, turn)
        except StoreUnavailable as error:
            log.warning("a turn could not be stored: %s", error)
            return turn, False
        return turn, True

    def _checked(self, turn: Turn) -> Turn:
        """A turn as it is stored. One that answers another's question keeps its messages, with who wrote them."""
        if turn.parent:
            self._of_this_chat(turn.chat, turn.parent, "parent")
        if turn.regenerates:
            turn = replace(turn, messages=self._of_this_chat(turn.chat, turn.regenerates, "regenerates").messages)
        if turn.beside:
            turn = replace(turn, messages=self._of_this_chat(turn.chat, turn.beside, "beside").messages)
        return without_personal_data(turn)

    async def _hash_of_record(self, turn: Turn, renderer: Renderer) -> str:
        """The hash of the prompt that the record tells of: the one that was answered, without personal data."""
        said = [*messages(await asyncio.to_thread(self._turns.conversation, turn.parent)), *turn.messages]
        render = KINDS[turn.kind].render
        conversation = self._with_system(tuple(said), turn.system or None)
        async with self._rendering:
            recorded = await asyncio.to_thread(render, renderer, conversation, turn.passages, Task.of(turn))
        return recorded.hash

    def _with_system(self, messages: tuple[Message, ...], system: str | None) -> tuple[Message, ...]:
        ours = self._system if system is None else Message("system", system)
        return messages if messages[0].role == "system" else (ours, *messages)

    def _of_this_chat(self, chat: str | None, turn_id: str, field: str) -> Turn:
        try:
            named = self._turns.get(turn_id)
        except NotFound:
            raise InvalidInput(f"`{field}` names a turn that does not exist (any more); leave it out.") from None
        if named.chat != chat:
            raise InvalidInput(f"`{field}` names a turn of another chat; leave it out.")
        return named

    async def close(self, ended: Turn) -> bool:
        """Store a turn's end, also when who waits for it has left. False: it is stored later."""
        return await self.in_background(self._store_end(ended))

    async def _store_end(self, closed: Turn) -> bool:
        """Store a turn's end. Where the database is away it is stored later, so that what was said is not lost."""
        try:
            await asyncio.to_thread(self._turns.close, closed)
        except StoreUnavailable as error:
            log.warning("turn %s cannot be closed yet: %s", closed.id, error)
            self._begin(self._store_later(closed))
            return False
        return True

    async def _store_later(self, closed: Turn) -> bool:
        await asyncio.sleep(RETRY_S)
        return await self._store_end(closed)

    async def in_background(self, work: Coroutine[Any, Any, T]) -> T:
        """What work gives that goes on when who waits for it has left."""
        return await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _hold_personal_data(said: tuple[Message, ...]) -> bool:
    return any(scrub(m.content) != m.content for m in said if m.role != "system")


def _new_messages(question: Question) -> tuple[Message, ...]:
    """The messages since the parent's reply (all of them without a parent), each user's message with its author."""
    messages = question.messages
    if question.parent:
        last = max((n for n, m in enumerate(messages) if m.role == "assistant"), default=-1)
        messages = messages[last + 1 :]
    return tuple(replace(m, author=question.author) if m.role == "user" else m for m in messages)
