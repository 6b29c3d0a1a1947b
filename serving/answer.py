"""Message to answer: retrieve, render the prompt, open the turn, generate, close the turn."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from core.errors import InvalidInput, NotFound, StoreUnavailable
from core.privacy import scrub
from core.prompt import Prompt, Renderer
from core.records import Choice, Citation, Message, Observation, Origin, Turn, TurnStatus, new_id, now_ms
from feedback.turns import Turns, messages, without_personal_data
from kinds import KINDS
from kinds.kind import Task
from serving.engine import Delta, Engine, GenerationRequest, Sampling, TokenLogprob
from serving.follow import Follower
from serving.forms import can_say, decided, in_form, weighed
from serving.knowledge import Found, Knowledge, Writer
from serving.loops import without_loops
from serving.observing import Outcomes

log = logging.getLogger(__name__)
RETRY_S = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks: a conversation that ends in a user's message, and how to answer it.

    `kind` is a kind of task, `labels` are those to choose from, where the kind does not know any itself.
    """

    messages: tuple[Message, ...]
    model: str = "apprentice"
    kind: str = "chat"
    labels: tuple[str, ...] = ()
    chat: str | None = None
    author: str | None = None
    topic: str | None = None
    parent: str | None = None
    regenerates: str | None = None
    retrieval: bool = True
    record: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins. `turn_id` is None where the turn could not be stored, or was not to be."""

    turn_id: str | None
    adapter: str
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of the reply, with its tokens' log-probabilities where they were asked for.

    What was checked against passages is no longer the model's tokens, and has none.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete; `text` is all of it. `turn_id` is None where the turn could not be stored after all.

    `observation` is what came of it, where its kind can tell; `choices` are what it was chosen from.
    """

    turn_id: str | None
    text: str
    finish_reason: str
    origin: Origin
    citations: tuple[Citation, ...]
    reply_tokens: int
    observation: Observation | None = None
    choices: tuple[Choice, ...] = ()


@dataclass(slots=True)
class _Reply:
    """What has been said so far."""

    shown: str = ""
    generated: str = ""
    tokens: int = 0
    finish_reason: str = "stop"
    origin: Origin = "model"
    citations: tuple[Citation, ...] = ()
    choices: tuple[Choice, ...] = ()
    first_token_ms: int | None = None
    started: float = field(default_factory=time.monotonic)

    def elapsed_ms(self) -> int:
        return int(1000 * (time.monotonic() - self.started))


