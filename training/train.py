"""Tunes one LoRA adapter on a snapshot, from the base model, under a KL budget and within a time."""

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, islice
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from core.errors import DiskFull
from training.adapter import add_adapter
from training.divergence import Budget, Gradients
from training.dropout import Noise
from training.hands import Hands, useful_hands
from training.head import OutcomeHead, learn_head
from training.hyperparameters import Hyperparameters
from training.material import Material, Means, Progress, Trained
from training.objectives import example_rows, log_probabilities, references, rows_of, token_logits, total_loss
from training.optimiser import Optimiser
from training.packing import pack, packed_tokens
from training.plan import Stages, batches, numbers_of, shares
from training.processes import ALONE, Processes
from training.room import affordable, enough_memory, free_bytes
from training.sharing import Courtesy
from training.watch import Watch

log = logging.getLogger(__name__)
SAVE_S = 60
"""Seconds between two checkpoints: what a kill costs at most."""


def train(
    model_folder: Path,
    material: Material,
    how: Hyperparameters,
    means: Means,
    progress: Progress,
    processes: Processes = ALONE,
) -> Trained:
    """Tune an adapter and save it in PEFT's format into the draft folder. A run that was killed goes on.

    `progress(stage, done, total)` is called after each optimiser step; what it raises ends the training. Of several
    `processes` that do this together the first one saves.

    Raises: NotEnoughMemory, DiskFull, SettingsError.
    """
    torch.manual_seed(how.seed)
    longest = max(
        packed_tokens(rows_of([e])) for e in [*material.domain, *material.learn, *material.watch, *material.replay]
    )
    free, item_bytes = free_bytes(means.device, processes.count), means.dtype.itemsize
    most = useful_hands(means.device)
    limit, count = affordable(
        model_folder, how.batch_tokens, free, item_bytes, longest, most, how.gradient_checkpointing
    )
    noise = Noise(how.seed)
    with enough_memory(), Hands(count) as hands:
        model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=means.dtype, local_files_only=True)
        tuned = add_adapter(model.to(means.device), how, noise)
        trained = _Run(tuned, material, how, means, limit, hands, noise, processes).to_its_end(progress)
        if processes.number == 0:
            outcomes = material.outcomes, material.frozen_outcomes
            head, report = learn_head(tuned.eval(), *outcomes, means.device, hands, how.batch_tokens)
            _write(tuned, head, means)
            trained = replace(trained, head=report)
    return trained


def _write(tuned: PeftModel, head: OutcomeHead | None, means: Means) -> None:
    try:
        tuned.save_pretrained(means.draft, safe_serialization=True)
        if head is not None:
            head.save(means.draft)
    except (OSError, SafetensorError) as error:
        raise DiskFull(f"the adapter could not be written to {means.draft}: {error}.") from error
    (means.draft / "README.md").unlink(missing_ok=True)
    means.checkpoints.clear()


class _Run:
    """One training: the state that its optimiser steps move on."""

    def __init__(
        self,
        model: PeftModel,
        material: Material,
        how: Hyperparameters,
        means: Means,
        limit: int,
        hands: Hands,
        noise: Noise,
        processes: Processes,
    ):
        self._model, self._material, self._how, self._means, self._limit = model, material, how, means, limit
        self._hands, self._noise, self._processes = hands, noise, processes
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._optimiser = Optimiser(self._parameters, how, processes)
        self._budget = None
        if material.general:
            self._budget = Budget(material.general, how.kl_budget, model, means.device, processes)
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
        self._stages = Stages(self._batches(domain, order), steps, means.seconds, how.warmup_share, how.schedule)
        self._ends = set(accumulate(len(epoch) for epoch in epochs))
        """After how many steps on examples a pass is over."""
        self._base: dict[int, list[float]] = {}
        self._losses: list[float] = []
        self._divergences: list[float] = []
        self._tokens, self._spent_s = 0, 0.0
        self._watch = Watch(material.watch, means.device, how.patience, processes)

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
            self._spent_s = self._processes.agree(time.monotonic() - began)
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
        everybodys = shares(batch, self._examples, self._hands.count * self._processes.count, self._limit)
        pieces = self._processes.share(everybodys)
        self._know_base(pieces)
        self._noise.of = len(self._losses)
        made = self._hands.map(partial(self._learn, count=len(batch)), pieces)
        self._noise.of = None
        total = self._processes.total(sum(loss for loss, _ in made))
        gradients = [each for _, each in made]
        self._tokens += sum(len(p) + len(r) for p, r in rows_of([self._examples[n] for n in batch]))
        self._rest()
        figures = {"loss": total, "learning rate": share * self._how.learning_rate}
        if self._budget is not None and self._budget.applies(len(self._losses)):
            figures["divergence"], excess = self._budget.look(self._model, self._parameters, self._hands)
            self._divergences.append(figures["divergence"])
            gradients += excess
            self._rest()
        self._optimiser.step(gradients, figures["learning rate"])
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

    def _rest(self) -> None:
        if self._courtesy is not None:
            self._courtesy.rest()

    def _save(self) -> None:
        if self._processes.number != 0:
            return
        self._means.checkpoints.save(
            self._optimiser.state
            | {
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
        self._optimiser.restore(state)
        self._losses, self._divergences = state["losses"], state["divergences"]
        self._tokens, self._spent_s, self._watch.state = state["tokens"], state["spent_s"], state["watch"]
        if self._budget is not None:
            self._budget.skip(len(self._losses))
        if (domain := state.get("domain", (0, 0.0)))[0] <= len(self._losses):
            self._stages.leave_domain(*domain)
        log.info("training goes on after step %d of %d", len(self._losses), len(self._stages.steps))
