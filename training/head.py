"""The outcome head: logistic regression on what a tuned model makes of an answer, for the chance that it works."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch.nn import functional

from adapters.likelihood import LIKELIHOODS, likelihoods
from adapters.manifest import HEAD, HEAD_BIAS, HEAD_REPLY, HEAD_STATE
from core.records import HeadReport
from training.calibration import WORKS, auc, calibration_error
from training.examples import Outcome
from training.hands import Hands
from training.packing import Row, pack

MIN_OUTCOMES = 20
"""Answers that worked, and answers that did not, without as many of which there is no head."""
FOLDS = 5
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Weights of the state's squared norm that are tried, by answers held out; the largest leave next to nothing of it."""
LIKELIHOODS_PENALTY = 0.001
"""The same of the likelihoods, two numbers beside hundreds: only so large that their weights are always finite."""


@dataclass(frozen=True, slots=True)
class OutcomeHead:
    """The chance that an answer works: sigmoid(`weight` [hidden size + LIKELIHOODS] * inputs + `bias`), calibrated."""

    weight: torch.Tensor
    bias: float

    def chances(self, inputs: torch.Tensor) -> list[float]:
        """Of inputs [answers, hidden size + LIKELIHOODS]."""
        return torch.sigmoid(inputs.double() @ self.weight + self.bias).tolist()

    def save(self, folder: Path) -> None:
        """Beside the adapter, as part of its version. Raises: OSError, SafetensorError."""
        state, reply = self.weight[None].float().split([len(self.weight) - LIKELIHOODS, LIKELIHOODS], 1)
        tensors = {HEAD_STATE: state, HEAD_REPLY: reply, HEAD_BIAS: torch.tensor([self.bias])}
        save_file({name: each.contiguous() for name, each in tensors.items()}, folder / HEAD, metadata={"format": "pt"})


def outcome_loss(logits: torch.Tensor, values: torch.Tensor, graded: torch.Tensor) -> torch.Tensor:
    """The mean over answers of what their kinds minimise: binary cross-entropy between O and the chance, or for marks
    the squared error."""
    entropy = functional.binary_cross_entropy_with_logits(logits, values, reduction="none")
    return torch.where(graded, (torch.sigmoid(logits) - values) ** 2, entropy).mean()


def learn_head(
    model: PeftModel, learn: Sequence[Outcome], frozen: Sequence[Outcome], device: str, hands: Hands, limit: int
) -> tuple[OutcomeHead | None, HeadReport]:
    """A head for a tuned model, whose weights stay as they are; and how good it is on answers it did not learn from.

    `limit` is how many tokens are read in one pass.
    """
    good = sum(outcome.value >= WORKS for outcome in learn)
    bad = len(learn) - good
    if min(good, bad) < MIN_OUTCOMES:
        why = f"{good} answers that worked and {bad} that did not are known; {MIN_OUTCOMES} of each are needed"
        return None, HeadReport(good, bad, why)
    head = fit(head_inputs(model, learn, device, hands, limit), learn)
    if head is None:
        return None, HeadReport(good, bad, "on answers held out it did not tell what works from what does not")
    if not frozen:
        return head, HeadReport(good, bad)
    values = [outcome.value for outcome in frozen]
    chances = head.chances(head_inputs(model, frozen, device, hands, limit))
    return head, HeadReport(good, bad, "", len(frozen), auc(values, chances), calibration_error(values, chances))


def fit(inputs: torch.Tensor, outcomes: Sequence[Outcome]) -> OutcomeHead | None:
    """A calibrated head on inputs [answers, hidden size + LIKELIHOODS]; None where it tells nothing about held-out
    answers.

    The penalty is the one whose chances on held-out answers are likeliest, and those calibrate it (Platt 1999): all
    answers to one prompt are held out together.
    """
    inputs = inputs.double()
    values = torch.tensor([outcome.value for outcome in outcomes]).double()
    graded = torch.tensor([outcome.graded for outcome in outcomes])
    centre, scale = inputs.mean(0), inputs.std(0).clamp_min(1e-6)
    scale[-LIKELIHOODS:] = 1.0  # of long replies they hardly differ, and shorter ones must not be drowned by that
    inputs = (inputs - centre) / scale
    folds = torch.tensor([_fold(outcome) for outcome in outcomes])
    best: tuple[float, float, float, float] | None = None
    for penalty in PENALTIES:
        held_out = torch.zeros_like(values)
        for fold in folds.unique():
            apart = folds == fold
            weight, bias = _regression(inputs[~apart], values[~apart], graded[~apart], penalty)
            held_out[apart] = inputs[apart] @ weight + bias
        slope, intercept = platt(held_out, values)
        loss = float(outcome_loss(slope * held_out + intercept, values, graded))
        if slope > 0 and (best is None or loss < best[0]):
            best = loss, penalty, slope, intercept
    if best is None:
        return None
    _, penalty, slope, intercept = best
    weight, bias = _regression(inputs, values, graded, penalty)
    weight = slope * weight / scale
    return OutcomeHead(weight, float(slope * bias + intercept - weight @ centre))


