"""How an adapter is tuned: its rank, its rates, and how often it reads its examples."""

import math
from dataclasses import asdict, dataclass

from core.settings import Settings

STEPS, FEWEST, MOST = 300, 3, 8
"""Optimiser steps that a training has, if that takes neither fewer nor more passes over its examples."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """How an adapter is tuned (rsLoRA: Kalajdzievski 2023). `batch` counts examples an optimiser step sees,
    `batch_tokens` bounds a forward pass, `kl_budget` is in nats a token. Without `epochs` few examples are read more
    often than many."""

    rank: int = 16
    alpha: int = 8
    learning_rate: float = 1e-3
    epochs: int | None = None
    batch: int = 8
    batch_tokens: int = 1024
    warmup_share: float = 0.1
    max_gradient_norm: float = 1.0
    kl_budget: float = 0.2
    seed: int = 0

    def as_dict(self) -> dict[str, float | int | str]:
        """For a manifest."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def passes(self, examples: int) -> int:
        """How often so many examples are read: until STEPS steps are made, within FEWEST and MOST passes."""
        if self.epochs is not None:
            return self.epochs
        return min(MOST, max(FEWEST, math.ceil(STEPS * self.batch / max(1, examples))))


def hyperparameters(settings: Settings) -> Hyperparameters:
    """How the settings want an adapter tuned."""
    return Hyperparameters(rank=settings.lora_rank, learning_rate=settings.learning_rate, epochs=settings.epochs)
