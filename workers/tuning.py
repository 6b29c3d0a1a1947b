"""Looks for better settings of a training, on the train side of the record alone, within a time."""

import asyncio
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from adapters.base import Base, load_tokenizer, prepare_base
from adapters.numerics import training_dtype
from core.errors import InvalidInput
from core.prompt import Renderer, Tokenizer
from core.records import Turn
from feedback.likeness import normalised
from feedback.turns import question
from kinds import KINDS
from training.checkpoints import Checkpoints
from training.examples import EvaluationItem, Example
from training.hyperparameters import Hyperparameters, hyperparameters
from training.material import Material, Means
from training.several import train_on_all
from training.study import Score, Study, Values, present_values, shown, tried
from workers.context import Context
from workers.judging import open_judge
from workers.learning import general_rows, take_snapshot

if TYPE_CHECKING:
    import optuna

HELD_OUT_SHARE, MOST_HELD_OUT = 5, 60
"""One group in so many is held out, and so many prompts at most."""
FEWEST_LEARNED, FEWEST_HELD_OUT = 20, 5
Objective = Literal["watched", "answers"]
Say = Callable[[str], None]


class _Pruned(Exception):
    """A trial is worse than most others were at the same pass."""


class _OutOfTime(Exception):
    """The search has used its minutes."""


@dataclass(frozen=True, slots=True)
class Split:
    """The train side, split again: to learn, and to be scored on."""

    learn: tuple[Example, ...]
    held_out: tuple[Example, ...]


def search(context: Context, minutes: float, objective: Objective, say: Say) -> Iterator[str]:
    """Try settings until the time is over or somebody interrupts it; the lines of what it comes to.

    The frozen fifth that the gate judges by is not looked at.

    Raises: InvalidInput where there is too little to learn from, or Optuna is missing.
    """
    settings, deadline = context.settings, time.monotonic() + 60 * minutes
    base = prepare_base(settings.model, settings.data_dir)
    tokenizer = load_tokenizer(base)
    renderer = Renderer(tokenizer, base.tokenizer_hash, settings.prompt_tokens)
    how = hyperparameters(settings)
    split = split_again(context, _examples(context, base, renderer, how))
    present = present_values(how, len(split.learn))
    study = Study(settings.data_dir, _facts(base, renderer, how, split, objective, present), present, settings.engine)
    say(
        f"Each trial learns from {len(split.learn)} examples and is scored on {len(split.held_out)} held-out prompts "
        f"of the train side; the frozen ones are not looked at. {len(study.ended)} trials are known from before."
    )
    bench = _Bench(context, base, renderer, tokenizer, how, split, objective, deadline)
    try:
        while time.monotonic() < deadline:
            bench.one(study, say)
    except KeyboardInterrupt:
        say("Interrupted; this is the best so far.")
    except _OutOfTime:
        say("The time is over.")
    return study.conclusion()


def _examples(context: Context, base: Base, renderer: Renderer, how: Hyperparameters) -> list[Example]:
    """What one pass of a refresh would read now."""
    snapshot = take_snapshot(context, base, renderer, how)
    read = snapshot.passes[0] if snapshot.passes else frozenset()
    return [example for example in snapshot.train if example.source in read]


def split_again(context: Context, examples: Sequence[Example]) -> Split:
    """Hold out whole groups, as the frozen set does: a conversation with its beginning, a question with its like.

    Raises: InvalidInput where too little is left on either side.
    """
    turns = context.turns.get_many([example.source for example in examples])
    held: list[Example] = []
    for example in examples:
        turn = turns[example.source]
        lot = hashlib.sha256(f"search {_text(_first(context, turn))}".encode()).digest()
        if int.from_bytes(lot[:8], "big") % HELD_OUT_SHARE == 0:
            held.append(example)
    out = {e.source for e in held}
    texts = {_text(turns[source]) for source in out}
    learn = tuple(e for e in examples if e.source not in out and _text(turns[e.source]) not in texts)
    scored = tuple(e for e in held if e.objective in ("sft", "pair"))[:MOST_HELD_OUT]
    if len(learn) < FEWEST_LEARNED or len(scored) < FEWEST_HELD_OUT:
        raise InvalidInput(
            f"the train side has {len(learn)} examples to learn from and {len(scored)} approved answers to hold out; "
            f"a search needs at least {FEWEST_LEARNED} and {FEWEST_HELD_OUT}: approve more answers first."
        )
    return Split(learn, scored)


def _first(context: Context, turn: Turn) -> Turn:
    return next(iter(context.turns.conversation(turn.parent)), turn)


