"""An adapter that the outcome head's loss flows into, beside which the one that training makes can be judged."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from adapters.base import Base
from adapters.likelihood import LIKELIHOODS
from adapters.numerics import training_dtype
from training.adapter import add_adapter
from training.dropout import Noise
from training.examples import Example, Outcome
from training.hands import Hands
from training.head import learn_head, outcome_loss, read_replies
from training.hyperparameters import Hyperparameters
from training.objectives import references, rows_of, total_loss
from training.optimiser import Optimiser
from training.plan import batches, rate_share
from training.processes import ALONE

WEIGHT = 0.1
"""What the outcomes' loss weighs beside the language loss of a step."""


def tune_jointly(
    base: Base, examples: Sequence[Example], outcomes: Sequence[Outcome], how: Hyperparameters, draft: Path
) -> None:
    """Tune an adapter on examples and, with a head of its own, on the outcomes of the same turns; save it with a head.

    That head begins at zero and moves with the adapter; the one that is saved is fitted on what the adapter makes of
    the outcomes in the end, as any other.
    """
    torch.manual_seed(how.seed)
    device, dtype = training_dtype("cpu", draft.parent)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=dtype, local_files_only=True)
    tuned = add_adapter(model, how, Noise(how.seed))
    with tuned.disable_adapter():
        before = {id(example): references(tuned, [example], device) for example in examples}
    line = torch.zeros(model.config.hidden_size + LIKELIHOODS + 1, requires_grad=True)
    parameters = [*(p for p in tuned.parameters() if p.requires_grad), line]
    optimiser = Optimiser(parameters, how, ALONE)
    came, order = {outcome.source: outcome for outcome in outcomes}, random.Random(how.seed)
    steps = [batch for _ in range(how.passes(len(examples))) for batch in batches(examples, how.batch, order)]
    for number, batch in enumerate(steps):
        chosen = [examples[n] for n in batch]
        known = [came[example.source] for example in chosen if example.source in came]
        rows = [*rows_of(chosen), *((outcome.prompt_ids, outcome.reply_ids) for outcome in known)]
        tokens, inputs = read_replies(tuned, rows, device)
        likely = torch.stack([each.sum() for each in tokens.split([len(reply) for _, reply in rows])])
        first = len(rows) - len(known)
        loss = total_loss(chosen, likely[:first], [each for e in chosen for each in before[id(e)]]) / len(batch)
        if known:
            values = torch.tensor([outcome.value for outcome in known])
            graded = torch.tensor([outcome.graded for outcome in known])
            loss = loss + WEIGHT * outcome_loss(inputs[first:] @ line[:-1] + line[-1], values, graded)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]
        rate = rate_share(number, len(steps), how.warmup_share, how.schedule)
        optimiser.step([gradients], rate * how.learning_rate)
    tuned.save_pretrained(draft)
    head, _ = learn_head(tuned.eval(), outcomes, (), device, Hands(1), how.batch_tokens)
    assert head is not None
    head.save(draft)
