"""Tunes one LoRA adapter on a snapshot: supervised, loss on the reply only, from the base model."""

import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import torch
from peft import LoraConfig, get_peft_model
from safetensors import SafetensorError
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM

from core.errors import ApprenticeError, DiskFull
from training.examples import Example
from training.sharing import Courtesy

log = logging.getLogger(__name__)
MIN_BATCH_TOKENS = 256
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""How libraries below torch say it."""


class NotEnoughMemory(ApprenticeError, MemoryError):
    """Training does not fit into the memory that is free."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """How an adapter is tuned. `batch` counts examples an optimiser step sees; `batch_tokens` bounds a forward pass."""

    rank: int = 16
    alpha: int = 32
    learning_rate: float = 1e-3
    epochs: int = 3
    batch: int = 8
    batch_tokens: int = 1024
    warmup_share: float = 0.1
    max_gradient_norm: float = 1.0
    seed: int = 0

    def as_dict(self) -> dict[str, float | int | str]:
        """For a manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training did: mean loss (nats a token) of each optimiser step, and its cost."""

    losses: tuple[float, ...]
    tokens: int
    seconds: float
    targets: tuple[str, ...]


Progress = Callable[[str, int, int], None]


def train(
    model_folder: Path,
    examples: Sequence[Example],
    hyperparameters: Hyperparameters,
    draft: Path,
    device: str,
    dtype: torch.dtype,
    progress: Progress,
) -> Trained:
    """Tune an adapter and save it in PEFT's format into `draft`.

    `progress(stage, done, total)` is called after each optimiser step; what it raises ends the training.

    Raises: NotEnoughMemory, DiskFull.
    """
    torch.manual_seed(hyperparameters.seed)
    longest = max(len(e.prompt_ids) + len(e.reply_ids) for e in examples)
    with enough_memory():
        free = _free_bytes(device)
        batch_tokens = affordable_tokens(model_folder, hyperparameters.batch_tokens, free, dtype.itemsize, longest)
        model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=dtype, local_files_only=True).to(device)
        config = LoraConfig(
            r=hyperparameters.rank,
            lora_alpha=hyperparameters.alpha,
            target_modules="all-linear",
            lora_dropout=0.0,
            task_type="CAUSAL_LM",
        )
        tuned = get_peft_model(model, config)
        tuned.train()
        pad = model.config.pad_token_id or 0
        losses, tokens, seconds = _optimise(tuned, examples, hyperparameters, batch_tokens, pad, device, progress)
    try:
        tuned.save_pretrained(draft, safe_serialization=True)
    except (OSError, SafetensorError) as error:
        raise DiskFull(f"the adapter could not be written to {draft}: {error}.") from error
    (draft / "README.md").unlink(missing_ok=True)
    targets = tuple(sorted(tuned.peft_config["default"].target_modules))
    return Trained(tuple(losses), tokens, seconds, targets)


@contextmanager
def enough_memory() -> Iterator[None]:
    """Memory that runs out within, on a GPU or not, is NotEnoughMemory."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in OUT_OF_MEMORY):
            raise NotEnoughMemory(
                "the memory that was free at first ran out; close other programs, or train on another machine."
            ) from error
        raise


def _optimise(
    model: torch.nn.Module,
    examples: Sequence[Example],
    how: Hyperparameters,
    batch_tokens: int,
    pad: int,
    device: str,
    progress: Progress,
) -> tuple[list[float], int, float]:
    order = random.Random(how.seed)
    steps = [batch for _ in range(how.epochs) for batch in _batches(examples, how.batch, order)]
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=how.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_share(step, len(steps), how.warmup_share))
    courtesy = Courtesy() if device == "cpu" else None
    losses, tokens, began = [], 0, time.monotonic()
    for done, batch in enumerate(steps, 1):
        total = 0.0
        for part in _split(batch, batch_tokens):
            loss = batch_loss(model, part, pad, device) / len(batch)
            loss.backward()
            total += loss.item()
            tokens += sum(len(e.prompt_ids) + len(e.reply_ids) for e in part)
            if courtesy is not None:
                courtesy.rest()
        torch.nn.utils.clip_grad_norm_(parameters, how.max_gradient_norm)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(total)
        progress("learning", done, len(steps))
    return losses, tokens, time.monotonic() - began


