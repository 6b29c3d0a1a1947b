"""One pass of a model over the tokens of many rows, on the model's own transformers modules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import nn
from transformers import Cache, PretrainedConfig, PreTrainedModel

from serving.slots import AdapterSlots, make_switchable

SHORT = 8
"""Spans of up to so many tokens are cheap to attend token by token."""


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens of one row that are read together; they stand at positions `start`, `start` + 1, ...

    The logits of the last `wanted` of them are asked for.
    """

    row: int
    start: int
    ids: Sequence[int]
    version: str
    wanted: int = 1


class Passed(NamedTuple):
    """What a pass finds for the wanted tokens: logits [tokens, vocabulary], and what they were made from.

    `hidden` [tokens, hidden size] are the last hidden states, normalised as the output embedding reads them.
    """

    logits: torch.Tensor
    hidden: torch.Tensor


class Runner(Protocol):
    """A model with a cache of rows, and adapter versions in slots."""

    slots: AdapterSlots
    cache: "KeyValues"

    def forward(self, spans: Sequence[Span]) -> Passed:
        """What is found for the wanted tokens, span by span. No row comes twice, and short spans come first."""
        ...

    def largest(self, logits: torch.Tensor) -> list[int]:
        """Where each row of logits is largest."""
        ...

    def normalisers(self, logits: torch.Tensor) -> list[float]:
        """The logarithm of the sum of the exponentials of each row of logits."""
        ...


class KeyValues:
    """Keys and values of every row, in memory laid out once: [layers, 2, rows, key heads, columns, head size]."""

    def __init__(self, config: PretrainedConfig, rows: int, columns: int, like: torch.Tensor):
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.memory = like.new_zeros(config.num_hidden_layers, 2, rows, heads, columns, size)

    def read(self, row: int, first: int, last: int) -> torch.Tensor:
        """A copy of columns [first, last) of a row: [layers, 2, key heads, columns, head size]."""
        return self.memory[:, :, row, :, first:last].clone()

    def write(self, row: int, first: int, columns: torch.Tensor) -> None:
        """Put columns back, at `first` of a row."""
        self.memory[:, :, row, :, first : first + columns.shape[3]] = columns


class _BatchCache(Cache):
    """A transformers cache over some of the rows: what a pass writes goes to its tokens' positions."""

    def __init__(self, memory: torch.Tensor, rows: Sequence[int], positions: torch.Tensor):
        super().__init__(layers=[])
        self._memory = memory
        dense = list(rows) == list(range(rows[0], rows[0] + len(rows)))
        self._rows = slice(rows[0], rows[0] + len(rows)) if dense else torch.tensor(rows, device=memory.device)
        self._at = (torch.tensor(rows, device=memory.device)[:, None], positions)
        self._width = int(positions.max()) + 1

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args, **kwargs):
        """Write the new keys and values [batch, heads, tokens, head size]; return all that may be attended to."""
        rows, positions = self._at
        found = []
        for part, states in enumerate((key_states, value_states)):
            memory = self._memory[layer_idx, part]
            memory[rows, :, positions] = states.transpose(1, 2)
            found.append(memory[self._rows, :, : self._width])
        return found[0], found[1]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns of the present pass; positions are always given, so nothing derives them from this."""
        return self._width


class PlainRunner:
    """Runs any causal language model that caches keys and values: single tokens in one batch, spans one by one."""

    def __init__(self, model: PreTrainedModel, rows: int, columns: int, slots: AdapterSlots):
        self.slots = slots
        self._model = model
        self.cache = KeyValues(model.config.get_text_config(), rows, columns, next(model.parameters()).detach())
        make_switchable(model, slots)
        self._read: torch.Tensor | None = None
        model.get_output_embeddings().register_forward_pre_hook(self._note)

    def _note(self, module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        self._read = given[0]

    def forward(self, spans: Sequence[Span]) -> Passed:
        """See Runner."""
        single = [n for n, span in enumerate(spans) if len(span.ids) == 1]
        found: dict[int, Passed] = {}
        if single:
            passed = self._pass([spans[n] for n in single], 1)
            found.update((n, Passed(*(part[at, : spans[n].wanted] for part in passed))) for at, n in enumerate(single))
        for n, span in enumerate(spans):
            if len(span.ids) > 1:
                passed = self._pass([span], max(span.wanted, 1))
                found[n] = Passed(*(part[0, part.shape[1] - span.wanted :] for part in passed))
        parts = zip(*(found[n] for n in range(len(spans))), strict=True)
        return Passed(*(torch.cat(part) for part in parts))

    def _pass(self, spans: Sequence[Span], kept: int) -> Passed:
        """What is found [spans, kept, ...] for the last tokens of spans of one length."""
        device = self.cache.memory.device
        length = len(spans[0].ids)
        ids = torch.tensor([list(span.ids) for span in spans], device=device)
        starts = torch.tensor([span.start for span in spans], device=device)
        positions = starts[:, None] + torch.arange(length, device=device)
        columns = torch.arange(int(positions.max()) + 1, device=device)
        self.slots.select([span.version for span in spans for _ in range(length)])
        logits = self._model(
            input_ids=ids,
            attention_mask=(columns <= positions[:, :, None])[:, None],
            position_ids=positions,
            past_key_values=_BatchCache(self.cache.memory, [span.row for span in spans], positions),
            use_cache=True,
            logits_to_keep=kept,
        ).logits
        assert self._read is not None
        return Passed(logits, self._read[:, -kept:])

    def largest(self, logits: torch.Tensor) -> list[int]:
        """See Runner."""
        return logits.argmax(-1).tolist()

    def normalisers(self, logits: torch.Tensor) -> list[float]:
        """See Runner."""
        return logits.float().logsumexp(-1).tolist()
