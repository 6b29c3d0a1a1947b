"""How fast is training, beside TRL's SFTTrainer: the same rows, rank and batch, each in a process of its own."""

import csv
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.arms import items_of
from bench.machine import describe_machine
from core.errors import InvalidInput

STEPS, WARM_UP = 24, 4
"""Optimiser steps, and those of them that are not timed."""
HELD_OUT = 96
WAYS = ("ours", "trl, bfloat16", "trl, mixed precision")
BAR = 2.0


def run(data: Path, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Tokens of the rows a second, peak memory, and the loss on rows that were held out (nats a token), of each way.

    Every way learns the same Banking77 messages in the same number of steps. TRL runs as it comes, with threads that
    wait as OpenMP has it, once with a model in bfloat16 and once in float32 with automatic mixed precision; the ratio
    is to the faster.

    Raises: InvalidInput where the data or TRL is missing.
    """
    if not (data / "banking77" / "train.csv").is_file():
        raise InvalidInput(f"{data}/banking77/train.csv is missing; `--data` names the folder with banking77/ in it.")
    found = {}
    for way in WAYS:
        found[way] = _in_a_process(way, data)
        say(f"{way}: {found[way]['tokens_per_s']:.0f} tokens/s, {found[way]['peak_gib']:.1f} GiB")
    fastest = max(row["tokens_per_s"] for way, row in found.items() if way != "ours")
    ratio = round(found["ours"]["tokens_per_s"] / fastest, 2)
    return {"machine": describe_machine(), "ways": found, "ratio": ratio, "bar": BAR, "reached": ratio >= BAR}


def _in_a_process(way: str, data: Path) -> dict[str, Any]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    if way != "ours":
        environment.pop("OMP_WAIT_POLICY", None)
    command = [sys.executable, "-m", "bench.tuning", way, str(data)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        missing = "No module named 'trl'" in done.stderr or "No module named 'datasets'" in done.stderr
        hint = "pip install trl, which this compares with" if missing else done.stderr[-500:]
        raise InvalidInput(f"{way} could not be measured: {hint}.")
    return json.loads(done.stdout.splitlines()[-1])


def _measured(way: str, data: Path, folder: Path) -> dict[str, Any]:
    import torch

    from adapters.base import prepare_base
    from adapters.numerics import training_dtype
    from training.examples import as_examples
    from training.hyperparameters import Hyperparameters

    base = prepare_base(None, folder)
    how = Hyperparameters(epochs=1)
    with (data / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"].strip(), row["category"]) for row in csv.DictReader(file)]
    chosen = random.Random(77).sample(rows, STEPS * how.batch + HELD_OUT)
    examples = as_examples(items_of(base, chosen))
    learn, held_out = examples[HELD_OUT:], examples[:HELD_OUT]
    _, dtype = training_dtype("cpu", folder)
    torch.manual_seed(0)
    if way == "ours":
        times, model = _ours(base.folder, learn, how, dtype, folder)
    else:
        times, model = _trl(base.folder, learn, how, way == "trl, bfloat16", folder)
    tokens = sum(len(e.prompt_ids) + len(e.reply_ids) for e in learn) / len(learn) * how.batch
    return {
        "tokens_per_s": round(tokens / median(times), 1),
        "step_s": round(median(times), 3),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "held_out_loss": round(_loss(model, held_out), 4),
    }


def _ours(folder: Path, learn: Sequence[Any], how: Any, dtype: Any, scratch: Path) -> tuple[list[float], Any]:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from core.settings import Settings
    from training.checkpoints import Checkpoints
    from training.journal import Journal
    from training.material import Material, Means
    from training.train import train

    ends = [time.monotonic()]
    draft = scratch / "draft"
    with Journal(scratch, "ours", Settings(data_dir=scratch), resumes=False) as journal:
        means = Means("cpu", dtype, draft, Checkpoints(scratch, "ours"), journal)
        train(folder, Material(learn), how, means, lambda stage, done, total: ends.append(time.monotonic()))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    return _durations(ends), PeftModel.from_pretrained(model, draft)


def _trl(folder: Path, learn: Sequence[Any], how: Any, bfloat16: bool, scratch: Path) -> tuple[list[float], Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            ends.append(time.monotonic())

    rows = [
        {
            "input_ids": [*e.prompt_ids, *e.reply_ids],
            "completion_mask": [0] * len(e.prompt_ids) + [1] * len(e.reply_ids),
        }
        for e in learn
    ]
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True),
        processing_class=AutoTokenizer.from_pretrained(folder),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=how.rank, lora_alpha=how.alpha, use_rslora=True, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        args=SFTConfig(
            output_dir=str(scratch / "trl"),
            per_device_train_batch_size=how.batch,
            num_train_epochs=1,
            learning_rate=how.learning_rate,
            warmup_steps=math.ceil(how.warmup_share * STEPS),
            lr_scheduler_type="cosine",
            max_grad_norm=how.max_gradient_norm,
            completion_only_loss=True,
            gradient_checkpointing=False,
            bf16=not bfloat16,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        callbacks=[Clock()],
    )
    trainer.train()
    return _durations(ends), trainer.model


def _durations(ends: Sequence[float]) -> list[float]:
    return [after - before for before, after in zip(ends[WARM_UP:], ends[WARM_UP + 1 :], strict=False)]


def _loss(model: Any, examples: Sequence[Any]) -> float:
    """Mean loss of replies, in nats a token."""
    import torch

    from training.objectives import log_probabilities, rows_of, token_logits
    from training.packing import pack

    total = 0.0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(examples), 16):
            rows = rows_of(examples[start : start + 16])
            packed = pack(rows)
            total -= float(log_probabilities(token_logits(model, packed), packed, len(rows)).sum())
    return total / sum(len(e.reply_ids) for e in examples)


def main() -> None:
    """Measure one way and print its figures."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        figures = _measured(sys.argv[1], Path(sys.argv[2]), Path(folder))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
