"""Who is loaded: our own server with a version or two, or any OpenAI-compatible server beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench.load import Body
from bench.prompts import Messages
from core.errors import InvalidInput

NEW_TOKENS = 64
OURS = "apprentice"
PATH = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Subject:
    """A server under load. Stream n asks for the model n modulo their number; `extra` goes into every request.

    `adapter` says what answers: "none", "live" (one adapter) or "mixed" (two in one batch).
    """

    name: str
    engine: str
    url: str
    models: tuple[str, ...]
    adapter: str
    extra: dict[str, Any] = field(default_factory=dict)

    def scripts(self, talks: Sequence[Sequence[Messages]], new_tokens: int = NEW_TOKENS) -> list[list[Body]]:
        """The requests of each stream, from the conversations it asks one after the other."""
        return [[self._body(n, messages, new_tokens) for messages in talk] for n, talk in enumerate(talks)]

    def _body(self, stream: int, messages: Messages, new_tokens: int) -> Body:
        return {
            "model": self.models[stream % len(self.models)],
            "messages": messages,
            "max_tokens": new_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self.extra,
        }


def ours(api: str, models: Sequence[str], adapter: str, record: bool = False) -> Subject:
    """Our own server at `api`: the model alone is measured, so nothing is retrieved."""
    extra = {"apprentice": {"retrieval": False, "record": record}}
    name = f"{OURS}, {'base' if adapter == 'none' else adapter}" + (", recorded" if record else "")
    return Subject(name, OURS, f"{api}/v1{PATH}", tuple(models), adapter, extra)


def parse_against(text: str) -> tuple[str, str | None]:
    """`URL[,MODEL]` as the address that ends in /v1, and the model.

    Raises: InvalidInput.
    """
    url, _, model = text.partition(",")
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"--against {text}: give URL[,MODEL], as in http://127.0.0.1:8000,my-model.")
    base = url.strip().rstrip("/")
    return base if base.endswith("/v1") else f"{base}/v1", model.strip() or None


def rivals(texts: Sequence[str]) -> list[Subject]:
    """The servers that `--against` names; where two describe themselves alike, with their addresses.

    Raises: InvalidInput where one does not answer, or has no such model.
    """
    found = [rival(text) for text in texts]
    names = [subject.name for subject in found]
    return [replace(s, name=f"{s.name} at {urlsplit(s.url).netloc}") if names.count(s.name) > 1 else s for s in found]


def rival(text: str) -> Subject:
    """The server that `--against` names, as it describes itself; without a model, its first one.

    Raises: InvalidInput where it does not answer, or has no such model.
    """
    base, wanted = parse_against(text)
    try:
        answer = httpx.get(f"{base}/models", timeout=10)
        answer.raise_for_status()
        models = answer.json()["data"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"--against {text}: {base}/models does not list models ({error}).") from error
    found = [m for m in models if wanted in (None, m["id"])]
    if not found:
        listed = ", ".join(m["id"] for m in models)
        raise InvalidInput(f"--against {text}: there is no model {wanted!r} there, only {listed or 'none'}.")
    model = found[0]
    engine = str(model.get("owned_by") or urlsplit(base).netloc)
    adapter = "live" if model.get("parent") else "none"
    return Subject(f"{engine}, {model['id']}", engine, f"{base}{PATH}", (model["id"],), adapter)
