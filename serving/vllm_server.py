"""One vLLM server over its HTTP API: what it serves, adapters that come and go, and completions."""

import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from core.errors import AdapterRefused, ApprenticeError, Busy, InvalidInput, PromptTooLong
from serving.engine import Delta, GenerationRequest, TokenLogprob
from serving.sampling import GREEDY_BELOW

CONNECT_S = 5
LOOK_S = 10
LOAD_S = 120
READ_S = 300
"""Longest silence of a server that is computing."""
IDLE_S = 2
"""A connection is kept so long for the next request; vLLM closes idle ones after five seconds."""
Json = dict[str, Any]


class ServerDown(Exception):
    """The server does not answer, or gave up an answer."""


class ServerFailed(ServerDown):
    """The server says that something failed in it."""


class NotThere(Exception):
    """The server has nothing of the name it was asked for."""


class VllmServer:
    """What is known of one server: `base` is its base model's name, `held` its adapters and their folders."""

    def __init__(self, url: str):
        self.url = url
        self.base = ""
        self.root = ""
        self.context = 0
        self.held: dict[str, str] = {}
        limits = httpx.Limits(max_connections=None, keepalive_expiry=IDLE_S)
        self._http = httpx.AsyncClient(base_url=url, limits=limits, trust_env=False)

    async def close(self) -> None:
        """Close the connections; the server aborts what still runs on them."""
        await self._http.aclose()

    async def look(self) -> None:
        """Ask whether it can answer, and what it serves. Raises: ServerDown."""
        await self._ask("GET", "/health", LOOK_S)
        listing = await self._ask("GET", "/v1/models", LOOK_S)
        try:
            base = next(card for card in listing["data"] if card["parent"] is None)
            self.base, self.root, self.context = base["id"], base["root"], int(base["max_model_len"])
            self.held = {card["id"]: card["root"] for card in listing["data"] if card["parent"] is not None}
        except (KeyError, TypeError, StopIteration) as error:
            raise ServerDown("it does not answer as vLLM does.") from error

    async def load(self, name: str, folder: Path) -> None:
        """Load an adapter's files under a name, unless they are; a name always stands for the same tensors.

        Raises: AdapterRefused with vLLM's reason; NotThere where it cannot see the files, or loads none; ServerDown.
        """
        if self.held.get(name, str(folder)) != str(folder):
            await self.unload(name)
        body = {"lora_name": name, "lora_path": str(folder)}
        try:
            await self._ask("POST", "/v1/load_lora_adapter", LOAD_S, body)
        except (InvalidInput, ServerFailed) as error:
            await self.look()
            if self.held.get(name) != str(folder):
                raise AdapterRefused(f"vLLM at {self.url} refuses it: {_reason(str(error))}") from error
        self.held[name] = str(folder)

    async def unload(self, name: str) -> None:
        """Give up a name. What runs on it ends as it began; the weights go when their place is needed.

        Raises: ServerDown.
        """
        self.held.pop(name, None)
        try:
            await self._ask("POST", "/v1/unload_lora_adapter", LOAD_S, {"lora_name": name})
        except NotThere:
            pass

    async def complete(self, body: Json) -> Json:
        """A completion, whole. Raises: NotThere, ServerDown, PromptTooLong, Busy, InvalidInput."""
        return await self._ask("POST", "/v1/completions", READ_S, body)

    async def stream(self, body: Json) -> AsyncGenerator[Json, None]:
        """A completion, event by event, to its end; closing it makes the server abort.

        Raises: NotThere, ServerDown, PromptTooLong, Busy, InvalidInput.
        """
        options = {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
        with _explained():
            request = self._http.stream("POST", "/v1/completions", json=body | options, timeout=_timeout(READ_S))
            async with request as response:
                if response.is_error:
                    await response.aread()
                    raise _failure(response)
                async for line in response.aiter_lines():
                    if line == "data: [DONE]":
                        return
                    if line.startswith("data: "):
                        event = json.loads(line.removeprefix("data: "))
                        if "error" in event:
                            raise ServerFailed(event["error"]["message"])
                        yield event
        raise ServerDown("it ended an answer in the middle.")

    async def _ask(self, method: str, path: str, timeout_s: float, body: Json | None = None) -> Json:
        with _explained():
            response = await self._http.request(method, path, json=body, timeout=_timeout(timeout_s))
            if response.is_error:
                raise _failure(response)
            is_json = response.headers.get("content-type", "").startswith("application/json")
            return response.json() if is_json else {}


class Reader:
    """From a completion's events to deltas; tokens without text yet are counted with the next that have some.

    `begun` says whether there were any. The token that ends a reply is no part of it.
    """

    def __init__(self, request: GenerationRequest):
        self.begun = False
        self._alternatives = request.sampling.logprobs or 0
        self._told = 0
        self._logprobs: list[TokenLogprob] = []

    def read(self, event: Json) -> Delta | None:
        """The delta that an event makes, if any. Raises: ServerDown where the server gave the reply up."""
        if not event["choices"]:
            return None
        (choice,) = event["choices"]
        text, reason, tokens = choice["text"], choice["finish_reason"], event["usage"]["completion_tokens"]
        if reason not in (None, "stop", "length"):
            raise ServerDown(f"it ended an answer: {reason}.")
        ended_by_token = reason == "stop" and not isinstance(choice["stop_reason"], str)
        if choice["logprobs"]:
            found = self._read_logprobs(choice["logprobs"])
            self._logprobs += found[:-1] if ended_by_token else found
        if not text and not reason:
            return None
        self.begun = True
        delta = Delta(text, tokens - ended_by_token - self._told, reason, tuple(self._logprobs))
        self._told, self._logprobs = tokens, []
        return delta

    def _read_logprobs(self, told: Json) -> list[TokenLogprob]:
        found = []
        for token, logprob, top in zip(told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True):
            best = sorted((top or {}).items(), key=lambda item: -item[1])[: self._alternatives]
            found.append(TokenLogprob(token, logprob, tuple(best)))
        return found


def as_body(request: GenerationRequest) -> Json:
    """A request as vLLM's completions take it. Everything is named, so that no default of a model's own counts."""
    how = request.sampling
    form = {} if request.schema is None else {"structured_outputs": {"json": json.loads(request.schema)}}
    return {
        "prompt": list(request.prompt_ids),
        "max_tokens": request.max_tokens,
        "stop": list(request.stop),
        "ignore_eos": request.ignore_eos,
        "temperature": 0.0 if how.temperature < GREEDY_BELOW else how.temperature,
        "top_p": how.top_p,
        "top_k": how.top_k,
        "min_p": 0.0,
        "repetition_penalty": how.repetition_penalty,
        "presence_penalty": how.presence_penalty,
        "frequency_penalty": how.frequency_penalty,
        "seed": how.seed,
        "logprobs": how.logprobs,
        **form,
    }


def as_forced(before: Sequence[int], token: int) -> Json:
    """A request whose reply can only be one token; the log-probability that it reports is the unforced one."""
    return {
        "prompt": list(before),
        "max_tokens": 1,
        "ignore_eos": True,
        "temperature": 0.0,
        "logprobs": 0,
        "allowed_token_ids": [token],
    }


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_S, pool=None)