def platt(logits: torch.Tensor, values: torch.Tensor) -> tuple[float, float]:
    """The slope and intercept that make logits chances, with targets drawn in from 0 and 1 as Platt (1999) does."""
    good = float((values >= WORKS).sum())
    low, high = 1 / (len(values) - good + 2), (good + 1) / (good + 2)
    targets = low + (high - low) * values
    line = torch.tensor([1.0, 0.0], dtype=logits.dtype, requires_grad=True)
    _minimise(line, lambda: functional.binary_cross_entropy_with_logits(line[0] * logits + line[1], targets))
    slope, intercept = line.tolist()
    return slope, intercept


def head_inputs(model: PeftModel, outcomes: Sequence[Outcome], device: str, hands: Hands, limit: int) -> torch.Tensor:
    """What a head reads of answers [answers, hidden size + LIKELIHOODS], in float32."""

    @torch.no_grad()
    def read(piece: Sequence[Outcome]) -> torch.Tensor:
        rows = [(outcome.prompt_ids, outcome.reply_ids) for outcome in piece]
        return read_replies(model, rows, device)[1].cpu()

    return torch.cat(hands.map(read, list(_pieces(outcomes, limit))))


def read_replies(model: PeftModel, rows: Sequence[Row], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What one pass makes of replies: the log-probability (nats) of each token, row after row [tokens], and what a head
    reads: the last hidden state at which each reply's end is predicted, and how likely the reply is."""
    packed = pack(rows).to(device)
    found = model(
        input_ids=packed.ids,
        position_ids=packed.positions,
        attention_mask=packed.mask,
        logits_to_keep=packed.places,
        use_cache=False,
        output_hidden_states=True,
    )
    lengths = [len(reply) for _, reply in rows]
    states = found.hidden_states[-1][0, packed.places[torch.tensor(lengths).cumsum(0) - 1]].float()
    tokens = -functional.cross_entropy(found.logits[0].float(), packed.targets, reduction="none")
    replies = torch.stack([torch.stack(likelihoods(each.unbind())) for each in tokens.split(lengths)])
    return tokens, torch.cat([states, replies], 1)


def _pieces(outcomes: Sequence[Outcome], limit: int) -> Iterator[list[Outcome]]:
    """Outcomes in their order, in pieces of at most `limit` tokens where one alone has no more."""
    piece: list[Outcome] = []
    tokens = 0
    for outcome in outcomes:
        length = len(outcome.prompt_ids) + len(outcome.reply_ids)
        if piece and tokens + length > limit:
            yield piece
            piece, tokens = [], 0
        piece.append(outcome)
        tokens += length
    yield piece


def _fold(outcome: Outcome) -> int:
    digest = hashlib.sha256(b"".join(i.to_bytes(4, "little") for i in outcome.prompt_ids)).digest()
    return int.from_bytes(digest[:8], "big") % FOLDS


def _regression(
    inputs: torch.Tensor, values: torch.Tensor, graded: torch.Tensor, penalty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of least loss, with half the squared norm of the weight added, times `penalty` for the state."""
    penalties = torch.full_like(inputs[0], penalty)
    penalties[-LIKELIHOODS:] = LIKELIHOODS_PENALTY
    line = torch.zeros(inputs.shape[1] + 1, dtype=inputs.dtype, requires_grad=True)

    def loss() -> torch.Tensor:
        norm = 0.5 * (penalties * line[:-1].square()).sum()
        return outcome_loss(inputs @ line[:-1] + line[-1], values, graded) + norm

    _minimise(line, loss)
    found = line.detach()
    return found[:-1], found[-1]


def _minimise(variable: torch.Tensor, loss: Callable[[], torch.Tensor]) -> None:
    """Move a variable to where a smooth loss is least."""
    optimiser = torch.optim.LBFGS([variable], max_iter=200, tolerance_grad=1e-8, line_search_fn="strong_wolfe")

    def look() -> torch.Tensor:
        optimiser.zero_grad()
        found = loss()
        found.backward()
        return found

    with torch.enable_grad():
        optimiser.step(look)
