"""Message to answer: retrieve, render the prompt, open the turn, generate, close the turn."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from core.errors import Busy, InvalidInput, NotFound, PromptTooLong, StoreUnavailable, UnknownModel
from core.privacy import scrub
from core.prompt import Prompt, Renderer
from core.records import Choice, Citation, Message, Observation, Origin, Passage, Turn, TurnStatus, new_id, now_ms
from feedback.turns import Turns, messages, without_personal_data
from kinds import KINDS
from kinds.kind import Finding, Task
from serving.best import candidates, surest
from serving.engine import Delta, Engine, GenerationRequest, Sampling, TokenLogprob
from serving.follow import Follower
from serving.forms import can_say, decided, in_form, weighed
from serving.knowledge import Found, Knowledge, Writer
from serving.loops import without_loops
from serving.observing import Outcomes, repaired, told

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
    beside: str | None = None
    """A turn whose question is answered once more: what the record has of it stands in for what the client sent."""
    system: str | None = None
    """The system text where the messages have none; None: the installation's."""
    passages: tuple[Passage, ...] | None = None
    """What it may rest on; None: what is found."""
    retrieval: bool = True
    record: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    schema: str | None = None
    best_of: int | None = None
    """How many replies are sampled, of which the surest is said; None: as the installation has it."""
    attempt: tuple[Message, ...] = ()
    """An answer that failed, and what is said of it: the model reads them, and the record has them at that answer."""


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins. `turn_id` is None where the turn could not be stored, or was not to be.

    A second attempt begins too, and takes the place of the first.
    """

    turn_id: str | None
    adapter: str
    prompt_tokens: int
    prompt_identity: str = ""
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of the reply, with its tokens' log-probabilities where they were asked for.

    What was checked against passages is no longer the model's tokens, and has none.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    failed: Observation | None = None
    """What came of the attempt before, where the text says just that, in English."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete; `text` is all of it. `turn_id` is None where the turn could not be stored after all.

    `confidence` is the chance that it works, where the model's own words are shown and the version has a head;
    `observation` is what came of it, where its kind can tell; `choices` are what it was chosen from.
    """

    turn_id: str | None
    text: str
    finish_reason: str
    origin: Origin
    citations: tuple[Citation, ...]
    reply_tokens: int
    first_token_ms: int | None = None
    total_ms: int = 0
    confidence: float | None = None
    observation: Observation | None = None
    choices: tuple[Choice, ...] = ()
    repair: str | None = None
    """What the model is to be told of an answer that failed, for another attempt; None: this one stands."""


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
    confidence: float | None = None
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
        best_of: int = 1,
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
        self._best_of = best_of
        self._rendering = asyncio.Lock()
        self._background: set[asyncio.Task[Any]] = set()

    async def answer(self, question: Question) -> AsyncGenerator[Started | Piece | Finished, None]:
        """Started, then pieces, then Finished. Closing the iterator stops the generation and keeps what was said.

        An answer that failed its check may be followed by a second attempt, from Started on, which is then finished.

        Raises: UnknownModel, PromptTooLong, Busy, InvalidInput before Started; what the engine raises, after it.
        """
        question = await asyncio.to_thread(self._from_record, question)
        async with aclosing(self._attempt(question)) as events:
            async for event in events:
                if not isinstance(event, Finished) or event.repair is None:
                    yield event
                    continue
                async with aclosing(self._repaired(question, event)) as second:
                    async for event in second:
                        yield event

    async def _repaired(self, question: Question, first: Finished) -> AsyncGenerator[Started | Piece | Finished, None]:
        """The events of a second attempt; the first one stands where there can be none."""
        attempt = (Message("assistant", first.text), Message("user", first.repair or ""))
        again = replace(
            question,
            attempt=attempt,
            regenerates=first.turn_id,
            record=question.record and first.turn_id is not None,
            retrieval=False,
        )
        async with aclosing(self._attempt(again)) as events:
            try:
                started = await anext(events)
            except (PromptTooLong, Busy, UnknownModel) as error:
                log.info("no second attempt at turn %s: %s", first.turn_id, error)
                yield first
                return
            yield Piece(f"\n\n⚠ {first.observation.said if first.observation else ''}\n\n", failed=first.observation)
            yield started
            async for event in events:
                if isinstance(event, Finished):
                    event = replace(event, reply_tokens=first.reply_tokens + event.reply_tokens)
                yield event

    async def _attempt(self, question: Question) -> AsyncGenerator[Started | Piece | Finished, None]:
        """The events of one attempt, which is a turn."""
        async with AsyncExitStack() as places:
            generation = None
            async with self._follower.routed(question.model, question.chat) as version:
                found = await self._find(question, version)
                renderer, task = self._follower.renderer(version), await self._task(question)
                prompt = await self._render(renderer, task, question, found)
                found = found.limited_to(prompt.passages)
                if found.approved is None and not found.declined and can_say(KINDS[question.kind], task):
                    request = self._request(question, version, task, renderer, prompt)
                    generation = self._generate(request, question.best_of or self._best_of, places)
            turn, stored = await self._open(question, version, task, found, renderer, prompt)
            turn_id = turn.id if stored else None
            started = Started(turn_id, version, len(prompt.ids), renderer.identity, turn.passages)
            may_repair = not question.attempt
            async with aclosing(self._tell(turn, task, started, found, generation, may_repair)) as events:
                async for event in events:
                    yield event

    def _from_record(self, question: Question) -> Question:
        """A question that is asked beside a turn: as it was asked then, in the same chat, from the same passages.

        Where an approved answer was said, the version is asked without it.
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

    async def _find(self, question: Question, version: str) -> Found:
        kind = KINDS[question.kind]
        if question.passages is not None:
            return await self._knowledge.find_again(question.messages, question.chat, question.passages, kind)
        if not question.retrieval:
            return Found()
        learned = self._follower.learned(version)
        return await self._knowledge.find(kind.heard(question.messages), question.chat, learned, kind)

    async def _task(self, question: Question) -> Task:
        """What is asked for; the labels are those that were approved, where a request names none."""
        kind, labels = KINDS[question.kind], question.labels
        if kind.learns_labels and not labels:
            labels = await self._knowledge.labels(kind, question.messages, question.chat)
        return Task(question.messages[-1].content, labels, question.schema)

    async def _tell(
        self,
        turn: Turn,
        task: Task,
        started: Started,
        found: Found,
        generation: AsyncIterator[Delta] | None,
        may_repair: bool,
    ) -> AsyncGenerator[Started | Piece | Finished, None]:
        """The events of an opened turn, which is closed whatever happens."""
        reply = _Reply()
        status: TurnStatus = "failed"
        stored, closed = started.turn_id is not None, False
        try:
            yield started
            async with aclosing(self._say(turn.kind, task, found, generation, reply)) as pieces:
                async for piece in pieces:
                    reply.shown += piece.text
                    yield piece
            closed = True
            turn = _ended(turn, reply, "complete")
            if stored:
                stored = await self._close(turn)
            task = replace(task, sources=tuple(p.text for p in turn.passages), shown=reply.shown)
            finding = await self._observed(turn, task, stored)
            yield Finished(
                turn.id if stored else None,
                reply.shown,
                reply.finish_reason,
                reply.origin,
                reply.citations,
                reply.tokens,
                reply.first_token_ms,
                reply.elapsed_ms(),
                reply.confidence,
                told(turn.id, finding) if finding else None,
                reply.choices,
                repaired(turn.kind, finding) if may_repair else None,
            )
        except (GeneratorExit, asyncio.CancelledError):
            status = "stopped"
            raise
        finally:
            if stored and not closed:
                await self._close(_ended(turn, reply, status))

    async def _observed(self, turn: Turn, task: Task, stored: bool) -> Finding | None:
        """What came of an answer. Where nobody waits for it any more, what runs is stopped."""
        stop = threading.Event()
        try:
            return await self._in_background(self._outcomes.observe(turn, task, stored, stop))
        finally:
            stop.set()

    async def _render(self, renderer: Renderer, task: Task, question: Question, found: Found) -> Prompt:
        """The prompt, made beside the event loop: a long history takes a while. One at a time, as tokenizers ask."""
        render = KINDS[question.kind].render
        said = self._with_system((*question.messages, *question.attempt), question.system)
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

    def _generate(self, request: GenerationRequest, count: int, places: AsyncExitStack) -> AsyncIterator[Delta]:
        """A reply, or the surest of `count` of them, or of as many as there are places for.

        Raises: what `Engine.generate` raises.
        """
        if count == 1 or request.choices or not self._engine.is_confident(request.version):
            return self._one(request, places)
        replies: list[AsyncIterator[Delta]] = []
        for candidate in candidates(request, count):
            try:
                replies.append(self._one(candidate, places))
            except Busy:
                if not replies:
                    raise
                break
        deltas = surest(replies)
        places.push_async_callback(deltas.aclose)
        return deltas

    def _one(self, request: GenerationRequest, places: AsyncExitStack) -> AsyncIterator[Delta]:
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
            reply.first_token_ms = reply.elapsed_ms()
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
                if reply.first_token_ms is None:
                    reply.first_token_ms = reply.elapsed_ms()
                reply.generated += delta.text
                reply.tokens += delta.tokens
                reply.finish_reason = delta.finish_reason or reply.finish_reason
                reply.confidence = delta.confidence
                for text in await writer.write(delta.text):
                    yield Piece(text, () if found.passages else delta.logprobs)
                if writer.stopped:
                    break
            for text in await writer.finish():
                yield Piece(text)
        finally:
            reply.origin, reply.citations = writer.origin, writer.citations
            if reply.origin != "model":
                reply.confidence = None

    async def _chosen(self, choices: Sequence[str], generation: AsyncIterator[Delta] | None, reply: _Reply) -> str:
        """The likeliest of several replies, or that none is likely enough."""
        if generation is not None:
            async for delta in generation:
                reply.tokens += delta.tokens
                reply.choices = weighed(choices, delta.choices)
        reply.first_token_ms = reply.elapsed_ms()
        reply.generated = reply.choices[0].text if reply.choices else ""
        return decided(reply.choices, self._sure)

    def _with_system(self, messages: tuple[Message, ...], system: str | None) -> tuple[Message, ...]:
        ours = self._system if system is None else Message("system", system)
        return messages if messages[0].role == "system" else (ours, *messages)

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
        confidence=reply.confidence,
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
