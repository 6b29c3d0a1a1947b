"""Serving's own counters, looked at again and again: how fast it answers, over the last hour."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

from core.client import ServingClient
from core.errors import ServingUnavailable

EVERY_S, KEPT = 15.0, 240
FIRST_TOKEN = "apprentice_time_to_first_token_seconds"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """What serving had counted at an instant (s, of a clock that only goes forward)."""

    at: float
    tokens: float
    begun: float
    """Answers whose first text was shown."""
    waited_s: float
    """For it, all of them together."""
    within: tuple[tuple[float, float], ...]
    """How many of them began within so many seconds, in the order of these."""


@dataclass(frozen=True, slots=True)
class Speed:
    """From one sample to another: tokens a second, and the mean time to the first token where any answer began."""

    at: float
    tokens_s: float
    first_token_s: float | None


class Pulse:
    """The samples of the last hour. Where serving is several processes behind one address, one of them is seen."""

    def __init__(self, client: ServingClient):
        self._client = client
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self.chunks: int | None = None
        """Passages in serving's index; None where it has not been seen yet, or was not at the last look."""

    async def run(self) -> None:
        """Look, until cancelled; serving that is away is looked for again."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Take a sample now. Counters that went back are a new process's: what was seen of the last one goes."""
        try:
            text = await self._client.metrics()
        except ServingUnavailable as error:
            self.chunks = None
            log.debug("serving's metrics: %s", error)
            return
        sample, self.chunks = read(text, time.monotonic())
        if self._samples and sample.tokens < self._samples[-1].tokens:
            self._samples.clear()
        self._samples.append(sample)

    def speeds(self) -> list[Speed]:
        """How fast it was between each two samples."""
        return [_speed(before, after) for before, after in pairwise(self._samples)]

    def first_token(self, q: float) -> float | None:
        """A quantile of the time to the first token (s), over all samples; None where no answer began."""
        if len(self._samples) < 2:
            return None
        first, last = self._samples[0], self._samples[-1]
        before = dict(first.within)
        return quantile(q, [(le, count - before.get(le, 0)) for le, count in last.within])


def read(text: str, at: float) -> tuple[Sample, int]:
    """A sample, and the index's size, from the text format of Prometheus."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    values = {sample.name: sample.value for sample in found if not sample.labels}
    within = sorted((float(s.labels["le"]), s.value) for s in found if s.name == f"{FIRST_TOKEN}_bucket")
    begun, waited_s = values[f"{FIRST_TOKEN}_count"], values[f"{FIRST_TOKEN}_sum"]
    sample = Sample(at, values["apprentice_generation_tokens_total"], begun, waited_s, tuple(within))
    return sample, int(values["apprentice_index_chunks"])


def quantile(q: float, within: Sequence[tuple[float, float]]) -> float | None:
    """A quantile of a histogram of cumulative counts, as Prometheus's `histogram_quantile` estimates it."""
    total = within[-1][1] if within else 0
    if not total:
        return None
    low = below = 0.0
    for le, count in within:
        if count >= q * total:
            return low if math.isinf(le) else low + (le - low) * (q * total - below) / (count - below)
        low, below = le, count
    return low


def _speed(before: Sample, after: Sample) -> Speed:
    begun = after.begun - before.begun
    first = (after.waited_s - before.waited_s) / begun if begun else None
    return Speed(after.at, (after.tokens - before.tokens) / (after.at - before.at), first)
