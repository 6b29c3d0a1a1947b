"""The knobs of a training: what each one changes, and that those left alone change nothing."""

import json
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from adapters.manifest import WEIGHTS
from adapters.numerics import training_dtype
from core.errors import SettingsError
from core.settings import Settings, load_settings
from tests.test_train import ROOT, SMALL, examples_for, means, no_rest, on_cpu, tiny  # noqa: F401
from tests.waiting import until
from training.checkpoints import Checkpoints
from training.hyperparameters import Hyperparameters, hyperparameters
from training.material import Material
from training.objectives import log_probabilities, rows_of, token_logits, total_loss
from training.packing import pack
from training.plan import batches, rate_share
from training.room import affordable
from training.several import train_together
from workers.learning import _watched


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class AdamW:
    """The update of Loshchilov and Hutter (2019), written out: the decay beside the moments, not through them."""

    def __init__(self, parameters, weight_decay):
        self.parameters, self.decay, self.steps = parameters, weight_decay, 0
        self.means, self.squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self.param_groups = [{"lr": 0.0}]

    @torch.no_grad()
    def step(self):
        self.steps += 1
        rate = self.param_groups[0]["lr"]
        short, long = 1 - 0.9**self.steps, 1 - 0.999**self.steps
        for p, mean, square in zip(self.parameters, self.means, self.squares, strict=True):
            p.mul_(1 - rate * self.decay)
            mean.lerp_(p.grad, 1 - 0.9)
            square.mul_(0.999).addcmul_(p.grad, p.grad, value=1 - 0.999)
            p.addcdiv_(mean, (square.sqrt() / long**0.5).add_(1e-8), value=-rate / short)


def by_hand(base, examples, how, optimiser, schedule="cosine") -> dict[str, torch.Tensor]:
    """The weights after a training written down again: one thread, no budget, nothing watched."""
    torch.manual_seed(how.seed)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)
    config = LoraConfig(
        r=how.rank, lora_alpha=how.alpha, use_rslora=True, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    model = get_peft_model(model, config).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    steps = optimiser(parameters)
    order = random.Random(how.seed)
    batches([], how.batch, order)  # of documents
    plan = [batch for _ in range(how.epochs) for batch in batches(examples, how.batch, order)]
    for at, batch in enumerate(plan):
        chosen = [examples[n] for n in batch]
        chosen.sort(key=lambda e: len(e.prompt_ids) + len(e.reply_ids), reverse=True)
        packed = pack(rows_of(chosen))
        log_probs = log_probabilities(token_logits(model, packed), packed, len(chosen))
        loss = total_loss(chosen, log_probs, [0.0] * len(chosen)) / len(batch)
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(parameters, how.max_gradient_norm)
        steps.param_groups[0]["lr"] = rate_share(at, len(plan), how.warmup_share, schedule) * how.learning_rate
        steps.step()
    named = model.named_parameters()
    return {name.replace(".default", ""): p.detach() for name, p in named if p.requires_grad}


@pytest.mark.parametrize(
    ("knobs", "optimiser"),
    [
        ({}, lambda parameters: AdamW(parameters, weight_decay=0.0)),
        (
            {"optimiser": "sgd", "weight_decay": 0.1, "schedule": "linear", "learning_rate": 0.3},
            lambda parameters: torch.optim.SGD(parameters, lr=0.3, momentum=0.9, weight_decay=0.1),
        ),
        (
            {"weight_decay": 0.5, "schedule": "constant", "warmup_share": 0.5, "batch": 2},
            lambda parameters: AdamW(parameters, weight_decay=0.5),
        ),
    ],
    ids=["defaults", "sgd", "decay"],
)
def test_a_training_is_bit_for_bit_what_its_knobs_say(tiny, tmp_path, monkeypatch, knobs, optimiser):  # noqa: F811
    monkeypatch.setattr("training.train.useful_hands", lambda device: 1)
    how = replace(SMALL, epochs=3, **knobs)
    on_cpu(tiny, examples_for(tiny), tmp_path / "draft", how)
    expected = by_hand(tiny, examples_for(tiny), how, optimiser, how.schedule)
    assert same(weights(tmp_path / "draft"), expected)


def test_knobs_that_are_left_alone_leave_names_as_they_were():
    """A snapshot's name holds these words; a run that is under way goes on after an upgrade."""
    assert json.dumps(hyperparameters(Settings()).as_dict(), sort_keys=True) == (
        '{"alpha": 8, "batch": 8, "batch_tokens": 1024, "kl_budget": 0.2, "learning_rate": 0.001, '
        '"max_gradient_norm": 1.0, "rank": 16, "seed": 0, "warmup_share": 0.1}'
    )
    chosen = Settings(
        lora_method="lora",
        lora_layers=4,
        lora_dropout=0.1,
        batch=4,
        optimiser="sgd",
        schedule="linear",
        warmup_share=0.2,
        weight_decay=0.01,
        early_stopping=0,
        train_precision="float32",
        gradient_checkpointing=True,
    )
    assert hyperparameters(chosen).as_dict() == Hyperparameters(alpha=32, batch=4, warmup_share=0.2).as_dict() | {
        "method": "lora",
        "layers": 4,
        "dropout": 0.1,
        "optimiser": "sgd",
        "schedule": "linear",
        "weight_decay": 0.01,
        "patience": 0,
        "precision": "float32",
        "gradient_checkpointing": True,
    }


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"LORA_METHOD": "dora", "ENGINE": "vllm", "VLLM_URLS": "http://host:8000"}, "vLLM does not serve: choose"),
        ({"LORA_METHOD": "ia3"}, "APPRENTICE_LORA_METHOD=ia3 cannot be used"),
        ({"OPTIMISER": "adam"}, "APPRENTICE_OPTIMISER=adam cannot be used"),
        ({"LORA_DROPOUT": "1"}, "APPRENTICE_LORA_DROPOUT=1 cannot be used"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path, variables, sentence):
    with pytest.raises(SettingsError, match=sentence):
        load_settings({f"APPRENTICE_{name}": value for name, value in variables.items()}, tmp_path / "none")


