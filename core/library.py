"""A client of what the HTTP API offers besides answers: documents, and what an answer learned from."""

import json
from base64 import b64decode
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import TypeAdapter

from core.client import AWAY, failure_in, failure_of
from core.errors import DocumentRefused, ServingUnavailable

_TIMEOUT = httpx.Timeout(10, read=600)


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a document is: `done` of `total` pieces of the stage `reading` or `embedding`."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SharedDocument:
    """A document of the index; `everyone` tells whether all chats see it, `added_at` is when (ms), 0 if unknown."""

    id: str
    name: str
    passages: int
    everyone: bool
    added_at: int = 0
    from_file: bool = False
    """Whether it was read from a file of serving's machine, and not sent."""


@dataclass(frozen=True, slots=True)
class DocumentPassage:
    """A piece of a document, under its headings."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """What a search found; `score` is that of the best match of meaning and words, in [-1, 1]."""

    id: str
    source: str
    title: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What a question finds: the sentence that is said word for word, if any, the passages that an answer may rest on,
    and the other search results, best first."""

    said: str
    passages: tuple[FoundPassage, ...]
    others: tuple[FoundPassage, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The turns of two approved answers that differ, and how near their questions are (cosine similarity)."""

    newer: str
    older: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Dispute:
    """An approved answer (its turn) with a sentence of it, and the one of a document that states otherwise."""

    turn: str
    said: str
    stated: str
    source: str
    title: str


@dataclass(frozen=True, slots=True)
class Disputes:
    """Those that are known so far; so many approved answers are `left` to compare, some of them with each call."""

    disputes: tuple[Dispute, ...]
    left: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """What reading everyone's files again did: files `read`, those that `changed`, the names of those that are not
    where they were, a sentence for each that was refused, and how many passages there are now."""

    read: int
    changed: int
    missing: tuple[str, ...]
    refused: tuple[str, ...]
    passages: int


@dataclass(frozen=True, slots=True)
class NearExample:
    """An approved answer for everyone, and how near its question is to another (cosine similarity)."""

    question: str
    answer: str
    similarity: float


_DOCUMENTS = TypeAdapter(list[SharedDocument])
_EXAMPLES = TypeAdapter(list[NearExample])
_DOCUMENT, _PASSAGES = TypeAdapter(SharedDocument), TypeAdapter(list[DocumentPassage])
_PAIRS = TypeAdapter(list[Pair])
_FINDINGS, _RENEWAL, _DISPUTES = TypeAdapter(Findings), TypeAdapter(Renewal), TypeAdapter(Disputes)


class LibraryClient:
    """Asks one serving address. `chat` and `author` are outside ids (`telegram:42`); no chat means everyone.

    Every method raises ServingUnavailable, StoreUnavailable, NotFound and InvalidInput, each with a sentence.
    """

    def __init__(self, base_url: str, api_key: str | None = None):
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=_TIMEOUT, trust_env=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def add(
        self, name: str, content: bytes, chat: str | None, author: str
    ) -> AsyncGenerator[Reading | SharedDocument, None]:
        """How far the document is, again and again, then the document as it stands in the index.

        Raises: DocumentRefused with the reason.
        """
        params = {"name": name, "author": author} | _scope(chat)
        headers = {"Content-Type": "application/octet-stream"}
        async with aclosing(self._events("/v1/documents", params=params, content=content, headers=headers)) as events:
            async for event in events:
                yield Reading(**event) if "stage" in event else _DOCUMENT.validate_python(event["document"])

    async def renew(self) -> Renewal:
        """Have the files read again that everyone's documents were read from; returns when all are."""
        async with aclosing(self._events("/v1/index", json={})) as events:
            async for event in events:
                if "renewed" in event:
                    return _RENEWAL.validate_python(event["renewed"])
        raise ServingUnavailable(AWAY)

    async def _events(self, path: str, **request: Any) -> AsyncGenerator[dict[str, Any], None]:
        try:
            async with self._http.stream("POST", path, **request) as response:
                if response.is_error:
                    await response.aread()
                    raise failure_of(response)
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        yield _checked(json.loads(line.removeprefix("data: ")))
        except httpx.TransportError as error:
            raise ServingUnavailable(AWAY) from error

    async def documents(self, chat: str | None) -> list[SharedDocument]:
        """What a chat sees, its own documents first."""
        found = await self._ask("GET", "/v1/documents", _scope(chat))
        return _DOCUMENTS.validate_python(found["documents"])

    async def document(self, document: str, chat: str | None) -> tuple[SharedDocument, list[DocumentPassage]]:
        """One document with its passages in order."""
        found = await self._ask("GET", f"/v1/documents/{document}", _scope(chat))
        return _DOCUMENT.validate_python(found["document"]), _PASSAGES.validate_python(found["passages"])

    async def search(self, question: str) -> Findings:
        """What a question of somebody who has no documents of their own finds."""
        return _FINDINGS.validate_python(await self._ask("POST", "/v1/search", {}, {"question": question}))

    async def sent_by(self, author: str) -> list[dict[str, Any]]:
        """Everything that somebody sent to any chat: name, when (ms), and its passages as text."""
        return (await self._ask("GET", "/v1/documents", {"author": author}))["documents"]

    async def take_out(self, document: str, chat: str | None) -> str:
        """Remove a document for good, and return its name."""
        return (await self._ask("DELETE", f"/v1/documents/{document}", _scope(chat)))["removed"]

    async def take_out_all(self, author: str) -> int:
        """Remove for good what somebody sent to any chat; returns how many documents that were."""
        return (await self._ask("DELETE", "/v1/documents", {"author": author}))["removed"]

    async def examples(self, turn: str) -> list[NearExample]:
        """The nearest approved answers for everyone that the version which answered a turn has learned from."""
        found = await self._ask("GET", f"/v1/explanations/{turn}", {})
        return _EXAMPLES.validate_python(found["examples"])

    async def embed(self, texts: Sequence[str]) -> tuple[str, list[bytes]]:
        """Which embedder it was, and the unit vector of each of 256 texts at most, as float32 (little-endian)."""
        body = {"input": list(texts), "encoding_format": "base64"}
        found = await self._ask("POST", "/v1/embeddings", {}, body)
        return found["model"], [b64decode(row["embedding"]) for row in found["data"]]

    async def contradictions(self) -> list[Pair]:
        """Which approved answers to nearly the same question differ, the newest first."""
        return _PAIRS.validate_python((await self._ask("GET", "/v1/contradictions", {}))["pairs"])

    async def disputes(self) -> Disputes:
        """Which approved answers the documents for everyone dispute."""
        return _DISPUTES.validate_python(await self._ask("GET", "/v1/disputes", {}))

    async def _ask(self, method: str, path: str, params: dict[str, str], body: dict[str, Any] | None = None) -> Any:
        try:
            response = await self._http.request(method, path, params=params, json=body)
        except httpx.TransportError as error:
            raise ServingUnavailable(AWAY) from error
        if response.is_error:
            raise failure_of(response)
        return response.json()


def _scope(chat: str | None) -> dict[str, str]:
    return {"chat": chat} if chat else {"everyone": "1"}


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    if "error" in event:
        refused = event["error"]["code"].startswith("document_")
        raise failure_in(event, DocumentRefused if refused else ServingUnavailable)
    return event
