"""Tunes one LoRA adapter on a snapshot, from the base model, under a KL budget and within a time."""

import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, islice
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from core.errors import DiskFull
from core.records import HeadReport
from training.checkpoints import Checkpoints
from training.divergence import Budget, Gradients
from training.examples import Example, Outcome
from training.hands import Hands, useful_hands
from training.head import learn_head
from training.hyperparameters import Hyperparameters
from training.journal import Journal
from training.objectives import example_rows, log_probabilities, references, rows_of, token_logits, total_loss
from training.packing import Row, pack, packed_tokens
from training.plan import Stages, batches, numbers_of, shares
from training.room import affordable, enough_memory, free_bytes
from training.sharing import Courtesy
from training.watch import Watch

log = logging.getLogger(__name__)
SAVE_S = 60
"""Seconds between two checkpoints: what a kill costs at most."""
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


@dataclass(frozen=True, slots=True)
class Means:
    """What a training may use: a device, a number type on it, seconds, and a folder for its checkpoint and draft."""

    device: str
    dtype: torch.dtype
    draft: Path
    checkpoints: Checkpoints
    journal: Journal
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


def train(model_folder: Path, material: Material, how: Hyperparameters, means: Means, progress: Progress) -> Trained:
    """Tune an adapter and save it in PEFT's format into the draft folder. A run that was killed goes on.

    `progress(stage, done, total)` is called after each optimiser step; what it raises ends the training.

    Raises: NotEnoughMemory, DiskFull.
    """
    torch.manual_seed(how.seed)
    longest = max(
        packed_tokens(rows_of([e])) for e in [*material.domain, *material.learn, *material.watch, *material.replay]
    )
    free, item_bytes = free_bytes(means.device), means.dtype.itemsize
    most = useful_hands(means.device)
    limit, count = affordable(model_folder, how.batch_tokens, free, item_bytes, longest, most)
    with enough_memory(), Hands(count) as hands:
        model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=means.dtype, local_files_only=True)
        config = LoraConfig(
            r=how.rank, lora_alpha=how.alpha, use_rslora=True, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        tuned = get_peft_model(model.to(means.device), config, autocast_adapter_dtype=False)
        tuned.train()
        trained = _Run(tuned, material, how, means, limit, hands).to_its_end(progress)
        outcomes = material.outcomes, material.frozen_outcomes
        head, report = learn_head(tuned.eval(), *outcomes, means.device, hands, how.batch_tokens)
    try:
        tuned.save_pretrained(means.draft, safe_serialization=True)
        if head is not None:
            head.save(means.draft)
    except (OSError, SafetensorError) as error:
        raise DiskFull(f"the adapter could not be written to {means.draft}: {error}.") from error
    (means.draft / "README.md").unlink(missing_ok=True)
    means.checkpoints.clear()
    return replace(trained, head=report)


class _Run:
    """One training: the state that its optimiser steps move on."""

    def __init__(
        self, model: PeftModel, material: Material, how: Hyperparameters, means: Means, limit: int, hands: Hands
    ):
        self._model, self._material, self._how, self._means, self._limit = model, material, how, means, limit
        self._hands = hands
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._masters = [p.detach().float() for p in self._parameters]
        """The adapter in float32, which the optimiser moves: steps are too small for the number type of a pass."""
        self._optimiser = torch.optim.AdamW(self._masters, lr=how.learning_rate, weight_decay=0.0)
        self._budget = Budget(material.general, how.kl_budget, means.device) if material.general else None
        self._courtesy = Courtesy() if means.device == "cpu" else None
        order = random.Random(how.seed)
        self._examples = [*material.domain, *material.learn, *material.replay]
        domain, learn, replay = numbers_of(material.domain, material.learn, material.replay)
        passes = material.passes or [{e.source for e in material.learn}] * how.passes(len(learn))
        epochs = [
            self._batches([*(n for n in learn if self._examples[n].source in read), *replay[at :: len(passes)]], order)
            for at, read in enumerate(passes)
        ]
        steps = [batch for epoch in epochs for batch in epoch]
        self._stages = Stages(self._batches(domain, order), steps, means.seconds, how.warmup_share)
        self._ends = set(accumulate(len(epoch) for epoch in epochs))
        """After how many steps on examples a pass is over."""
        self._base: dict[int, list[float]] = {}
        self._losses: list[float] = []
        self._divergences: list[float] = []
        self._tokens, self._spent_s = 0, 0.0
        self._watch = Watch(material.watch, means.device)

    def to_its_end(self, progress: Progress) -> Trained:
        """Make the steps that are left."""
        self._restore()
        began = time.monotonic() - self._spent_s
        saved_at, why = self._spent_s, None
        while why is None and (done := len(self._losses)) < len(self._stages.steps):
            share = self._stages.rate(done, self._spent_s)
            steps = self._stages.steps
            if share is None:
                why = f"its time was over after {done} of {len(steps)} steps"
                break
            self._step(steps[done], share)
            self._spent_s = time.monotonic() - began
            progress("learning", done + 1, len(steps))
            learned = done + 1 - self._stages.domain_steps
            if learned in self._ends:
                self._means.journal.note(done + 1, **self._watch.look(self._model, self._hands))
            if self._watch.is_over:
                why = f"what was watched grew worse before step {done + 1} of {len(steps)}"
            elif self._spent_s - saved_at >= SAVE_S:
                self._save()
                saved_at = self._spent_s
        if self._material.outcomes and why is None:
            self._save()
        self._watch.take_best(self._model)
        targets = tuple(sorted(self._model.peft_config["default"].target_modules))
        losses, divergences = tuple(self._losses), tuple(self._divergences)
        divergence, kept = self._budget.hold(self._model, self._hands) if self._budget else (None, 1.0)
        return Trained(losses, divergences, self._tokens, self._spent_s, targets, why, divergence, kept)

    def _batches(self, numbers: Sequence[int], order: random.Random) -> list[list[int]]:
        """Batches of the examples with these numbers."""
        found = batches([self._examples[n] for n in numbers], self._how.batch, order)
        return [[numbers[n] for n in batch] for batch in found]

    def _step(self, batch: Sequence[int], share: float) -> None:
        """One optimiser step on the examples with these numbers."""
        pieces = shares(batch, self._examples, self._hands.count, self._limit)
        self._know_base(pieces)
        made = self._hands.map(partial(self._learn, count=len(batch)), pieces)
        total = sum(loss for loss, _ in made)
        gradients = [each for _, each in made]
        self._tokens += sum(len(p) + len(r) for p, r in rows_of([self._examples[n] for n in batch]))
        self._rest()
        figures = {"loss": total, "learning rate": share * self._how.learning_rate}
        if self._budget is not None and self._budget.applies(len(self._losses)):
            figures["divergence"], excess = self._budget.look(self._model, self._parameters, self._hands)
            self._divergences.append(figures["divergence"])
            gradients += excess
            self._rest()
        for master, *parts in zip(self._masters, *gradients, strict=True):
            master.grad = sum(part.float() for part in parts)
        torch.nn.utils.clip_grad_norm_(self._masters, self._how.max_gradient_norm)
        for group in self._optimiser.param_groups:
            group["lr"] = figures["learning rate"]
        self._optimiser.step()
        self._take_masters()
        self._losses.append(total)
        self._means.journal.note(len(self._losses), **figures)

    def _learn(self, piece: Sequence[int], count: int) -> tuple[float, Gradients]:
        """The loss of some of a batch's `count` examples, as a part of the batch's mean, and its gradients."""
        examples = [self._examples[n] for n in piece]
        rows = rows_of(examples)
        packed = pack(rows).to(self._means.device)
        log_probs = log_probabilities(token_logits(self._model, packed), packed, len(rows))
        loss = total_loss(examples, log_probs, [each for n in piece for each in self._base.get(n, [0.0])]) / count
        return loss.item(), torch.autograd.grad(loss, self._parameters)

    def _know_base(self, pieces: Sequence[Sequence[int]]) -> None:
        """Have the log-probabilities under the base model of what is compared with it, computed once."""
        known = self._examples
        unknown = [[n for n in piece if n not in self._base and known[n].objective != "sft"] for piece in pieces]
        unknown = [numbers for numbers in unknown if numbers]
        if not unknown:
            return
        examples = [[known[n] for n in numbers] for numbers in unknown]
        with self._model.disable_adapter():
            found = self._hands.map(lambda those: references(self._model, those, self._means.device), examples)
        for numbers, those, log_probs in zip(unknown, examples, found, strict=True):
            left = iter(log_probs)
            self._base |= {n: list(islice(left, len(example_rows(e)))) for n, e in zip(numbers, those, strict=True)}

    @torch.no_grad()
    def _take_masters(self) -> None:
        for parameter, master in zip(self._parameters, self._masters, strict=True):
            parameter.copy_(master)

    def _rest(self) -> None:
        if self._courtesy is not None:
            self._courtesy.rest()

    def _save(self) -> None:
        self._means.checkpoints.save(
            {
                "adapter": self._masters,
                "optimiser": self._optimiser.state_dict(),
                "losses": self._losses,
                "divergences": self._divergences,
                "tokens": self._tokens,
                "spent_s": self._spent_s,
                "watch": self._watch.state,
                "domain": (self._stages.domain_steps, self._stages.domain_s),
            }
        )

    def _restore(self) -> None:
        state = self._means.checkpoints.load()
        if state is None:
            return
        for master, saved in zip(self._masters, state["adapter"], strict=True):
            master.copy_(saved)
        self._take_masters()
        self._optimiser.load_state_dict(state["optimiser"])
        self._losses, self._divergences = state["losses"], state["divergences"]
        self._tokens, self._spent_s, self._watch.state = state["tokens"], state["spent_s"], state["watch"]
        if self._budget is not None:
            self._budget.skip(len(self._losses))
        if (domain := state.get("domain", (0, 0.0)))[0] <= len(self._losses):
            self._stages.leave_domain(*domain)
        log.info("training goes on after step %d of %d", len(self._losses), len(self._stages.steps))
