"""How an adapter is tuned: by which method, at which rates, and how often it reads its examples."""

import math
from dataclasses import dataclass, fields

from core.settings import LoraMethod, OptimiserName, Precision, Schedule, Settings

STEPS, FEWEST, MOST = 300, 3, 8
"""Optimiser steps that a training has, if that takes neither fewer nor more passes over its examples."""
ALPHAS: dict[LoraMethod, int] = {"rslora": 8, "dora": 8, "lora": 32}
"""Each method's alpha: all scale alike at rank 16, rsLoRA and DoRA by alpha / sqrt(rank), LoRA by alpha / rank."""
ALWAYS_TOLD = (
    "rank",
    "alpha",
    "learning_rate",
    "epochs",
    "batch",
    "batch_tokens",
    "warmup_share",
    "max_gradient_norm",
    "kl_budget",
    "seed",
)
"""What every manifest says; the rest is said where it is not the default, so that a snapshot's name stays what it was
before there was a choice."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """How an adapter is tuned (rsLoRA: Kalajdzievski 2023). `batch` counts examples an optimiser step sees,
    `batch_tokens` bounds a forward pass, `kl_budget` is in nats a token. Without `epochs` few examples are read more
    often than many. `layers` counts from the top; without it all are tuned. `patience` is how many passes in a row may
    be worse than the best; with 0 nothing is watched."""

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
    method: LoraMethod = "rslora"
    layers: int | None = None
    dropout: float = 0.0
    optimiser: OptimiserName = "adamw"
    schedule: Schedule = "cosine"
    weight_decay: float = 0.0
    patience: int = 2
    precision: Precision = "auto"
    gradient_checkpointing: bool = False

    def as_dict(self) -> dict[str, float | int | str]:
        """For a manifest."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        chosen = {f.name for f in fields(self) if f.name in ALWAYS_TOLD or values[f.name] != f.default}
        return {name: value for name, value in values.items() if name in chosen and value is not None}

    def passes(self, examples: int) -> int:
        """How often so many examples are read: until STEPS steps are made, within FEWEST and MOST passes."""
        if self.epochs is not None:
            return self.epochs
        return min(MOST, max(FEWEST, math.ceil(STEPS * self.batch / max(1, examples))))


def hyperparameters(settings: Settings) -> Hyperparameters:
    """How the settings want an adapter tuned."""
    return Hyperparameters(
        rank=settings.lora_rank,
        alpha=ALPHAS[settings.lora_method],
        learning_rate=settings.learning_rate,
        epochs=settings.epochs,
        batch=settings.batch,
        warmup_share=settings.warmup_share,
        method=settings.lora_method,
        layers=settings.lora_layers,
        dropout=settings.lora_dropout,
        optimiser=settings.optimiser,
        schedule=settings.schedule,
        weight_decay=settings.weight_decay,
        patience=settings.early_stopping,
        precision=settings.train_precision,
        gradient_checkpointing=settings.gradient_checkpointing,
    )