class Answerer:
    """Answers questions with one engine. Serving alone writes turns."""

    def __init__(
        self,
        engine: Engine,
        follower: Follower,
        knowledge: Knowledge,
        turns: Turns,
        outcomes: Outcomes,
        replica: str,
        system_prompt: str,
        reply_tokens: int,
        temperature: float,
        sure: float,
    ):
        self._engine = engine
        self._follower = follower
        self._knowledge = knowledge
        self._turns = turns
        self._outcomes = outcomes
        self._replica = replica
        self._system = Message("system", system_prompt)
        self._reply_tokens = reply_tokens
        self._temperature = temperature
        self._sure = sure
        self._rendering = asyncio.Lock()
        self._background: set[asyncio.Task[Any]] = set()

    async def answer(self, question: Question) -> AsyncGenerator[Started | Piece | Finished, None]:
        """Started, then pieces, then Finished. Closing the iterator stops the generation and keeps what was said.

        Raises: UnknownModel, PromptTooLong, Busy, InvalidInput before Started; what the engine raises, after it.
        """
        async with AsyncExitStack() as places:
            generation = None
            async with self._follower.routed(question.model, question.chat) as version:
                found = await self._find(question, version)
                renderer, task = self._follower.renderer(version), await self._task(question)
                prompt = await self._render(renderer, question.kind, task, question.messages, found)
                found = found.limited_to(prompt.passages)
                if found.approved is None and not found.declined and can_say(KINDS[question.kind], task):
                    generation = self._generate(self._request(question, version, task, renderer, prompt), places)
            turn, stored = await self._open(question, version, task, found, renderer, prompt)
            started = Started(turn.id if stored else None, version, len(prompt.ids))
            async with aclosing(self._tell(turn, task, started, found, generation)) as events:
                async for event in events:
                    yield event

    async def _find(self, question: Question, version: str) -> Found:
        if not question.retrieval:
            return Found()
        kind, learned = KINDS[question.kind], self._follower.learned(version)
        return await self._knowledge.find(kind.heard(question.messages), question.chat, learned, kind)

    async def _task(self, question: Question) -> Task:
        """What is asked for; the labels are those that were approved, where a request names none."""
        kind, labels = KINDS[question.kind], question.labels
        if kind.learns_labels and not labels:
            labels = await self._knowledge.labels(kind, question.messages, question.chat)
        return Task(question.messages[-1].content, labels, question.schema)

    async def _tell(
        self, turn: Turn, task: Task, started: Started, found: Found, generation: AsyncIterator[Delta] | None
    ) -> AsyncGenerator[Started | Piece | Finished, None]:
        """The events of an opened turn, which is closed whatever happens."""
        reply = _Reply()
        status: TurnStatus = "failed"
        stored, closed = started.turn_id is not None, False
        try:
            yield started
            async with aclosing(self._say(turn.kind, task, found, generation, reply)) as pieces:
                async for piece in pieces:
                    if reply.first_token_ms is None:
                        reply.first_token_ms = reply.elapsed_ms()
                    reply.shown += piece.text
                    yield piece
            closed = True
            turn = _ended(turn, reply, "complete")
            if stored:
                stored = await self._close(turn)
            task = replace(task, sources=tuple(p.text for p in turn.passages), shown=reply.shown)
            observation = await self._in_background(self._outcomes.observe(turn, task, stored))
            yield Finished(
                turn.id if stored else None,
                reply.shown,
                reply.finish_reason,
                reply.origin,
                reply.citations,
                reply.tokens,
                observation,
                reply.choices,
            )
        except (GeneratorExit, asyncio.CancelledError):
            status = "stopped"
            raise
        finally:
            if stored and not closed:
                await self._close(_ended(turn, reply, status))

    async def _render(
        self, renderer: Renderer, kind: str, task: Task, messages: tuple[Message, ...], found: Found
    ) -> Prompt:
        """The prompt, made beside the event loop: a long history takes a while. One at a time, as tokenizers ask."""
        render, said = KINDS[kind].render, self._with_system(messages)
        async with self._rendering:
            return await asyncio.to_thread(render, renderer, said, found.passages, task)

    def _request(
        self, question: Question, version: str, task: Task, renderer: Renderer, prompt: Prompt
    ) -> GenerationRequest:
        kind = KINDS[question.kind]
        request = GenerationRequest(
            prompt_ids=prompt.ids,
            version=version,
            max_tokens=question.max_tokens or kind.max_tokens or self._reply_tokens,
            sampling=replace(question.sampling, temperature=self._temperature_of(question)),
            stop=question.stop,
            ignore_eos=question.ignore_eos,
        )
        return in_form(request, kind, task, renderer)

    def _generate(self, request: GenerationRequest, places: AsyncExitStack) -> AsyncIterator[Delta]:
        """What the engine says, until it goes round in circles; all of it, where its form is prescribed."""
        generation = self._engine.generate(request)
        places.push_async_callback(generation.aclose)
        if request.ignore_eos or request.schema or request.choices:
            return generation
        deltas = without_loops(generation)
        places.push_async_callback(deltas.aclose)
        return deltas

    def _temperature_of(self, question: Question) -> float:
        return self._temperature if question.temperature is None else question.temperature

    async def _say(
        self, kind: str, task: Task, found: Found, generation: AsyncIterator[Delta] | None, reply: _Reply
    ) -> AsyncGenerator[Piece, None]:
        """The pieces of the reply as the person sees them: approved words, or the model's, checked against passages."""
        if found.declined or found.approved is not None:
            reply.origin = "declined" if found.declined else "approved"
            yield Piece(found.declined or found.approved or "")
            return
        choices = KINDS[kind].choices(task)
        if generation is None or choices is not None:
            yield Piece(await self._chosen(choices or (), generation, reply))
            return
        writer = Writer(self._knowledge.embedder, found)
        if found.notice:
            yield Piece(found.notice)
        try:
            async for delta in generation:
                reply.generated += delta.text
                reply.tokens += delta.tokens
                reply.finish_reason = delta.finish_reason or reply.finish_reason
                for text in await writer.write(delta.text):
                    yield Piece(text, () if found.passages else delta.logprobs)
                if writer.stopped:
                    break
            for text in await writer.finish():
                yield Piece(text)
        finally:
            reply.origin, reply.citations = writer.origin, writer.citations

    async def _chosen(self, choices: Sequence[str], generation: AsyncIterator[Delta] | None, reply: _Reply) -> str:
        """The likeliest of several replies, or that none is likely enough."""
        if generation is not None:
            async for delta in generation:
                reply.tokens += delta.tokens
                reply.choices = weighed(choices, delta.choices)
        reply.generated = reply.choices[0].text if reply.choices else ""
        return decided(reply.choices, self._sure)

    def _with_system(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        return messages if messages[0].role == "system" else (self._system, *messages)

    async def _open(
        self, question: Question, version: str, task: Task, found: Found, renderer: Renderer, prompt: Prompt
    ) -> tuple[Turn, bool]:
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
            system="" if question.messages[0].role == "system" else self._system.content,
            passages=found.passages,
            adapter=version,
            prompt_identity=renderer.identity,
            prompt_hash=prompt.hash,
            replica=self._replica,
            created_at=now_ms(),
        )
        if not question.record:
            return turn, False
        try:
            turn = await asyncio.to_thread(self._checked, turn)
            if await asyncio.to_thread(_hold_personal_data, question.messages):
                turn = replace(turn, prompt_hash=await self._hash_of_record(turn, renderer))
            await asyncio.to_thread(self._turns.open, turn)
        except StoreUnavailable as error:
            log.warning("a turn could not be stored: %s", error)
            return turn, False
        return turn, True

    def _checked(self, turn: Turn) -> Turn:
        """A turn as it is stored. One that answers another again keeps that one's messages, with who wrote them."""
        if turn.parent:
            self._of_this_chat(turn.chat, turn.parent, "parent")
        if turn.regenerates:
            turn = replace(turn, messages=self._of_this_chat(turn.chat, turn.regenerates, "regenerates").messages)
        return without_personal_data(turn)

    async def _hash_of_record(self, turn: Turn, renderer: Renderer) -> str:
        """The hash of the prompt that the record tells of: the one that was answered, without personal data."""
        said = [*messages(await asyncio.to_thread(self._turns.conversation, turn.parent)), *turn.messages]
        render, conversation = KINDS[turn.kind].render, self._with_system(tuple(said))
        async with self._rendering:
            recorded = await asyncio.to_thread(render, renderer, conversation, turn.passages, Task.of(turn))
        return recorded.hash

    def _of_this_chat(self, chat: str | None, turn_id: str, field: str) -> Turn:
        try:
            named = self._turns.get(turn_id)
        except NotFound:
            raise InvalidInput(f"`{field}` names a turn that does not exist (any more); leave it out.") from None
        if named.chat != chat:
            raise InvalidInput(f"`{field}` names a turn of another chat; leave it out.")
        return named

    async def _close(self, ended: Turn) -> bool:
        return await self._in_background(self._store_end(ended))

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

    async def _in_background(self, work: Coroutine[Any, Any, T]) -> T:
        """What work gives that goes on when who waits for it has left."""
        return await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _ended(turn: Turn, reply: _Reply, status: TurnStatus) -> Turn:
    """A turn with what was said in it."""
    return replace(
        turn,
        reply=reply.shown,
        generated=reply.generated if reply.generated.strip() != reply.shown.strip() else None,
        origin=reply.origin,
        citations=reply.citations,
        choices=reply.choices,
        status=status,
        first_token_ms=reply.first_token_ms,
        total_ms=reply.elapsed_ms(),
        reply_tokens=reply.tokens,
        cut=reply.finish_reason == "length",
    )


def _hold_personal_data(said: tuple[Message, ...]) -> bool:
    return any(scrub(m.content) != m.content for m in said if m.role != "system")


def _new_messages(question: Question) -> tuple[Message, ...]:
    """The messages since the parent's reply (all of them without a parent), each user's message with its author."""
    messages = question.messages
    if question.parent:
        last = max((n for n, m in enumerate(messages) if m.role == "assistant"), default=-1)
        messages = messages[last + 1 :]
    return tuple(replace(m, author=question.author) if m.role == "user" else m for m in messages)
