"""What serving asks of an engine: token ids in, text out, and adapter versions that come and go."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One reply to generate. Temperature 0 is greedy."""

    prompt_ids: tuple[int, ...]
    version: str
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a reply: whole characters, how many tokens they took, and why it ended if it did."""

    text: str
    tokens: int
    finish_reason: FinishReason | None = None


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

    def generate(self, request: GenerationRequest) -> Generation:
        """The reply, on the version it begins with; its place is taken at once.

        Raises: UnknownModel, PromptTooLong, Busy.
        """
        ...

    async def score(self, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], version: str) -> list[float]:
        """Mean log-likelihood (nats a token) of replies, given as pairs of prompt ids and reply ids."""
