"""Tuning what reads questions: contrastive, over all passages at once, whose vectors stay as they are.

Loss of a question with vector q, its passages P, and every passage v of the index (InfoNCE, van den Oord et al. 2018):

    -log( sum over P of exp(q v / TEMPERATURE) / sum over v of w(v) exp(q v / TEMPERATURE) )

where w is NEGATIVE for passages behind answers that were rejected, 1 for others, and 0 for near copies of P, rejected
or not. HOLD times the mean squared change of q's similarity to unrelated passages is added, and of the vectors of
sentences of the documents, since similarities are compared with a threshold, and since others ask in the documents'
own words.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.sentences import sentences
from retrieval.chunks import EVERYONE, Chunk
from retrieval.embedder import Embedder
from retrieval.generations import Generation
from retrieval.tuned import A, B, packed
from training.retrieval_pairs import Pair
from training.sharing import Courtesy

NEGATIVE = 4.0
COPY = 0.95
"""Passages with a cosine similarity above this say the same."""
MOST_PASSAGES = 20_000
"""Passages that a question is told apart from; of more, a random choice."""
ANCHORS, HELD = 512, 4
"""Sentences of the documents that are held, and one of them in a step for so many questions."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class HowToTune:
    """Rank and scale of the adapter (rsLoRA), and how it is tuned. It ends after `seconds` at the latest."""

    rank: int = 8
    alpha: int = 8
    learning_rate: float = 1e-3
    epochs: int = 5
    batch: int = 32
    temperature: float = 0.05
    hold: float = 10.0
    seed: int = 0
    seconds: float = 600.0

    def as_dict(self) -> dict[str, float | int | str]:
        """For the record."""
        return asdict(self)


def tune_questions(
    embedder: Embedder,
    generation: Generation,
    pairs: Sequence[Pair],
    how: HowToTune,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """An adapter, tuned from the installation's embedder on pairs of a generation's passages; the same for the same.

    `progress` is called after each step; what it raises ends the tuning.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    rows, lots = _passages(generation, pairs, how.seed), random.Random(how.seed)
    place = {int(row): at for at, row in enumerate(rows)}
    passages = torch.from_numpy(generation.rows()[rows])
    anchors = _anchors([generation.chunks[row] for row in rows], lots)
    was = torch.from_numpy(embedder.embed([p.question for p in pairs]))
    held = torch.from_numpy(embedder.embed(anchors))
    twin = embedder.copied("")
    with torch.random.fork_rng():
        torch.manual_seed(how.seed)
        config = LoraConfig(
            r=how.rank,
            lora_alpha=how.alpha,
            use_rslora=True,
            target_modules="all-linear",
            exclude_modules=r".*pooler.*",
        )
        tuned = get_peft_model(twin.model, config).eval()
    learned = [p for p in tuned.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=how.learning_rate, weight_decay=0.0)
    steps = [batch for _ in range(how.epochs) for batch in _batches(len(pairs), how.batch, lots)]
    courtesy, began = Courtesy(), clock()
    for step, batch in enumerate(steps):
        left = 1 - max(step / len(steps), (clock() - began) / how.seconds)
        if left <= 0:
            break
        for group in optimiser.param_groups:
            group["lr"] = how.learning_rate * left
        near = lots.sample(range(len(anchors)), min(max(1, len(batch) // HELD), len(anchors)))
        vectors = twin.vectors([pairs[n].question for n in batch] + [anchors[n] for n in near])
        similar = vectors[: len(batch)] @ passages.T
        above, below = _weights([pairs[n] for n in batch], place, passages)
        answered = torch.logsumexp(similar / how.temperature + above, dim=1)
        loss = (torch.logsumexp(similar / how.temperature + below, dim=1) - answered).mean()
        unrelated = below == 0
        unrelated &= above < 0
        moved = ((similar - was[batch] @ passages.T)[unrelated] ** 2).sum() / max(1, int(unrelated.sum()))
        drifted = ((vectors[len(batch) :] - held[near]) ** 2).sum(dim=1).mean()
        loss = loss + how.hold * (moved + drifted)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        courtesy.rest()
        progress("learning to search", step + 1, len(steps))
    return packed(_factors(tuned), how.alpha / math.sqrt(how.rank))


def _passages(generation: Generation, pairs: Sequence[Pair], seed: int) -> np.ndarray:
    """Rows of everyone's passages, all that pairs name among them, in order."""
    everyones = [row for row, chunk in enumerate(generation.chunks) if chunk.scope == EVERYONE]
    named = {row for pair in pairs for row in (*pair.passages, *pair.negatives)}
    if len(everyones) > MOST_PASSAGES:
        everyones = random.Random(seed).sample(everyones, MOST_PASSAGES)
    return np.array(sorted(named | set(everyones)), dtype=np.int64)


def _anchors(chunks: Sequence[Chunk], lots: random.Random) -> list[str]:
    """Sentences of the documents, which are to be read as before."""
    chosen = lots.sample(list(chunks), min(ANCHORS, len(chunks)))
    return [lots.choice(sentences(chunk.text) or [chunk.text]) for chunk in chosen]


def _weights(pairs: Sequence[Pair], place: dict[int, int], passages: Any) -> tuple[Any, Any]:
    """Logarithms of what each passage weighs above and below the fraction, each [pairs, passages]."""
    import torch

    above, below = torch.full((len(pairs), len(passages)), -torch.inf), torch.zeros(len(pairs), len(passages))
    for n, pair in enumerate(pairs):
        own = [place[row] for row in pair.passages]
        below[n, [place[row] for row in pair.negatives]] = math.log(NEGATIVE)
        below[n, (passages[own] @ passages.T).max(dim=0).values > COPY] = -torch.inf
        above[n, own] = below[n, own] = 0.0
    return above, below


def _batches(count: int, size: int, lots: random.Random) -> list[list[int]]:
    order = list(range(count))
    lots.shuffle(order)
    return [order[start : start + size] for start in range(0, count, size)]


def _factors(tuned: Any) -> dict[str, Any]:
    """The adapter's factors by the names of the layers."""
    from peft import get_peft_model_state_dict

    found = {}
    for name, value in get_peft_model_state_dict(tuned).items():
        layer, _, kind = name.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".lora_")
        found[layer + {"A": A, "B": B}[kind]] = value.detach().float().contiguous()
    return found
