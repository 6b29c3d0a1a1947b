"""What goes into a training, and what comes out of it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from core.records import HeadReport
from training.checkpoints import Checkpoints
from training.examples import Example, Outcome
from training.packing import Row

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Material:
    """What a training reads: examples to learn, some to watch and not to learn, general rows to stay near base on,
    passages of documents that are learned before anything else, and general examples to `replay`, each in one pass.

    `passes` are the sources of `learn` that each pass reads; without them each reads all, as often as is usual. The
    outcome head learns from `outcomes` once the model is tuned, and is judged by `frozen_outcomes`."""

    learn: Sequence[Example]
    watch: Sequence[Example] = ()
    general: Sequence[Row] = ()
    domain: Sequence[Example] = ()
    replay: Sequence[Example] = ()
    passes: Sequence[frozenset[str]] = ()
    outcomes: Sequence[Outcome] = ()
    frozen_outcomes: Sequence[Outcome] = ()


class Notes(Protocol):
    """Where the figures of a training go: its journal, or somebody else who wants to know."""

    def note(self, step: int, **figures: float) -> None:
        """Figures of one step. What this raises ends the training."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What a training may use: a device, a number type on it, seconds, and a folder for its checkpoint and draft."""

    device: str
    dtype: torch.dtype
    draft: Path
    checkpoints: Checkpoints
    journal: Notes
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training did: mean loss of each optimiser step, the divergence from base (nats a token) where it was
    looked at, its cost, why it ended early, if it did, `divergence` on all general rows in the end, and the share of
    the weights that was `kept` for its budget. `head` tells of its outcome head, or why it has none."""

    losses: tuple[float, ...]
    divergences: tuple[float, ...]
    tokens: int
    seconds: float
    targets: tuple[str, ...]
    ended_early: str | None = None
    divergence: float | None = None
    kept: float = 1.0
    head: HeadReport | None = None
