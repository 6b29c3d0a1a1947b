"""A client of the HTTP API, for the processes that reach serving over it: one question, one stream of events."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import httpx
from pydantic import TypeAdapter

from core.errors import (
    ApprenticeError,
    Busy,
    DocumentRefused,
    InvalidInput,
    NotFound,
    ServingUnavailable,
    StoreUnavailable,
)
from core.records import Choice, Citation, Message, Observation, Origin

AWAY = "the assistant is starting or busy elsewhere; please ask again in a moment."
_CITATIONS = TypeAdapter(tuple[Citation, ...])
_CHOICES = TypeAdapter(tuple[Choice, ...])
_OBSERVATION = TypeAdapter(Observation)
_TIMEOUT = httpx.Timeout(10, read=300)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its history, and who asks. `chat` and `author` are outside ids (`telegram:42`).

    `model` pins a version. With `beside` a turn's question is answered once more, from what the record has of it.
    """

    messages: Sequence[Message]
    chat: str | None
    author: str
    topic: str | None = None
    parent: str | None = None
    regenerates: str | None = None
    temperature: float | None = None
    kind: str | None = None
    model: str = "apprentice"
    beside: str | None = None
    record: bool = True


@dataclass(frozen=True, slots=True)
class Consulted:
    """A passage that an answer could rest on, and how near it was to the question."""

    id: str
    source: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Details:
    """What an answer took, from when its turn was opened (ms), and what was in its prompt."""

    prompt_tokens: int | None
    reply_tokens: int
    first_token_ms: int | None
    total_ms: int | None
    prompt_identity: str
    passages: tuple[Consulted, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """The answer begins. `turn_id` is None where the turn could not be stored.

    It may begin once more: a second attempt, after an answer that failed, is a turn of its own.
    """

    turn_id: str | None
    adapter: str


@dataclass(frozen=True, slots=True)
class Said:
    """The next piece of the answer; where it says that the attempt before `failed`, what came of that."""

    text: str
    failed: Observation | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is complete. `turn_id` is None where the turn could not be stored; `progress` is a sentence; `tokens`
    is how many were read and written, where serving says so; `observation` is what came of it, where its kind can tell,
    and `choices` are what it was chosen from, the likeliest first.
    """

    turn_id: str | None
    adapter: str
    text: str
    origin: Origin
    citations: tuple[Citation, ...]
    finish_reason: str
    progress: str | None
    confidence: float | None = None
    """The chance in [0, 1] that it works, as its version's outcome head puts it; None where nothing is known."""
    tokens: int = 0
    observation: Observation | None = None
    choices: tuple[Choice, ...] = ()
    details: Details | None = None


_DETAILS = TypeAdapter(Details)


class ServingClient:
    """Asks one serving address; several questions may run side by side."""

    def __init__(self, base_url: str, api_key: str | None = None):
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=_TIMEOUT, trust_env=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def is_ready(self) -> bool:
        """Whether serving can answer now."""
        try:
            return (await self._http.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    async def metrics(self) -> str:
        """What serving counts, in the text format of Prometheus.

        Raises: ServingUnavailable.
        """
        try:
            response = await self._http.get("/metrics")
        except httpx.TransportError as error:
            raise ServingUnavailable(AWAY) from error
        if response.is_error:
            raise ServingUnavailable(AWAY)
        return response.text

    async def answer(self, asked: Asked) -> AsyncGenerator[Begun | Said | Ended, None]:
        """Begun, then what is said, then Ended. Closing the iterator stops the answer and keeps what was said.

        Raises: ServingUnavailable, StoreUnavailable, Busy, NotFound, InvalidInput, each with a sentence for the person.
        """
        try:
            async with self._http.stream("POST", "/v1/chat/completions", json=_body(asked)) as response:
                if response.is_error:
                    await response.aread()
                    raise failure_of(response)
                ended = None
                async for line in response.aiter_lines():
                    if line == "data: [DONE]":
                        if ended is not None:
                            yield ended
                        return
                    if line.startswith("data: "):
                        chunk = json.loads(line.removeprefix("data: "))
                        if ended is not None and chunk.get("usage"):
                            ended = replace(ended, tokens=chunk["usage"]["total_tokens"])
                            continue
                        event = _event(chunk)
                        if isinstance(event, Ended):
                            ended = event
                        elif event is not None:
                            yield event
        except httpx.TransportError as error:
            raise ServingUnavailable(AWAY) from error
        raise ServingUnavailable("the answer broke off; please ask again.", "broke_off")


def _body(asked: Asked) -> dict[str, Any]:
    fields = ("chat", "author", "topic", "parent", "regenerates", "kind", "beside", "record")
    extra = {name: getattr(asked, name) for name in fields}
    return {
        "model": asked.model,
        "messages": [{k: v for k, v in asdict(m).items() if k != "author"} for m in asked.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": asked.temperature,
        "apprentice": extra,
    }


def _event(chunk: dict[str, Any]) -> Begun | Said | Ended | None:
    if "error" in chunk:
        raise failure_in(chunk, ServingUnavailable)
    choice, extra = chunk["choices"][0], chunk.get("apprentice")
    if choice["finish_reason"]:
        return Ended(
            extra["turn_id"],
            extra["adapter"],
            extra["text"],
            extra["origin"],
            _CITATIONS.validate_python(extra["citations"]),
            choice["finish_reason"],
            extra["progress"],
            extra.get("confidence"),
            observation=_observed(extra.get("observation"), extra["turn_id"]),
            choices=_CHOICES.validate_python(extra.get("choices", ())),
            details=_DETAILS.validate_python(extra["details"]) if "details" in extra else None,
        )
    if extra and "turn_id" in extra:
        return Begun(extra["turn_id"], extra["adapter"])
    failed = _observed((extra or {}).get("failed"))
    return Said(choice["delta"]["content"], failed) if choice["delta"].get("content") else None


def _observed(seen: dict[str, Any] | None, turn_id: str | None = None) -> Observation | None:
    return _OBSERVATION.validate_python({"turn": turn_id or "", **seen}) if seen else None


def failure_of(response: httpx.Response) -> ApprenticeError:
    """What a response that is an error says, as a failure with a sentence for the person."""
    try:
        body = response.json()
        code, message = body["error"]["code"], body["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ServingUnavailable(AWAY)
    if response.status_code == 429:
        return Busy(message, int(response.headers.get("retry-after", 2)))
    if code in ("store_unavailable", "store_full"):
        return failure_in(body, StoreUnavailable)
    if response.status_code >= 500:
        return failure_in(body, ServingUnavailable)
    kinds = {404: NotFound, 422: DocumentRefused}
    return failure_in(body, kinds.get(response.status_code, InvalidInput))


def failure_in(body: dict[str, Any], kind: type[ApprenticeError]) -> ApprenticeError:
    """What a body or an event that is an error says, as a failure of a kind."""
    return kind(body["error"]["message"], body["error"]["code"], **body.get("apprentice", {}))
