"""Message to answer: retrieve, render the prompt, open the turn, generate, close the turn."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from core.errors import ApprenticeError, InvalidInput, NotFound, StoreUnavailable
from core.prompt import Prompt, Renderer
from core.records import Citation, Message, Origin, Turn, TurnStatus, new_id, now_ms
from feedback.turns import Turns
from serving.engine import Engine, GenerationRequest
from serving.follow import Follower
from serving.knowledge import Found, Knowledge, Writer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks: a conversation that ends in a user's message, and how to answer it."""

    messages: tuple[Message, ...]
    model: str = "apprentice"
    chat: str | None = None
    author: str | None = None
    parent: str | None = None
    regenerates: str | None = None
    retrieval: bool = True
    record: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins. `turn_id` is None where the turn could not be stored, or was not to be."""

    turn_id: str | None
    adapter: str
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete; `text` is all of it. `turn_id` is None where the turn could not be stored after all."""

    turn_id: str | None
    text: str
    finish_reason: str
    origin: Origin
    citations: tuple[Citation, ...]
    reply_tokens: int


@dataclass(slots=True)
class _Reply:
    """What has been said so far."""

    shown: str = ""
    generated: str = ""
    tokens: int = 0
    finish_reason: str = "stop"
    origin: Origin = "model"
    citations: tuple[Citation, ...] = ()
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
        renderer: Renderer,
        knowledge: Knowledge,
        turns: Turns,
        replica: str,
        system_prompt: str,
        reply_tokens: int,
        temperature: float,
    ):
        self._engine = engine
        self._follower = follower
        self._renderer = renderer
        self._knowledge = knowledge
        self._turns = turns
        self._replica = replica
        self._system = Message("system", system_prompt)
        self._reply_tokens = reply_tokens
        self._temperature = temperature
        self._closing: set[asyncio.Task[bool]] = set()

    async def answer(self, question: Question) -> AsyncIterator[Started | Piece | Finished]:
        """Started, then pieces, then Finished. Closing the iterator stops the generation and keeps what was said.

        Raises: UnknownModel, PromptTooLong, Busy, InvalidInput before Started; what the engine raises, after it.
        """
        version = self._follower.route(question.model)
        found = await self._knowledge.find(question.messages, question.chat) if question.retrieval else Found()
        renderer = self._renderer.at(self._follower.prompt_identity(version))
        prompt = renderer.render(self._with_system(question.messages), found.passages)
        found = found.limited_to(prompt.passages)
        turn, stored = await self._open(question, version, found, renderer, prompt)
        reply = _Reply()
        status: TurnStatus = "failed"
        try:
            yield Started(turn.id if stored else None, version, len(prompt.ids))
            async with aclosing(self._say(question, version, found, prompt, reply)) as pieces:
                async for text in pieces:
                    if reply.first_token_ms is None:
                        reply.first_token_ms = reply.elapsed_ms()
                    reply.shown += text
                    yield Piece(text)
            status = "complete"
            if stored:
                stored = await self._close(turn, reply, status)
            yield Finished(
                turn.id if stored else None,
                reply.shown,
                reply.finish_reason,
                reply.origin,
                reply.citations,
                reply.tokens,
            )
        except (GeneratorExit, asyncio.CancelledError):
            status = "stopped" if status == "failed" else status
            raise
        finally:
            if stored and status != "complete":
                closing = asyncio.create_task(self._close(turn, reply, status))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
                await asyncio.shield(closing)

    async def _say(
        self, question: Question, version: str, found: Found, prompt: Prompt, reply: _Reply
    ) -> AsyncIterator[str]:
        """The pieces of the reply as the person sees them: approved words, or the model's, checked against passages."""
        if found.approved is not None:
            reply.origin = "approved"
            yield found.approved
            return
        writer = Writer(self._knowledge.embedder, found)
        if found.notice:
            yield found.notice
        request = GenerationRequest(
            prompt_ids=prompt.ids,
            version=version,
            max_tokens=question.max_tokens or self._reply_tokens,
            temperature=self._temperature if question.temperature is None else question.temperature,
            top_p=question.top_p,
            stop=question.stop,
            seed=question.seed,
            ignore_eos=question.ignore_eos,
        )
        try:
            async with aclosing(self._engine.generate(request)) as deltas:
                async for delta in deltas:
                    reply.generated += delta.text
                    reply.tokens += delta.tokens
                    reply.finish_reason = delta.finish_reason or reply.finish_reason
                    for text in await writer.write(delta.text):
                        yield text
                    if writer.stopped:
                        break
            for text in await writer.finish():
                yield text
        finally:
            reply.origin, reply.citations = writer.origin, writer.citations

    def _with_system(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        return messages if messages[0].role == "system" else (self._system, *messages)

    async def _open(
        self, question: Question, version: str, found: Found, renderer: Renderer, prompt: Prompt
    ) -> tuple[Turn, bool]:
        turn = Turn(
            id=new_id(),
            messages=_new_messages(question),
            parent=question.parent,
            regenerates=question.regenerates,
            chat=question.chat,
            author=question.author,
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
            await asyncio.to_thread(self._open_checked, turn)
        except StoreUnavailable as error:
            log.warning("a turn could not be stored: %s", error)
            return turn, False
        return turn, True

    def _open_checked(self, turn: Turn) -> None:
        if turn.parent:
            try:
                parent = self._turns.get(turn.parent)
            except NotFound:
                raise InvalidInput("`parent` names a turn that does not exist (any more); leave it out.") from None
            if parent.chat != turn.chat:
                raise InvalidInput("`parent` names a turn of another chat; leave it out.")
        self._turns.open(turn)

    async def _close(self, turn: Turn, reply: _Reply, status: TurnStatus) -> bool:
        closed = replace(
            turn,
            reply=reply.shown,
            generated=reply.generated if reply.generated.strip() != reply.shown.strip() else None,
            origin=reply.origin,
            citations=reply.citations,
            status=status,
            first_token_ms=reply.first_token_ms,
            total_ms=reply.elapsed_ms(),
            reply_tokens=reply.tokens,
        )
        try:
            await asyncio.to_thread(self._turns.close, closed)
        except ApprenticeError as error:
            log.warning("turn %s could not be closed: %s", turn.id, error)
            return False
        return True


def _new_messages(question: Question) -> tuple[Message, ...]:
    """The messages since the parent's reply (all of them without a parent), each user's message with its author."""
    messages = question.messages
    if question.parent:
        last = max((n for n, m in enumerate(messages) if m.role == "assistant"), default=-1)
        messages = messages[last + 1 :]
    return tuple(replace(m, author=question.author) if m.role == "user" else m for m in messages)
