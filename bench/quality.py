"""What speed costs: the perplexity of the served path beside that of the plain model in bfloat16."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from adapters.base import Base, prepare_base, renderer_of
from core.records import BASE
from core.settings import Settings
from serving.local import LocalEngine
from training.examples import general_slice

Pair = tuple[tuple[int, ...], tuple[int, ...]]


def measure_quality(settings: Settings) -> dict[str, Any]:
    """Perplexities of the general slice's reference answers, and the first over the second."""
    base = prepare_base(settings.model, settings.data_dir)
    renderer = renderer_of(base, settings.prompt_tokens)
    items = general_slice("general_gate", renderer, settings.system_prompt)
    pairs = [(i.prompt_ids, i.reply_ids) for i in items]
    served = perplexity(pairs, asyncio.run(score_served(settings, base, pairs)))
    dense = perplexity(pairs, score_dense(base, pairs))
    tokens = sum(len(reply) for _, reply in pairs)
    return {"tokens": tokens, "served": round(served, 4), "bf16": round(dense, 4), "ratio": round(served / dense, 5)}


def perplexity(pairs: Sequence[Pair], scores: Sequence[float]) -> float:
    """The perplexity of replies, from their mean log-likelihoods (nats a token)."""
    lengths = [len(reply) for _, reply in pairs]
    return math.exp(-sum(s * n for s, n in zip(scores, lengths, strict=True)) / sum(lengths))


async def score_served(settings: Settings, base: Base, pairs: Sequence[Pair]) -> list[float]:
    """Mean log-likelihoods by the engine that serves, as the settings describe it."""
    engine = LocalEngine.from_settings(settings, base, queue=1)
    await engine.start()
    try:
        return await engine.score(pairs, BASE)
    finally:
        await engine.close()


@torch.no_grad()
def score_dense(base: Base, pairs: Sequence[Pair]) -> list[float]:
    """Mean log-likelihoods by the model's own modules in bfloat16."""
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.bfloat16, local_files_only=True).eval()
    scores = []
    for prompt, reply in pairs:
        ids = torch.tensor([prompt + reply])
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(reply) + 1).logits[0, :-1]
        chosen = logits.float().log_softmax(-1).gather(1, ids[0, -len(reply) :, None])
        scores.append(float(chosen.mean()))
    return scores