def test_only_the_last_layers_are_tuned_where_that_is_asked_for(tiny, tmp_path):  # noqa: F811
    on_cpu(tiny, examples_for(tiny), tmp_path / "draft", replace(SMALL, layers=1))
    assert {name.split(".")[4] for name in weights(tmp_path / "draft")} == {"1"}
    assert len(weights(tmp_path / "draft")) == 7 * 2
    with pytest.raises(SettingsError, match="APPRENTICE_LORA_LAYERS=3, and the model has 2 layers"):
        on_cpu(tiny, examples_for(tiny), tmp_path / "more", replace(SMALL, layers=3))


def test_dropout_is_of_learning_passes_alone_and_its_masks_come_again(tiny, tmp_path, monkeypatch):  # noqa: F811
    """Whatever the threads do, after a kill, and where activations are computed twice."""
    examples = [*examples_for(tiny), replace(examples_for(tiny)[0], objective="undesirable", source="u")]
    how = replace(SMALL, epochs=4, dropout=0.5)
    monkeypatch.setattr("training.train.useful_hands", lambda device: 3)

    def weights_of(name, how=how, **fields):
        done = on_cpu(tiny, examples, tmp_path / name, how, **fields)
        return done, weights(tmp_path / name)

    (first, dropped), (_, again) = weights_of("a"), weights_of("b")
    assert same(dropped, again)
    assert same(dropped, weights_of("c", replace(how, gradient_checkpointing=True))[1])
    without, whole = weights_of("d", replace(how, dropout=0.0))
    assert not same(dropped, whole)
    assert first.losses[0] == pytest.approx(without.losses[0]), "an adapter that is nothing yet has nothing to drop"
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["lora_dropout"] == 0.5

    def kill(stage, done, total):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("training.train.SAVE_S", 0)
    kept = Checkpoints(tmp_path / "training", "killed")
    with pytest.raises(KeyboardInterrupt):
        weights_of("e", progress=kill, checkpoints=kept)
    assert same(dropped, weights_of("e", checkpoints=kept)[1])


def test_checkpointing_changes_nothing_but_the_memory_it_takes(tiny, base, tmp_path):  # noqa: F811
    on_cpu(tiny, examples_for(tiny), tmp_path / "kept")
    on_cpu(tiny, examples_for(tiny), tmp_path / "twice", replace(SMALL, gradient_checkpointing=True))
    assert same(weights(tmp_path / "kept"), weights(tmp_path / "twice"))
    little = 3 * 2**30
    few, _ = affordable(base.folder, 4096, little, 4, 200)
    more, _ = affordable(base.folder, 4096, little, 4, 200, checkpointing=True)
    assert more > 2 * few


def test_the_number_type_is_the_one_that_is_named(tmp_path):
    for precision in ("float32", "bfloat16"):
        assert training_dtype("cpu", tmp_path, precision) == ("cpu", getattr(torch, precision))