def rate_share(step: int, steps: int, warmup_share: float) -> float:
    """The share of the peak learning rate at a step (counted from 0): linear warm-up, then a cosine to zero."""
    warmup = max(1, round(warmup_share * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _batches(examples: Sequence[Example], size: int, order: random.Random) -> list[list[Example]]:
    """Shuffled batches whose members are of similar length, so that little is padded."""
    shuffled = order.sample(list(examples), len(examples))
    window = size * 8
    batches = []
    for start in range(0, len(shuffled), window):
        near = sorted(shuffled[start : start + window], key=lambda e: len(e.prompt_ids) + len(e.reply_ids))
        batches += [near[n : n + size] for n in range(0, len(near), size)]
    order.shuffle(batches)
    return batches


def _split(batch: Sequence[Example], batch_tokens: int) -> list[list[Example]]:
    """A batch in parts of at most `batch_tokens` tokens, padding included."""
    parts: list[list[Example]] = [[]]
    for example in sorted(batch, key=lambda e: len(e.prompt_ids) + len(e.reply_ids), reverse=True):
        longest = max([len(e.prompt_ids) + len(e.reply_ids) for e in [*parts[-1], example]])
        if parts[-1] and longest * (len(parts[-1]) + 1) > batch_tokens:
            parts.append([])
        parts[-1].append(example)
    return parts


def batch_loss(model: torch.nn.Module, part: Sequence[Example], pad: int, device: str) -> torch.Tensor:
    """The sum over examples of weight times the mean loss of the reply's tokens.

    Rows are padded on the left, so that every reply ends in the last column and logits are made for replies alone.
    """
    lengths = [len(e.prompt_ids) + len(e.reply_ids) for e in part]
    width, keep = max(lengths), max(len(e.reply_ids) for e in part) + 1
    ids = torch.full((len(part), width), pad)
    mask = torch.zeros((len(part), width), dtype=torch.long)
    labels = torch.full((len(part), keep - 1), -100)
    for row, (example, length) in enumerate(zip(part, lengths, strict=True)):
        ids[row, width - length :] = torch.tensor(example.prompt_ids + example.reply_ids)
        mask[row, width - length :] = 1
        labels[row, keep - 1 - len(example.reply_ids) :] = torch.tensor(example.reply_ids)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        position_ids=positions.to(device),
        logits_to_keep=keep,
        use_cache=False,
    ).logits
    labels = labels.to(device)
    losses = cross_entropy(logits[:, :-1].float().transpose(1, 2), labels, ignore_index=-100, reduction="none")
    weights = torch.tensor([e.weight for e in part], device=device)
    return (losses.sum(1) / (labels != -100).sum(1) * weights).sum()


def affordable_tokens(model_folder: Path, wished: int, free_bytes: int, item_bytes: int, longest: int) -> int:
    """Tokens of a forward pass, at most `wished`, that fit into free memory beside the model.

    The longest example is a pass of its own, and must fit too.

    Activations are estimated by what a decoder layer keeps for its backward pass (20 hidden and 8 intermediate values a
    token), and logits with their gradient and softmax in float32.

    Raises: NotEnoughMemory.
    """
    config = AutoConfig.from_pretrained(model_folder, local_files_only=True).get_text_config()
    weights = 2 * sum(f.stat().st_size for f in model_folder.glob("*.safetensors")) * item_bytes // 2
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    per_token = config.num_hidden_layers * (20 * config.hidden_size + 8 * inner) * item_bytes + 12 * config.vocab_size
    fitting, least = int((0.8 * free_bytes - weights) / per_token), max(MIN_BATCH_TOKENS, longest)
    tokens = min(wished, fitting)
    if fitting < least:
        needed = (weights + least * per_token) / 0.8
        raise NotEnoughMemory(
            f"training needs about {needed / 2**30:.1f} GiB of free memory and {free_bytes / 2**30:.1f} GiB are free; "
            "close other programs, or train on another machine."
        )
    if tokens < wished:
        log.warning("memory is short: %d tokens a pass instead of %d", tokens, wished)
    return tokens


def _free_bytes(device: str) -> int:
    return torch.cuda.mem_get_info()[0] if device == "cuda" else psutil.virtual_memory().available
