"""The gate's view of a version: answers and scores from the same engine, with the same numerics, that serves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.base import Base
from core.errors import PromptTooLong
from core.records import BASE, new_id
from core.settings import Settings
from kinds import KINDS
from serving.engine import Engine, GenerationRequest
from serving.engines import context_tokens, make_engine
from serving.forms import weighed
from training.examples import EvaluationItem
from training.gate import Answered
from training.verdict import PRACTICE

log = logging.getLogger(__name__)
ROOM = 16
"""Tokens an answer may have beyond the reference's length times 1.5; more is endless."""
LEAST_TOKENS = 48
"""Tokens of an answer that is checked by rule or liked by people: nobody said how long it should be."""


class Judge:
    """Synchronous `generate` and `score` over an engine of its own, for one gate."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, context: int, reply_tokens: int):
        self._engine = engine
        self._context = context
        self._reply_tokens = reply_tokens
        self._loop = loop

    def generate(self, version: str, items: Sequence[EvaluationItem]) -> list[Answered]:
        """Greedy answers, all items side by side as far as the engine has places."""
        return self._run(self._generate_all(version, items))

    def score(self, version: str, items: Sequence[EvaluationItem]) -> list[float]:
        """Mean log-likelihood of the reference answers."""
        pairs = [(i.prompt_ids, i.reply_ids) for i in items]
        return self._run(self._engine.score(pairs, version))

    def sample(self, requests: Sequence[GenerationRequest]) -> list[Answered]:
        """What comes of requests that fit, side by side as far as the engine has places."""

        async def all_of_them() -> list[Answered]:
            return await asyncio.gather(*map(self._said, requests))

        return self._run(all_of_them())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _generate_all(self, version: str, items: Sequence[EvaluationItem]) -> list[Answered]:
        return await asyncio.gather(*(self._answer(version, item) for item in items))

    async def _answer(self, version: str, item: EvaluationItem) -> Answered:
        """What a version says to an item, in its form; nothing, which never ends, to one that does not fit."""
        kind = KINDS[item.kind]
        choices, schema = kind.choices(item.task) or (), kind.schema(item.task)
        wanted = int(1.5 * len(item.reply_ids)) + ROOM
        if item.slice == PRACTICE:
            wanted = kind.max_tokens or self._reply_tokens
        elif item.kind == "checked" or not item.reference or schema:
            wanted = max(wanted, kind.max_tokens or LEAST_TOKENS)
        limit = min(wanted, self._context - len(item.prompt_ids))
        request = GenerationRequest(item.prompt_ids, version, limit, schema=schema, choices=item.choices)
        try:
            return await self._said(request, choices)
        except PromptTooLong as error:
            log.warning("frozen item %s is not answered: %s", item.id, error)
            return Answered("", False)

    async def _said(self, request: GenerationRequest, choices: Sequence[str] = ()) -> Answered:
        text, ended = "", False
        async for delta in self._engine.generate(request):
            text += weighed(choices, delta.choices)[0].text if delta.choices else delta.text
            ended = delta.finish_reason == "stop"
        return Answered(text, ended)


@asynccontextmanager
async def open_judge(settings: Settings, base: Base, versions: dict[str, Path], items: int) -> AsyncIterator[Judge]:
    """A judge with these versions (id -> folder) installed beside base. Use it from another thread than the loop's."""
    engine = make_engine(settings, base, items, f"-judged-{new_id()[:8]}")
    await engine.start()
    try:
        for version, folder in versions.items():
            if version != BASE:
                await engine.install(version, folder)
        yield Judge(engine, asyncio.get_running_loop(), context_tokens(settings), settings.reply_tokens)
    finally:
        await engine.close()
