"""Memory for training: what a pass may take, said before it is taken, and what is said when it runs out."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch
from transformers import AutoConfig

from core.errors import ApprenticeError

log = logging.getLogger(__name__)
MIN_BATCH_TOKENS = 256
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""How libraries below torch say it."""


class NotEnoughMemory(ApprenticeError, MemoryError):
    """Training does not fit into the memory that is free."""


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


def affordable(
    model_folder: Path,
    wished: int,
    free_bytes: int,
    item_bytes: int,
    longest: int,
    passes: int = 1,
    checkpointing: bool = False,
) -> tuple[int, int]:
    """Tokens of a forward pass, at most `wished`, and how many passes, at most `passes`, fit beside the model at once.

    The longest example is a pass of its own, and must fit too.

    Activations are estimated by what a decoder layer keeps for its backward pass (20 hidden and 8 intermediate values a
    token), and logits with their gradient and softmax in float32. With `checkpointing` all layers but one keep what
    they read alone.

    Raises: NotEnoughMemory.
    """
    config = AutoConfig.from_pretrained(model_folder, local_files_only=True).get_text_config()
    weights = 2 * sum(f.stat().st_size for f in model_folder.glob("*.safetensors")) * item_bytes // 2
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    layer = 20 * config.hidden_size + 8 * inner
    kept = layer + config.num_hidden_layers * config.hidden_size if checkpointing else config.num_hidden_layers * layer
    per_token = kept * item_bytes + 12 * config.vocab_size
    fitting, least = int((0.8 * free_bytes - weights) / per_token), max(MIN_BATCH_TOKENS, longest)
    if fitting < least:
        needed = (weights + least * per_token) / 0.8
        raise NotEnoughMemory(
            f"training needs about {needed / 2**30:.1f} GiB of free memory and {free_bytes / 2**30:.1f} GiB are free; "
            "close other programs, or train on another machine."
        )
    passes = min(passes, fitting // least)
    tokens = min(wished, fitting // passes)
    if tokens < wished:
        log.warning("memory is short: %d tokens a pass instead of %d", tokens, wished)
    return tokens, passes


def free_bytes(device: str, processes: int = 1) -> int:
    """Memory that is free for training in this process: its own GPU's, or its part of the machine's."""
    return torch.cuda.mem_get_info()[0] if device == "cuda" else psutil.virtual_memory().available // processes