def test_patience_is_how_long_a_training_goes_on(tiny, tmp_path):  # noqa: F811
    first, second, _ = examples_for(tiny)
    against = replace(first, reply_ids=second.reply_ids)
    how = replace(SMALL, epochs=20, learning_rate=1e-2)
    ended = [
        len(on_cpu(tiny, [first], tmp_path / str(p), replace(how, patience=p), watch=[against]).losses) for p in (1, 4)
    ]
    assert ended[0] + 3 <= ended[1] < 20
    enough = tuple(replace(first, source=f"turn-{n}") for n in range(200))
    assert len(_watched(enough, 2)[0]) == 10 and _watched(enough, 0) == ([], list(enough))


def test_two_processes_make_the_steps_of_one(tiny, tmp_path, monkeypatch):  # noqa: F811
    """Each has half of every batch, of the general rows, and of what is watched; dropout aside, all figures agree."""
    pair = replace(examples_for(tiny)[0], objective="pair", rejected_ids=examples_for(tiny)[1].reply_ids, source="p")
    examples = [*examples_for(tiny), pair]
    general = [(e.prompt_ids, e.reply_ids) for e in examples_for(tiny)]
    material = Material(examples, examples_for(tiny)[:2], general)
    how = replace(SMALL, batch=3, epochs=6, learning_rate=1e-2, kl_budget=0.01)
    alone = on_cpu(tiny, examples, tmp_path / "alone", how, watch=material.watch, general=general)
    seen, noted = [], []
    journal = type("Notes", (), {"note": lambda self, step, **figures: noted.append((step, sorted(figures)))})()
    used = means(tmp_path / "together", journal=journal)
    together = train_together(2, tiny.folder, material, how, used, lambda *at: seen.append(at))
    assert seen == [("learning", n, 12) for n in range(1, 13)] and noted[0] == (
        1,
        ["divergence", "learning rate", "loss"],
    )
    assert together.losses == pytest.approx(alone.losses, rel=1e-3)
    assert together.divergences == pytest.approx(alone.divergences, rel=1e-2, abs=1e-6)
    assert together.divergence <= 0.01 and together.kept == pytest.approx(alone.kept, rel=1e-2)
    one, two = weights(tmp_path / "alone"), weights(tmp_path / "together")
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-2, atol=1e-4)


def test_what_goes_wrong_in_one_process_ends_all_and_is_said(tiny, tmp_path):  # noqa: F811
    material = Material(examples_for(tiny))
    with pytest.raises(SettingsError, match="the model has 2 layers"):
        train_together(2, tiny.folder, material, replace(SMALL, layers=9), quiet(tmp_path / "a"), print)

    def cancelled(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_together(2, tiny.folder, material, SMALL, quiet(tmp_path / "b"), cancelled)
    assert not (tmp_path / "b").exists()


def quiet(draft, **fields):
    journal = type("Notes", (), {"note": lambda self, step, **figures: None})()
    return means(draft, journal=journal, **fields)


LAUNCHER = """
import sys
from pathlib import Path
import training.sharing
from dataclasses import replace
from pathlib import Path
from adapters.base import Base
from tests.test_knobs import quiet
from tests.test_train import SMALL, examples_for
from training.checkpoints import Checkpoints
from training.material import Material
from training.several import train_together
model, tokens, folder = map(Path, sys.argv[1:])
base = Base(tokens, "", "", "aaaa")
kept = Checkpoints(folder / "training", "killed")
how = replace(SMALL, epochs=20_000)
train_together(2, model, Material(examples_for(base)), how, quiet(folder / "draft", checkpoints=kept), print)
"""


@pytest.mark.long
def test_processes_end_with_their_launcher_and_the_next_ones_go_on(tiny, base, tmp_path, monkeypatch):  # noqa: F811
    examples, how = examples_for(tiny), replace(SMALL, epochs=4)
    kept = Checkpoints(tmp_path / "training", "killed")
    whole = on_cpu(tiny, examples, tmp_path / "whole", how)

    def kill(stage, done, total):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("training.train.SAVE_S", 0)
    with pytest.raises(KeyboardInterrupt):
        on_cpu(tiny, examples, tmp_path / "killed", how, kill, checkpoints=kept)
    made = []
    used = quiet(tmp_path / "killed", checkpoints=kept)
    again = train_together(2, tiny.folder, Material(examples), how, used, lambda *at: made.append(at[1]))
    assert made == [2, 3, 4] and again.losses == pytest.approx(whole.losses, rel=1e-4) and kept.load() is None

    command = [sys.executable, "-c", LAUNCHER, str(tiny.folder), str(base.folder), str(tmp_path)]
    launcher = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout.readline().startswith("learning 1 ")
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    assert len(children) == 2
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    launcher.stdout.close()

    def gone() -> bool:
        return not any(_runs(child) for child in children)

    until(gone, "the processes end with their launcher")


def _runs(pid: str) -> bool:
    """Whether a process is there and no zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
