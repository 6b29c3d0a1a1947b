"""What training minimises: replies to learn, corrections to prefer over what they correct, and thumbs."""

from collections.abc import Sequence

import torch
from peft import PeftModel
from torch.nn import functional
from transformers import PreTrainedModel

from training.examples import Example
from training.packing import Packed, Row, pack

BETA = 0.1
"""How strongly preferences pull a reply's log-probability away from the base model's, as in DPO."""


def example_rows(example: Example) -> list[Row]:
    """The replies that an example's loss reads: its own, and in a pair the one it is preferred to."""
    rows: list[Row] = [(example.prompt_ids, example.reply_ids)]
    return [*rows, (example.prompt_ids, example.rejected_ids)] if example.objective == "pair" else rows


def rows_of(examples: Sequence[Example]) -> list[Row]:
    """The rows of several examples, in their order."""
    return [row for example in examples for row in example_rows(example)]


def token_logits(model: PreTrainedModel | PeftModel, packed: Packed) -> torch.Tensor:
    """Logits [R, vocabulary] in float32 that predict each reply token."""
    return model(
        input_ids=packed.ids,
        position_ids=packed.positions,
        attention_mask=packed.mask,
        logits_to_keep=packed.places,
        use_cache=False,
    ).logits[0].float()  # fmt: skip


def log_probabilities(logits: torch.Tensor, packed: Packed, count: int) -> torch.Tensor:
    """Log-probability (nats) of each of `count` rows' replies [count], summed over their tokens."""
    tokens = -functional.cross_entropy(logits, packed.targets, reduction="none")
    return tokens.new_zeros(count).index_add(0, packed.rows, tokens)


@torch.no_grad()
def references(model: PreTrainedModel | PeftModel, examples: Sequence[Example], device: str) -> list[float]:
    """Log-probabilities of the examples' rows under a model, in their order."""
    rows = rows_of(examples)
    packed = pack(rows).to(device)
    return log_probabilities(token_logits(model, packed), packed, len(rows)).tolist()


def total_loss(
    examples: Sequence[Example], log_probs: torch.Tensor, base_log_probs: Sequence[float | None]
) -> torch.Tensor:
    """The sum over examples of weight times loss, from the log-probabilities of their rows [rows].

    * `sft`: the mean negative log-likelihood of the reply's tokens.
    * `pair`: the same for the reply, plus DPO's -log sigmoid(beta * margin) (Rafailov et al. 2023), where the margin
      is by how much the log-ratio to base of the reply exceeds that of the rejected one.
    * `desirable`: the same for the reply, plus 1 - sigmoid(beta * log-ratio).
    * `undesirable`: sigmoid(beta * log-ratio). These two are APO-zero (D'Oosterlinck et al. 2024) for single replies.

    `base_log_probs` are those of the base model; `sft` needs none.
    """
    total, at = log_probs.new_zeros(()), 0
    for example in examples:
        own, base = log_probs[at], base_log_probs[at]
        if example.objective != "undesirable":
            loss = -own / len(example.reply_ids)
        if example.objective == "pair":
            margin = (own - base) - (log_probs[at + 1] - base_log_probs[at + 1])
            loss = loss - functional.logsigmoid(BETA * margin)
        elif example.objective == "desirable":
            loss = loss + 1 - torch.sigmoid(BETA * (own - base))
        elif example.objective == "undesirable":
            loss = torch.sigmoid(BETA * (own - base))
        total = total + example.weight * loss
        at += len(example_rows(example))
    return total
