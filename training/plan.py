"""The plan of a training: which examples each step sees, in which passes, and at which rate."""

import math
import random
from collections.abc import Sequence

from training.examples import Example
from training.objectives import rows_of
from training.packing import packed_tokens


def rate_share(step: int, steps: int, warmup_share: float) -> float:
    """The share of the peak learning rate at a step (counted from 0): linear warm-up, then a cosine to zero."""
    warmup = max(1, round(warmup_share * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def batches(examples: Sequence[Example], size: int, order: random.Random) -> list[list[int]]:
    """The examples' numbers in shuffled batches of similar length, so that passes are of similar cost."""
    shuffled = order.sample(range(len(examples)), len(examples))
    window = size * 8
    found = []
    for start in range(0, len(shuffled), window):
        near = sorted(shuffled[start : start + window], key=lambda n: _length(examples[n]))
        found += [near[n : n + size] for n in range(0, len(near), size)]
    order.shuffle(found)
    return found


def shares(batch: Sequence[int], examples: Sequence[Example], count: int, limit: int) -> list[list[int]]:
    """A batch in at least `count` parts of about the same length, if it has as many examples, each for one pass."""
    piles: list[list[int]] = [[] for _ in range(min(count, len(batch)))]
    lengths = [0] * len(piles)
    for number in sorted(batch, key=lambda n: _length(examples[n]), reverse=True):
        least = lengths.index(min(lengths))
        piles[least].append(number)
        lengths[least] += _length(examples[number])
    return [part for pile in piles for part in parts(pile, examples, limit)]


def parts(batch: Sequence[int], examples: Sequence[Example], limit: int) -> list[list[int]]:
    """A batch in parts that are read in one pass each, of at most `limit` tokens as they are packed."""
    found: list[list[int]] = [[]]
    for number in sorted(batch, key=lambda n: _length(examples[n]), reverse=True):
        with_it = [*found[-1], number]
        if found[-1] and packed_tokens(rows_of([examples[n] for n in with_it])) > limit:
            found.append([number])
        else:
            found[-1] = with_it
    return found


def _length(example: Example) -> int:
    return len(example.prompt_ids) + len(example.reply_ids) + len(example.rejected_ids)