@contextmanager
def _explained() -> Iterator[None]:
    """A connection that fails, and an answer that vLLM would not give, are a server that is down."""
    try:
        yield
    except httpx.HTTPError as error:
        raise ServerDown(f"it does not answer ({type(error).__name__}).") from error
    except ValueError as error:
        if isinstance(error, ApprenticeError):
            raise
        raise ServerDown("it does not answer as vLLM does.") from error


def _failure(response: httpx.Response) -> Exception:
    """What an error of the OpenAI API means here."""
    try:
        body = response.json()
        error = body["error"] if "error" in body else {"message": body["detail"]}
        message, field = str(error["message"]), error.get("param")
    except (ValueError, KeyError, TypeError):
        message, field = f"status {response.status_code}", None
    if response.status_code == 404:
        return NotThere(message)
    if response.status_code == 429:
        return Busy("vLLM has too many requests; please try again in a few seconds.")
    if response.status_code >= 500:
        return ServerFailed(message)
    if field in ("max_tokens", "input_tokens", "input_text"):
        return PromptTooLong(f"{message.split(' (parameter=')[0].rstrip('.')}.")
    return InvalidInput(message)


def _reason(message: str) -> str:
    """The reason in what vLLM wraps around it, as a sentence."""
    inner = re.search(r"failed with error '(.*)', please check", message)
    return f"{(inner.group(1) if inner else message).rstrip('.')}."
