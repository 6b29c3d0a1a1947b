"""The best of several replies: they are sampled side by side, and the one that its version is surest of is said."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import replace

from serving.engine import Delta, GenerationRequest

TEMPERATURE = 0.8
"""At which replies are sampled that would be greedy, and so all the same."""


def candidates(request: GenerationRequest, count: int) -> Iterator[GenerationRequest]:
    """A request `count` times, each drawing numbers of its own."""
    sampling = replace(request.sampling, temperature=request.sampling.temperature or TEMPERATURE)
    for n in range(count):
        seed = None if sampling.seed is None else sampling.seed + n
        yield replace(request, sampling=replace(sampling, seed=seed))


async def surest(replies: Sequence[AsyncIterator[Delta]]) -> AsyncGenerator[Delta, None]:
    """The reply that ends with the highest confidence, once all have ended; the first where none has any.

    Raises: what any of them raises.
    """
    tasks = [asyncio.create_task(_whole(reply)) for reply in replies]
    try:
        heard = [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for delta in max(heard, key=_confidence):
        yield delta


async def _whole(reply: AsyncIterator[Delta]) -> list[Delta]:
    return [delta async for delta in reply]


def _confidence(deltas: Sequence[Delta]) -> float:
    last = deltas[-1].confidence if deltas else None
    return -1.0 if last is None else last
