"""A search for better settings, over a real record and with real trainings of a tiny model."""

import re

import pytest

from adapters.base import load_tokenizer
from core.errors import InvalidInput
from core.prompt import Renderer
from core.records import Message, Turn, new_id, now_ms
from core.settings import Settings, load_settings
from feedback.reviews import NewDecision
from tests.test_train import no_rest, tiny  # noqa: F401
from training import study
from training.hyperparameters import hyperparameters
from training.study import Score
from workers import tuning
from workers.context import open_context
from workers.tuning import split_again


@pytest.fixture
def context(store, valkey_url, tmp_path, tiny, monkeypatch):  # noqa: F811
    """An installation whose trainings take a moment, with two choices of everything."""
    monkeypatch.setattr(tuning, "prepare_base", lambda model, folder: tiny)
    monkeypatch.setattr(study, "CHOICES", {n: c[:2] for n, c in study.CHOICES.items()} | {"rank": (2, 4)})
    slices = {"general_train": [], "general_kl": []}
    monkeypatch.setattr("workers.learning.general_slice", lambda name, *given: slices[name])
    settings = Settings(data_dir=tmp_path, redis_url=valkey_url, lora_rank=2, epochs=1, train_precision="float32")
    return open_context(settings)


def approve(context, count: int) -> None:
    """Approved answers to questions of their own, one in ten of them in a conversation."""
    turns: list[Turn] = []
    for n in range(count):
        asked = Message("user", f"What is secret number {n}, please?")
        parent = turns[-1].id if n % 10 == 9 else None
        turns.append(
            Turn(
                new_id(),
                (asked,),
                parent=parent,
                reply=f"it is {n}",
                origin="import",
                status="complete",
                created_at=now_ms(),
            )
        )
    context.turns.add_closed(turns)
    context.reviews.decide_many([NewDecision(t, "approve", "everyone", t.reply) for t in turns], "operator")


def test_a_search_ends_with_lines_for_the_settings_and_goes_on_where_it_was_interrupted(context, tmp_path, monkeypatch):
    approve(context, 120)
    said: list[str] = []

    def until_trials(count: int):
        """Ctrl-C once so many trials have been told."""

        def say(line: str) -> None:
            said.append(line)
            if line.startswith("trial ") and sum(line.startswith("trial ") for line in said) >= count:
                raise KeyboardInterrupt

        return say

    lines = list(tuning.search(context, 60, "watched", until_trials(1)))
    assert "0 trials are known from before" in said[0] and "(the present settings)" in said[1]
    assert lines == [lines[0]] and lines[0].startswith("The present settings are the best of 1 trials: ")
    learned, held = map(int, re.findall(r"(\d+) (?:examples|held)", said[0]))
    assert learned + held <= 120 * 0.9 and held >= 5

    monkeypatch.setattr(study, "RATES", (1e-3, 0.3))
    list(tuning.search(context, 60, "watched", until_trials(7)))
    lines = list(tuning.search(context, 60, "watched", until_trials(9)))
    assert [line for line in said if "known from before" in line][-1].endswith("known from before.")
    assert int(re.search(r"(\d+) trials are known", [s for s in said if "known" in s][-1])[1]) >= 3
    env = tmp_path / ".env"
    env.write_text("\n".join(line for line in lines if line.startswith("APPRENTICE_")))
    assert "put into .env" in lines[0] and load_settings({}, env) != Settings(), lines
    assert any(f"of {held} right" in line and "instead of" in line for line in lines)
    kept = (tmp_path / "training" / "search.log").read_text()
    assert "secret" not in kept and "it is" not in kept
    assert not list(tmp_path.glob(".search-*"))


def test_answers_are_scored_by_the_engine_that_serves(context, monkeypatch):
    approve(context, 60)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("trial "):
            raise KeyboardInterrupt

    lines = list(tuning.search(context, 60, "answers", say))
    assert "(the present settings)" in said[-2] and "the best of 1 trials" in lines[0]


def test_the_time_is_a_limit_and_too_little_is_a_sentence(context):
    with pytest.raises(InvalidInput, match="has 0 examples to learn from and 0 approved answers to hold out"):
        tuning.search(context, 1, "watched", print)
    approve(context, 60)
    said: list[str] = []
    lines = list(tuning.search(context, 1e-9, "watched", said.append))
    assert lines == ["No trial came to its end; give it more --minutes. What was tried so far is remembered."]


def test_what_belongs_together_stands_on_one_side(context):
    approve(context, 120)
    base = tuning.prepare_base(None, None)
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, 512)
    examples = tuning._examples(context, base, renderer, hyperparameters(context.settings))
    split = split_again(context, examples)
    sides = {e.source: side for side, found in enumerate((split.learn, split.held_out)) for e in found}
    turns = context.turns.get_many(list(sides))
    together = [t for t in turns.values() if t.parent in sides]
    assert together and all(sides[t.id] == sides[t.parent] for t in together)
    frozen = [r.turn for r in context.reviews.approved() if r.split == "evaluation"]
    assert frozen and sides.keys().isdisjoint(frozen)


def test_a_loss_decides_between_what_is_equally_often_right_and_chance_is_said():
    assert Score(0.5, 9.0, 10).value > Score(0.4, 0.1, 10).value
    assert Score(0.5, 1.0, 10).value > Score(0.5, 2.0, 10).value
    assert study._within_chance(Score(0.5, 1, 20), Score(0.6, 1, 20))
    assert not study._within_chance(Score(0.2, 1, 20), Score(0.9, 1, 20))
