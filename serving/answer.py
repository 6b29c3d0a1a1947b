"""Message to answer: retrieve, render the prompt, open the turn, generate, close the turn."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from core.errors import Busy, PromptTooLong, UnknownModel
from core.prompt import Prompt, Renderer
from core.records import Message, Turn, TurnStatus
from kinds import KINDS
from kinds.kind import Finding, Task
from serving.best import candidates, surest
from serving.bookkeeping import Bookkeeping
from serving.engine import Delta, Engine, GenerationRequest
from serving.exchange import Finished, Piece, Question, Reply, Started
from serving.follow import Follower
from serving.forms import can_say, decided, in_form, weighed
from serving.knowledge import Found, Knowledge, Writer
from serving.loops import without_loops
from serving.observing import Outcomes, repaired, told

log = logging.getLogger(__name__)


class Answerer:
    """Answers questions with one engine."""

    def __init__(
        self,
        engine: Engine,
        follower: Follower,
        knowledge: Knowledge,
        books: Bookkeeping,
        outcomes: Outcomes,
        reply_tokens: int,
        temperature: float,
        sure: float,
        best_of: int = 1,
    ):
        self._engine = engine
        self._follower = follower
        self._knowledge = knowledge
        self._books = books
        self._outcomes = outcomes
        self._reply_tokens = reply_tokens
        self._temperature = temperature
        self._sure = sure
        self._best_of = best_of

    async def answer(self, question: Question) -> AsyncGenerator[Started | Piece | Finished, None]:
        """Started, then pieces, then Finished. Closing the iterator stops the generation and keeps what was said.

        An answer that failed its check may be followed by a second attempt, from Started on, which is then finished.

        Raises: UnknownModel, PromptTooLong, Busy, InvalidInput before Started; what the engine raises, after it.
        """
        question = await asyncio.to_thread(self._books.from_record, question)
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
                prompt = await self._books.render(renderer, task, question, found)
                found = found.limited_to(prompt.passages)
                if found.approved is None and not found.declined and can_say(KINDS[question.kind], task):
                    request = self._request(question, version, task, renderer, prompt)
                    await self._engine.prepare(request)
                    generation = self._generate(request, question.best_of or self._best_of, places)
            turn, stored = await self._books.open(question, version, task, found, renderer, prompt)
            turn_id = turn.id if stored else None
            started = Started(turn_id, version, len(prompt.ids), renderer.identity, turn.passages)
            may_repair = not question.attempt
            async with aclosing(self._tell(turn, task, started, found, generation, may_repair)) as events:
                async for event in events:
                    yield event

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
        reply = Reply()
        status: TurnStatus = "failed"
        stored, closed = started.turn_id is not None, False
        try:
            yield started
            async with aclosing(self._say(turn.kind, task, found, generation, reply)) as pieces:
                async for piece in pieces:
                    reply.shown += piece.text
                    yield piece
            closed = True
            turn = reply.of(turn, "complete")
            if stored:
                stored = await self._books.close(turn)
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
                await self._books.close(reply.of(turn, status))

    async def _observed(self, turn: Turn, task: Task, stored: bool) -> Finding | None:
        """What came of an answer. Where nobody waits for it any more, what runs is stopped."""
        stop = threading.Event()
        try:
            return await self._books.in_background(self._outcomes.observe(turn, task, stored, stop))
        finally:
            stop.set()

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
        self, kind: str, task: Task, found: Found, generation: AsyncIterator[Delta] | None, reply: Reply
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

    async def _chosen(self, choices: Sequence[str], generation: AsyncIterator[Delta] | None, reply: Reply) -> str:
        """The likeliest of several replies, or that none is likely enough."""
        if generation is not None:
            async for delta in generation:
                reply.tokens += delta.tokens
                reply.choices = weighed(choices, delta.choices)
        reply.first_token_ms = reply.elapsed_ms()
        reply.generated = reply.choices[0].text if reply.choices else ""
        return decided(reply.choices, self._sure)
