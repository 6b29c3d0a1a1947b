"""Answers as the OpenAI API words them: one body, or server-sent events; one choice or several."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict
from typing import Any

from core.records import Observation
from serving.engine import TokenLogprob
from serving.exchange import Finished, Piece, Started
from serving.failures import broken

log = logging.getLogger(__name__)
Events = AsyncGenerator[Started | Piece | Finished, None]
Progress = Callable[[], Awaitable[str | None]]


class Completion:
    """The choices of one request, each an answer with a turn of its own. The first one's turn names the completion."""

    def __init__(self, started: Sequence[Started], with_logprobs: bool, with_usage: bool, progress: Progress):
        self._started = started
        self._with_logprobs, self._with_usage = with_logprobs, with_usage
        self._progress = progress
        self._id = f"chatcmpl-{started[0].turn_id or 'unrecorded'}"
        self._created = int(time.time())
        self._prompt_tokens = started[0].prompt_tokens

    async def stream(self, answers: Sequence[Events]) -> AsyncIterator[str]:
        """Server-sent events: chunks, then usage if asked for, then [DONE]."""
        for index, started in enumerate(self._started):
            yield self._chunk(index, {"role": "assistant", "content": ""}, extra=_begun(started))
        finished: list[Finished] = []
        try:
            async with aclosing(_merged(answers)) as events:
                async for index, event in events:
                    if isinstance(event, Started):
                        self._began_again(event)
                        yield self._chunk(index, {}, extra=_begun(event))
                    elif isinstance(event, Piece):
                        extra = {"failed": _seen(event.failed)} if event.failed else None
                        yield self._chunk(index, {"content": event.text}, logprobs=event.logprobs, extra=extra)
                    elif isinstance(event, Finished):
                        finished.append(event)
                        extra = await self._extra(index, event)
                        yield self._chunk(index, {}, event.finish_reason, extra=extra)
            if self._with_usage:
                yield _sse(self._head("chat.completion.chunk") | {"choices": [], "usage": self._usage(finished)})
        except Exception as error:
            log.warning("turn %s broke off: %s", self._started[0].turn_id, error, exc_info=True)
            yield _sse(broken(error))
        yield "data: [DONE]\n\n"

    async def whole(self, answers: Sequence[Events]) -> dict[str, Any]:
        """One body with every choice."""
        finished: list[Finished | None] = [None] * len(answers)
        logprobs: list[list[TokenLogprob]] = [[] for _ in answers]
        async with aclosing(_merged(answers)) as events:
            async for index, event in events:
                if isinstance(event, Started):
                    self._began_again(event)
                    logprobs[index].clear()
                elif isinstance(event, Piece):
                    logprobs[index] += event.logprobs
                elif isinstance(event, Finished):
                    finished[index] = event
        ended = [answer for answer in finished if answer is not None]
        extras = [await self._extra(index, answer) for index, answer in enumerate(ended)]
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.text},
                "finish_reason": answer.finish_reason,
                "logprobs": self._explained(logprobs[index]),
                "apprentice": extras[index],
            }
            for index, answer in enumerate(ended)
        ]
        body = self._head("chat.completion") | {"choices": choices, "usage": self._usage(ended)}
        return body | {"apprentice": extras[0]}

    async def _extra(self, index: int, finished: Finished) -> dict[str, Any]:
        return {
            "turn_id": finished.turn_id,
            "adapter": self._started[0].adapter,
            "citations": [asdict(c) for c in finished.citations],
            "origin": finished.origin,
            "confidence": finished.confidence,
            "progress": await self._progress(),
            "text": finished.text,
            "observation": _seen(finished.observation),
            "choices": [asdict(choice) for choice in finished.choices],
            "details": _details(self._started[index], finished),
        }

    def _chunk(
        self,
        index: int,
        delta: dict[str, str],
        finish_reason: str | None = None,
        logprobs: Sequence[TokenLogprob] = (),
        extra: dict[str, Any] | None = None,
    ) -> str:
        explained = self._explained(logprobs) if logprobs else None
        choice = {"index": index, "delta": delta, "finish_reason": finish_reason, "logprobs": explained}
        body = self._head("chat.completion.chunk") | {"choices": [choice]}
        return _sse(body | ({"apprentice": extra} if extra else {}))

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._started[0].adapter}

    def _usage(self, finished: Sequence[Finished]) -> dict[str, int]:
        prompt, reply = self._prompt_tokens, sum(answer.reply_tokens for answer in finished)
        return {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}

    def _began_again(self, started: Started) -> None:
        """A second attempt reads a prompt too."""
        self._prompt_tokens += started.prompt_tokens

    def _explained(self, logprobs: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if not self._with_logprobs:
            return None
        tokens = [
            _token(each.token, each.logprob) | {"top_logprobs": [_token(*other) for other in each.top]}
            for each in logprobs
        ]
        return {"content": tokens, "refusal": None}


def _begun(started: Started) -> dict[str, Any]:
    return {"turn_id": started.turn_id, "adapter": started.adapter}


def _seen(observation: Observation | None) -> dict[str, Any] | None:
    """What came of an answer, as it is told: not what the record notes beside it."""
    return observation and {k: v for k, v in asdict(observation).items() if k not in ("turn", "created_at", "v")}


def _details(started: Started, finished: Finished) -> dict[str, Any]:
    """What an answer took, and what was in its prompt."""
    shown = ("id", "source", "title", "score")
    return {
        "prompt_tokens": started.prompt_tokens,
        "reply_tokens": finished.reply_tokens,
        "first_token_ms": finished.first_token_ms,
        "total_ms": finished.total_ms,
        "prompt_identity": started.prompt_identity,
        "passages": [{name: getattr(passage, name) for name in shown} for passage in started.passages],
    }


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _sse(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


async def _merged(answers: Sequence[Events]) -> AsyncGenerator[tuple[int, Started | Piece | Finished], None]:
    """The events of several answers as they come, each with the answer's index. Closing it closes them all."""
    if len(answers) == 1:
        async with aclosing(answers[0]) as events:
            async for event in events:
                yield 0, event
        return
    coming: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()

    async def pump(index: int, events: Events) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    coming.put_nowait((index, event))
            coming.put_nowait((index, None))
        except Exception as error:
            coming.put_nowait((index, error))

    async with AsyncExitStack() as pumps:
        for index, events in enumerate(answers):
            pumps.push_async_callback(_ended, asyncio.create_task(pump(index, events)))
        left = len(answers)
        while left:
            index, event = await coming.get()
            if isinstance(event, Exception):
                raise event
            if event is None:
                left -= 1
            else:
                yield index, event


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})
