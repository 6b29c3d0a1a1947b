"""Which way of tuning learns best here: LoRA, rsLoRA, DoRA, IA3 and prefix tuning on the same rows, offline."""

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import IA3Config, LoraConfig, PeftConfig, PeftModel, PrefixTuningConfig, get_peft_model
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM

from adapters.base import prepare_base
from adapters.manifest import read_config
from bench.arms import items_of
from bench.domains import batches
from bench.machine import describe_machine
from core.errors import AdapterRefused
from training.examples import Example, as_examples
from training.hyperparameters import ALPHAS
from training.plan import batches as shuffled
from training.plan import rate_share

LEARNED, ASKED, DOMAINS = 150, 90, 2
PASSES, BATCH, RANK, WARM_UP = 4, 8, 16, 0.1
LINEAR = {"r": RANK, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
METHODS: dict[str, tuple[PeftConfig, float]] = {
    "lora, alpha = rank": (LoraConfig(**LINEAR, lora_alpha=RANK), 1e-3),
    "rslora": (LoraConfig(**LINEAR, lora_alpha=ALPHAS["rslora"], use_rslora=True), 1e-3),
    "dora": (LoraConfig(**LINEAR, lora_alpha=ALPHAS["dora"], use_rslora=True, use_dora=True), 1e-3),
    "ia3": (IA3Config(task_type="CAUSAL_LM"), 1e-2),
    "prefix tuning": (PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=20), 1e-2),
}
"""Each with a peak rate that suits it: the fewer numbers a method has, the further each has to go."""


def run(data: Path, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Of each method: the numbers it trains, seconds of processor time, and how it does on unseen messages.

    Every method makes the same steps on the same padded rows of clinc150, by a plain loop, since IA3 and prefix tuning
    know no prefix trees; no budget of divergence, nothing replayed. What the engines refuse to serve is said.

    Raises: InvalidInput where the data is missing.
    """
    ((learn, ask),) = batches(data, 1, DOMAINS, LEARNED, ASKED, 0)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        base = prepare_base(None, Path(folder))
        learn, ask = (as_examples(items_of(base, rows)) for rows in (learn, ask))
        for name, (config, rate) in METHODS.items():
            found[name] = _measured(base.folder, config, rate, learn, ask, Path(folder) / "adapter")
            say(f"{name}: {found[name]}")
    return {"machine": describe_machine(), "learned": len(learn), "asked": len(ask), "methods": found}


def _measured(
    folder: Path, config: PeftConfig, rate: float, learn: Sequence[Example], ask: Sequence[Example], draft: Path
) -> dict[str, Any]:
    torch.manual_seed(0)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), config)
    parameters = [p for p in model.parameters() if p.requires_grad]
    began = time.process_time()
    _tune(model, parameters, learn, rate)
    took = time.process_time() - began
    model.eval()
    with torch.no_grad():
        scores = [_scored(model, ask[at : at + 16]) for at in range(0, len(ask), 16)]
    model.save_pretrained(draft)
    return {
        "parameters": sum(p.numel() for p in parameters),
        "processor_s": round(took, 1),
        "right": round(sum(right for right, _ in scores) / len(ask), 3),
        "loss": round(sum(loss for _, loss in scores) / sum(len(e.reply_ids) for e in ask), 4),
        "served": _served(draft),
    }


def _tune(model: PeftModel, parameters: list[torch.Tensor], learn: Sequence[Example], rate: float) -> None:
    steps = torch.optim.AdamW(parameters, weight_decay=0.0)
    order = random.Random(0)
    plan = [batch for _ in range(PASSES) for batch in shuffled(learn, BATCH, order)]
    for at, batch in enumerate(plan):
        losses, mask = _losses(model, [learn[n] for n in batch])[:2]
        loss = ((losses * mask).sum(1) / mask.sum(1)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        steps.param_groups[0]["lr"] = rate * rate_share(at, len(plan), WARM_UP)
        steps.step()
        steps.zero_grad()


def _losses(model: PeftModel, examples: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each row's tokens but the first [rows, tokens]: loss, whether it is a reply's, whether it is likeliest."""
    rows = [torch.tensor([*e.prompt_ids, *e.reply_ids]) for e in examples]
    ids = pad_sequence(rows, batch_first=True)
    seen = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    logits = model(input_ids=ids, attention_mask=seen).logits[:, :-1].float()
    targets, mask = ids[:, 1:], seen[:, 1:].clone()
    for row, example in enumerate(examples):
        mask[row, : len(example.prompt_ids) - 1] = 0
    losses = functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return losses, mask, logits.argmax(-1) == targets


def _scored(model: PeftModel, examples: Sequence[Example]) -> tuple[int, float]:
    """How many replies greedy decoding would give word for word, and the sum of their tokens' losses (nats)."""
    losses, mask, likeliest = _losses(model, examples)
    return int((likeliest | (mask == 0)).all(1).sum()), float((losses * mask).sum())


def _served(draft: Path) -> str:
    try:
        read_config(draft)
    except AdapterRefused as error:
        return str(error)
    return "yes"
