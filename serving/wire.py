"""What clients send: the OpenAI API's chat request with our `apprentice` object, and feedback."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field

from core.errors import InvalidInput
from core.identity import Pseudonyms
from core.records import Message, Passage
from kinds import KINDS, check_asked
from serving.engine import Sampling
from serving.exchange import Question
from serving.knowledge import Found


def _text(content: Any) -> Any:
    """A message's content as text: a list of text parts is joined, as the OpenAI API allows."""
    if isinstance(content, list):
        if any(not isinstance(part, dict) or part.get("type") != "text" for part in content):
            raise ValueError("only text is understood, no pictures or sound")
        return "\n".join(str(part.get("text", "")) for part in content)
    return "" if content is None else content


def _listed(texts: Any) -> Any:
    """One text is a list of one."""
    return [texts] if isinstance(texts, str) else texts


class WireMessage(BaseModel):
    """One message of a request."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text)] = ""


class Extra(BaseModel):
    """What only Apprentice understands. `chat` and `author` are the client's own ids."""

    chat: str | None = None
    author: str | None = None
    topic: str | None = Field(None, max_length=64, pattern="^[^:]+$")
    kind: str | None = None
    labels: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field([], max_length=200)
    parent: str | None = None
    regenerates: str | None = None
    beside: str | None = None
    retrieval: bool = True
    record: bool = True
    best_of: int | None = Field(None, ge=1, le=8)


class PlainText(BaseModel):
    """A reply of any form."""

    type: Literal["text"]


class JsonObject(BaseModel):
    """Any JSON object."""

    type: Literal["json_object"]


class NamedSchema(BaseModel):
    """A JSON schema as the OpenAI API wraps it."""

    definition: dict[str, Any] = Field(alias="schema")


class JsonSchema(BaseModel):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = PlainText | JsonObject | JsonSchema


class ChatRequest(BaseModel):
    """POST /v1/chat/completions. Unknown fields are ignored."""

    model: str = "apprentice"
    messages: list[WireMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    stop: str | list[str] | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    response_format: Annotated[ResponseFormat, Field(discriminator="type")] | None = None
    n: int | None = Field(1, ge=1, le=8)
    user: str | None = None
    ignore_eos: bool = False
    apprentice: Extra = Extra()


class FeedbackRequest(BaseModel):
    """POST /v1/feedback."""

    turn_id: str = Field(min_length=1, max_length=64)
    author: str = Field("api", min_length=1)
    rating: Literal[-1, 0, 1] | None = None
    reason: str | None = Field(None, max_length=500)
    correction: str | None = None


class EmbeddingsRequest(BaseModel):
    """POST /v1/embeddings. The model is the installation's embedder, whatever is named."""

    input: Annotated[list[Annotated[str, Field(max_length=8000)]], BeforeValidator(_listed)] = Field(
        min_length=1, max_length=256
    )
    encoding_format: Literal["float", "base64"] = "float"


def embeddings(vectors: np.ndarray, encoding: Literal["float", "base64"], model: str) -> dict[str, Any]:
    """Vectors [n, dim] float32 as the OpenAI API has them: numbers, or their bytes (little-endian) in base64."""
    rows = [
        {"object": "embedding", "index": n, "embedding": _encoded(row) if encoding == "base64" else row.tolist()}
        for n, row in enumerate(vectors)
    ]
    return {"object": "list", "data": rows, "model": model, "usage": {"prompt_tokens": 0, "total_tokens": 0}}


def _encoded(vector: np.ndarray) -> str:
    return b64encode(vector.astype("<f4").tobytes()).decode()


class SearchRequest(BaseModel):
    """POST /v1/search. Without a `chat` (the client's own id) only what everyone may see is searched."""

    question: str = Field(min_length=1, max_length=8000, pattern=r"\S")
    chat: str | None = None


def search_results(found: Found, searched: Sequence[Passage]) -> dict[str, Any]:
    """What a question finds: what is said word for word, if anything, the passages that an answer may rest on, and the
    other search results, with scores; who sent a document is not told."""
    used = {passage.id for passage in found.passages}
    others = [passage for passage in searched if passage.id not in used]
    said = found.approved if found.approved is not None else found.declined
    return {"said": said, "passages": [_result(p) for p in found.passages], "others": [_result(p) for p in others]}


def _result(passage: Passage) -> dict[str, Any]:
    return {k: v for k, v in asdict(passage).items() if k != "author"}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is meant by a request that does not say: its kind of task, and by kind the JSON schema of replies."""

    kind: str = "chat"
    schemas: Mapping[str, str] = field(default_factory=dict)


def to_question(body: ChatRequest, pseudonyms: Pseudonyms, defaults: Defaults) -> Question:
    """The request in our own words, with ids turned into pseudonyms. JSON rests on nothing that could be quoted.

    Raises: InvalidInput where the last message is not a user's, or is empty, there is no such kind of task, or `n` and
    `best_of` are both given.
    """
    roles = {"developer": "system"}
    messages = tuple(Message(roles.get(m.role, m.role), m.content) for m in body.messages)  # type: ignore[arg-type]
    if messages[-1].role != "user":
        raise InvalidInput("the last message must be the user's.")
    if not messages[-1].content.strip():
        raise InvalidInput("the message is empty; write what you want to know.", "message_empty")
    extra = body.apprentice
    chat, author = extra.chat or body.user, extra.author or body.user
    kind = check_asked(defaults.kind if extra.kind is None else extra.kind)
    several = (body.n or 1) > 1
    if several and (extra.best_of or 1) > 1:
        raise InvalidInput("`n` asks for every choice and `best_of` for the best of them; give one of the two.")
    schema = _schema(body.response_format) or defaults.schemas.get(kind)
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Question(
        messages=messages,
        model=body.model,
        kind=kind,
        labels=tuple(dict.fromkeys(label.strip() for label in extra.labels)),
        chat=pseudonyms.chat(chat) if chat else None,
        author=pseudonyms.author(author) if author else None,
        topic=extra.topic,
        parent=extra.parent,
        regenerates=extra.regenerates,
        beside=extra.beside,
        retrieval=extra.retrieval and not (schema and KINDS[kind].grounded),
        record=extra.record,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature,
        sampling=Sampling(
            top_p=1.0 if body.top_p is None else body.top_p,
            top_k=max(body.top_k or 0, 0),
            repetition_penalty=1.0 if body.repetition_penalty is None else body.repetition_penalty,
            presence_penalty=body.presence_penalty or 0.0,
            frequency_penalty=body.frequency_penalty or 0.0,
            seed=body.seed,
            logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        ),
        stop=stop,
        ignore_eos=body.ignore_eos,
        schema=schema,
        best_of=1 if several or body.ignore_eos else extra.best_of,
    )


def _schema(wanted: ResponseFormat | None) -> str | None:
    """The JSON schema of what is wanted, as JSON; None for text."""
    if isinstance(wanted, JsonSchema):
        return json.dumps(wanted.json_schema.definition)
    return '{"type": "object"}' if isinstance(wanted, JsonObject) else None
