"""A search for better settings of a training: what is tried, what is remembered, and what it comes to. With Optuna.

What is kept holds numbers and hashes, nobody's text.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput
from core.settings import TRAINING_FOLDER, variable
from training.hyperparameters import ALPHAS, Hyperparameters

if TYPE_CHECKING:
    import optuna

STORAGE_FILE = "search.log"
UNTOLD_TRIALS = 4
"""Trials that end before any is given up for being worse than the median."""
RATES = 1e-4, 1e-2
CHOICES: dict[str, tuple[Any, ...]] = {
    "rank": (8, 16, 32, 64),
    "epochs": (2, 3, 5, 8),
    "dropout": (0.0, 0.05, 0.1),
    "weight_decay": (0.0, 0.01, 0.1),
    "batch": (4, 8, 16),
    "method": ("rslora", "lora", "dora"),
}
SETTINGS = {
    "learning_rate": "learning_rate",
    "rank": "lora_rank",
    "epochs": "epochs",
    "dropout": "lora_dropout",
    "weight_decay": "weight_decay",
    "batch": "batch",
    "method": "lora_method",
}
"""The setting of each thing that is searched over."""
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Score:
    """How well a training does on `asked` held-out prompts: the share that is right, or their mean score in the
    judge's eyes; and the median loss of a token (nats)."""

    right: float
    loss: float
    asked: int

    @property
    def value(self) -> float:
        """For comparison: loss decides between what is equally often right."""
        return self.right + math.exp(-self.loss) / self.asked

    def __str__(self) -> str:
        return f"{self.right * self.asked:.4g} of {self.asked} right, {self.loss:.3f} nats a token"


class Study:
    """The trials on one material, those of earlier searches included.

    `facts` is what must be the same for trials to be compared, `present` how the settings train now.

    Raises: InvalidInput where Optuna is not installed.
    """

    def __init__(self, data_dir: Path, facts: Sequence[Any], present: Values, engine: str):
        try:
            import optuna
            from optuna.storages.journal import JournalFileBackend
        except ImportError as error:
            raise InvalidInput("this needs Optuna: pip install 'optuna', or '.[search]' here.") from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.present = present
        self._choices = {name: _with(present[name], choices) for name, choices in CHOICES.items()}
        if engine == "vllm":
            self._choices["method"] = tuple(m for m in self._choices["method"] if m != "dora")
        self._rates = min(RATES[0], present["learning_rate"]), max(RATES[1], present["learning_rate"])
        name = hashlib.sha256(json.dumps([*facts, self._choices, self._rates], sort_keys=True).encode()).hexdigest()
        folder = data_dir / TRAINING_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / STORAGE_FILE)))
        self._study = optuna.create_study(
            study_name=name,
            storage=storage,
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNTOLD_TRIALS),
        )
        states = optuna.trial.TrialState
        for killed in self._study.get_trials(states=(states.RUNNING,)):
            self._study.tell(killed.number, state=states.FAIL)
        self._study.sampler = optuna.samplers.TPESampler(seed=len(self._study.trials), multivariate=False)
        if not any(trial.params == present for trial in self.ended):
            self._study.enqueue_trial(present)

    @property
    def ended(self) -> "list[optuna.trial.FrozenTrial]":
        """The trials that came to their end."""
        import optuna

        return self._study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))

    def ask(self) -> "optuna.Trial":
        """The next trial; the present settings come first."""
        return self._study.ask()

    def values(self, trial: "optuna.Trial") -> Values:
        """What a trial tries."""
        chosen = {name: trial.suggest_categorical(name, choices) for name, choices in self._choices.items()}
        return {"learning_rate": trial.suggest_float("learning_rate", *self._rates, log=True)} | chosen

    def end(self, trial: "optuna.Trial", score: Score, seconds: float) -> None:
        """Remember what a trial came to."""
        for name, figure in (asdict(score) | {"seconds": seconds}).items():
            trial.set_user_attr(name, figure)
        self._study.tell(trial, score.value)

    def drop(self, trial: "optuna.Trial", pruned: bool) -> None:
        """Remember that a trial was given up: it was `pruned`, or something else ended it."""
        import optuna

        state = optuna.trial.TrialState
        self._study.tell(trial, state=state.PRUNED if pruned else state.FAIL)

    def conclusion(self) -> Iterator[str]:
        """Lines for `.env` and what they promise."""
        if not (ended := self.ended):
            yield "No trial came to its end; give it more --minutes. What was tried so far is remembered."
            return
        best = max(ended, key=lambda trial: trial.value)
        now = next((trial for trial in ended if trial.params == self.present), None)
        if now is best:
            yield f"The present settings are the best of {len(ended)} trials: {_score(best)}."
            return
        yield f"The best of {len(ended)} trials; to use it, put into .env:"
        for name, setting in SETTINGS.items():
            if best.params[name] != self.present[name]:
                yield f"{variable(setting)}={shown({name: best.params[name]}).partition('=')[2]}"
        instead = f" instead of {_score(now)} with the present settings" if now else ""
        yield f"It gave {_score(best)}{instead}, in {best.user_attrs['seconds']:.0f} s of training."
        if now and _within_chance(_score(now), _score(best)):
            yield f"Chance may explain the difference: only {_score(best).asked} prompts were held out for it."
        else:
            yield "It was chosen on these prompts, so expect less; the gate judges it on prompts of its own."


def tried(how: Hyperparameters, values: Values) -> Hyperparameters:
    """Hyperparameters with what a trial tries."""
    return replace(how, alpha=ALPHAS[values["method"]], **values)


def present_values(how: Hyperparameters, examples: int) -> Values:
    """What is searched over, as it is now, on so many examples."""
    return {name: getattr(how, name) for name in SETTINGS} | {"epochs": how.passes(examples)}


def shown(values: Values) -> str:
    """What a trial tries, in a line."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    )


def _with(value: Any, choices: tuple[Any, ...]) -> tuple[Any, ...]:
    return choices if value in choices else (*choices, value)


def _score(trial: "optuna.trial.FrozenTrial") -> Score:
    return Score(*(trial.user_attrs[name] for name in ("right", "loss", "asked")))


def _within_chance(now: Score, best: Score) -> bool:
    """Whether a difference is less than twice its standard error, as of independent answers."""
    share = (now.right + best.right) / 2
    return best.right - now.right < 2 * math.sqrt(2 * share * (1 - share) / best.asked)
