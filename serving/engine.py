"""What serving asks of an engine: token ids in, text out, and adapter versions that come and go."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from core.errors import PromptTooLong

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How each token is chosen, as the OpenAI API means it; temperature 0 is greedy, `top_k` 0 is all tokens.

    The penalties count tokens of the reply, the repetition penalty (Keskar et al. 2019) those of the prompt as well.
    `logprobs` asks for each token's log-probability and that of so many alternatives, before any of this.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One reply to generate. With `schema`, a JSON schema as JSON, it is JSON that fits it.

    With `choices`, the token ids of whole replies with their end, nothing is said: one delta has their likelihoods.
    """

    prompt_ids: tuple[int, ...]
    version: str
    max_tokens: int
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    schema: str | None = None
    choices: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A chosen token as text, its log-probability (nats), and the likeliest alternatives, best first."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a reply: whole characters, how many tokens they took, and why it ended if it did.

    `confidence` comes with the last one, where the version has an outcome head: the chance that the reply works.
    `choices` are the log-likelihoods (nats) of the replies that the request gave to choose from, in its order.
    """

    text: str
    tokens: int
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    choices: tuple[float, ...] = ()
    confidence: float | None = None


class Generation(Protocol):
    """A reply under way: what is said, until a delta with a finish reason. It must be closed."""

    def __aiter__(self) -> AsyncIterator[Delta]:
        """The deltas. Raises: what went wrong in a step."""
        ...

    async def aclose(self) -> None:
        """Free its place at the next step."""


class Engine(Protocol):
    """Generates with several adapter versions side by side. `base` is always installed."""

    async def start(self) -> None:
        """Get ready to generate."""

    async def close(self) -> None:
        """Stop; running generations fail."""

    async def install(self, version: str, folder: Path) -> None:
        """Make a verified version answerable. Raises: AdapterRefused, Busy where every place is in use."""

    async def retire(self, version: str) -> None:
        """Take no new requests for a version, and free it when its last generation has ended."""

    def installed(self) -> frozenset[str]:
        """The versions that take requests."""

    def leases(self) -> dict[str, int]:
        """Generations under way, by version."""

    def is_confident(self, version: str) -> bool:
        """Whether a version's replies come with a confidence."""

    async def prepare(self, request: GenerationRequest) -> None:
        """Do what takes long before a request can be generated. Raises: InvalidInput for an unusable schema."""

    def generate(self, request: GenerationRequest) -> Generation:
        """The reply, on the version it begins with; its place is taken at once.

        Raises: UnknownModel, PromptTooLong, InvalidInput for a schema that cannot be used, Busy.
        """
        ...

    async def score(self, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], version: str) -> list[float]:
        """Mean log-likelihood (nats a token) of replies, given as pairs of prompt ids and reply ids."""


async def read_deltas(deltas: "asyncio.Queue[Delta | Exception]") -> AsyncIterator[Delta]:
    """What comes through a queue, until a delta with a finish reason. Raises: an exception that comes."""
    while True:
        delta = await deltas.get()
        if isinstance(delta, Exception):
            raise delta
        yield delta
        if delta.finish_reason:
            return


def check_fits(request: GenerationRequest, context_tokens: int) -> None:
    """Raises: PromptTooLong where prompt and reply do not fit together."""
    if len(request.prompt_ids) + request.max_tokens > context_tokens:
        raise PromptTooLong(
            f"the prompt has {len(request.prompt_ids)} tokens and the reply may have {request.max_tokens}, and "
            f"{context_tokens} fit together; ask for a shorter reply, or shorten the message."
        )
