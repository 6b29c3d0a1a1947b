"""The plan of a training: which examples each step sees, in which passes, at which rate, and until when."""

import math
import random
from collections.abc import Sequence
from itertools import accumulate, pairwise

from core.settings import Schedule
from training.examples import Example
from training.objectives import rows_of
from training.packing import packed_tokens

DOMAIN_TIME = 0.5
"""Share of a training's seconds after which documents make place for examples."""


def rate_share(step: int, steps: int, warmup_share: float, schedule: Schedule = "cosine") -> float:
    """The share of the peak learning rate at a step (counted from 0): linear warm-up, then the schedule."""
    warmup = max(1, round(warmup_share * steps))
    if step < warmup:
        return (step + 1) / warmup
    gone = (step - warmup) / max(1, steps - warmup)
    return {"cosine": 0.5 * (1 + math.cos(math.pi * gone)), "linear": 1 - gone, "constant": 1.0}[schedule]


def numbers_of(*parts: Sequence[Example]) -> list[range]:
    """The numbers of each part's examples, where the parts stand one after another."""
    ends = list(accumulate((len(part) for part in parts), initial=0))
    return [range(*pair) for pair in pairwise(ends)]


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


class Stages:
    """The optimiser steps of a training: one pass over documents first, then the passes over examples.

    Each stage has a rate schedule and a time of its own; documents take at most DOMAIN_TIME of all seconds, and what
    they leave is the examples'.
    """

    def __init__(
        self,
        domain: list[list[int]],
        examples: list[list[int]],
        seconds: float,
        warmup_share: float,
        schedule: Schedule = "cosine",
    ):
        self.steps = [*domain, *examples]
        self.domain_steps = len(domain)
        self.domain_s = 0.0
        """When (seconds spent) the documents were left."""
        self._seconds = seconds
        self._warmup_share, self._schedule = warmup_share, schedule

    def leave_domain(self, done: int, spent_s: float) -> None:
        """Go on to the examples after so many steps, whatever is left of the documents."""
        self.steps = self.steps[:done] + self.steps[self.domain_steps :]
        self.domain_steps, self.domain_s = done, spent_s

    def rate(self, done: int, spent_s: float) -> float | None:
        """The share of the peak rate of the step after `done` ones; None where the time is over.

        What is late goes down the schedule as if it were on time.
        """
        if done < self.domain_steps:
            place = self._place(done, self.domain_steps, spent_s, DOMAIN_TIME * self._seconds)
            if place is not None:
                return place
            self.leave_domain(done, spent_s)
        elif done == self.domain_steps:
            self.domain_s = spent_s
        steps = len(self.steps) - self.domain_steps
        return self._place(done - self.domain_steps, steps, spent_s - self.domain_s, self._seconds - self.domain_s)

    def _place(self, done: int, steps: int, spent_s: float, seconds: float) -> float | None:
        if spent_s >= seconds:
            return None
        return rate_share(max(done, int(spent_s / seconds * steps)), steps, self._warmup_share, self._schedule)