def _text(turn: Turn) -> str:
    return normalised(question(turn))


def _facts(
    base: Base, renderer: Renderer, how: Hyperparameters, split: Split, objective: str, present: Values
) -> list[object]:
    """What trials must have in common to be compared."""
    fixed = {name: value for name, value in how.as_dict().items() if name not in (*present, "alpha")}
    sides = [sorted(e.source for e in side) for side in (split.learn, split.held_out)]
    return [base.hash, renderer.identity, fixed, sides, objective]


class _Bench:
    """Makes one trial after another on the same material."""

    def __init__(
        self,
        context: Context,
        base: Base,
        renderer: Renderer,
        tokenizer: Tokenizer,
        how: Hyperparameters,
        split: Split,
        objective: Objective,
        deadline: float,
    ):
        self._context, self._base, self._tokenizer, self._how = context, base, tokenizer, how
        self._split, self._objective, self._deadline = split, objective, deadline
        settings = context.settings
        replay, apart = general_rows(renderer, settings.system_prompt)
        self._material = Material(split.learn, split.held_out, apart, replay=replay)
        self._numerics = training_dtype(settings.train_device, settings.data_dir, how.precision)

    def one(self, study: Study, say: Say) -> None:
        """Make the next trial of a study, and say what it came to.

        Raises: _OutOfTime.
        """
        trial = study.ask()
        values = study.values(trial)
        began = time.monotonic()
        try:
            score = self._score(trial, values)
        except _Pruned:
            study.drop(trial, pruned=True)
            say(f"trial {trial.number}: {shown(values)}: given up, most others were better by then")
            return
        except BaseException:
            study.drop(trial, pruned=False)
            raise
        took = time.monotonic() - began
        study.end(trial, score, took)
        what = " (the present settings)" if values == study.present else ""
        say(f"trial {trial.number}: {shown(values)}{what}: {score}, {took:.0f} s")

    def _score(self, trial: "optuna.Trial", values: Values) -> Score:
        how = tried(self._how, values)
        how = replace(how, patience=max(how.patience, 1))
        listener = _Listener(trial, len(self._split.held_out))
        with _draft(self._context.settings.data_dir) as folder:
            means = Means(
                *self._numerics,
                folder / "adapter",
                Checkpoints(folder, "trial"),
                listener,
                self._context.settings.train_max_s,
            )
            train_on_all(self._base.folder, self._material, how, means, self._watch_time)
            if not listener.scores:
                raise InvalidInput(
                    f"no pass over the examples ends within APPRENTICE_TRAIN_MAX_S={means.seconds:.0f}; raise it."
                )
            best = max(listener.scores, key=lambda score: score.value)
            if self._objective == "watched":
                return best
            return replace(best, right=asyncio.run(self._judged(folder / "adapter")))

    def _watch_time(self, stage: str, done: int, total: int) -> None:
        if time.monotonic() >= self._deadline:
            raise _OutOfTime

    async def _judged(self, adapter: Path) -> float:
        """The mean score of a tuned adapter's own answers to the held-out prompts, each as its kind scores it."""
        turns = self._context.turns.get_many([e.source for e in self._split.held_out])

        def item(e: Example) -> EvaluationItem:
            reference = self._tokenizer.decode(e.reply_ids, skip_special_tokens=True)
            return EvaluationItem(e.source, e.prompt_ids, e.reply_ids, reference, turns[e.source].kind)

        items = [item(e) for e in self._split.held_out]
        async with open_judge(self._context.settings, self._base, {"trial": adapter}, len(items)) as judging:
            answers = await asyncio.to_thread(judging.generate, "trial", items)
        return fmean(KINDS[i.kind].score(a.text, i.reference) for a, i in zip(answers, items, strict=True))


class _Listener:
    """Hears the figures of a training, and ends it where most other trials were better at the same pass."""

    def __init__(self, trial: "optuna.Trial", asked: int):
        self.scores: list[Score] = []
        self._trial, self._asked = trial, asked

    def note(self, step: int, **figures: float) -> None:
        """Figures of one step; after a pass, of what is watched."""
        if "watched right" not in figures:
            return
        self.scores.append(Score(figures["watched right"], figures["watched loss"], self._asked))
        self._trial.report(self.scores[-1].value, len(self.scores))
        if self._trial.should_prune():
            raise _Pruned


@contextmanager
def _draft(data_dir: Path) -> Iterator[Path]:
    """A folder for one trial, of which nothing is left."""
    folder = Path(tempfile.mkdtemp(prefix=".search-", dir=data_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
