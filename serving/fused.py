"""The fast path of Llama-like models: tokens of a pass side by side, projections fused, small operations compiled."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel

from serving.kernels import Geometry, Places, make_kernels
from serving.products import EightBits, Product, choose_eight_bit_tokens, make_eight_bits
from serving.runner import SHORT, KeyValues, Passed, Span
from serving.slots import AdapterSlots, LowRank

log = logging.getLogger(__name__)
MODEL_TYPES = ("llama", "mistral", "qwen2")


def has_fast_path(config: PretrainedConfig) -> bool:
    """Whether a model is built as this module computes it."""
    windows = getattr(config, "layer_types", None) or ["full_attention"]
    return (
        config.model_type in MODEL_TYPES
        and config.hidden_act == "silu"
        and set(windows) == {"full_attention"}
        and not (config.model_type == "mistral" and config.sliding_window)
        and config.rope_parameters["rope_type"] != "dynamic"
    )


class _Projection:
    """One or several linear layers on the same input as one product, with the adapters' differences."""

    def __init__(self, layers: Sequence[tuple[str, nn.Linear]], slots: AdapterSlots, eight_bits: EightBits | None):
        linears = [linear for _, linear in layers]
        weight = torch.cat([linear.weight.detach() for linear in linears])
        biased = linears[0].bias is not None
        bias = torch.cat([linear.bias.detach() for linear in linears]) if biased else None
        self.product = Product(weight, bias, eight_bits)
        self._low_rank: LowRank = slots.add_product(layers)
        self._slots = slots

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        y = self.product(x)
        if self._slots.use is not None:
            self._low_rank.add(x, y, self._slots.use)
        return y


@dataclass(frozen=True)
class _Layer:
    """A decoder layer; the norms are their weights."""

    before: torch.Tensor
    qkv: _Projection
    out: _Projection
    between: torch.Tensor
    gate_up: _Projection
    down: _Projection

    @property
    def projections(self) -> tuple[_Projection, ...]:
        """In the order of a pass."""
        return self.qkv, self.out, self.gate_up, self.down


class FusedRunner:
    """Runs a model that has a fast path. With `eight_bit`, products with few tokens read eight-bit weights."""

    def __init__(self, model: PreTrainedModel, rows: int, columns: int, slots: AdapterSlots, eight_bit: bool):
        self.slots = slots
        config = model.config
        weight = model.get_input_embeddings().weight.detach()
        self.cache = KeyValues(config, rows, columns, weight)
        self._epsilon = config.rms_norm_eps
        self._embedding = weight
        self._geometry = _geometry(model, columns)
        self._kernels = make_kernels(self._geometry, weight.dtype, weight.device.type)
        eight_bits = make_eight_bits(weight.dtype, weight.device.type) if eight_bit else None
        self._layers = [self._layer(n, layer, eight_bits) for n, layer in enumerate(model.model.layers)]
        self._last_norm = model.model.norm.weight.detach()
        self._head = Product(model.get_output_embeddings().weight.detach(), None, eight_bits)
        if eight_bits is not None:
            products = [p.product for layer in self._layers for p in layer.projections]
            choose_eight_bit_tokens([*products, self._head], eight_bits, weight.dtype)
            log.info("products with up to %s tokens read eight-bit weights", eight_bits.tokens)

    def _layer(self, number: int, layer: nn.Module, eight_bits: EightBits | None) -> _Layer:
        def fused(module: str, *names: str) -> _Projection:
            inside = layer.get_submodule(module)
            layers = [(f"model.layers.{number}.{module}.{name}", getattr(inside, name)) for name in names]
            return _Projection(layers, self.slots, eight_bits)

        return _Layer(
            before=layer.input_layernorm.weight.detach(),
            qkv=fused("self_attn", "q_proj", "k_proj", "v_proj"),
            out=fused("self_attn", "o_proj"),
            between=layer.post_attention_layernorm.weight.detach(),
            gate_up=fused("mlp", "gate_proj", "up_proj"),
            down=fused("mlp", "down_proj"),
        )

    def forward(self, spans: Sequence[Span]) -> Passed:
        """See Runner."""
        self.slots.select([span.version for span in spans for _ in span.ids])
        device = self._embedding.device
        places = Places(
            torch.tensor([span.row for span in spans for _ in span.ids], device=device),
            torch.tensor([span.start + n for span in spans for n in range(len(span.ids))], device=device),
            sum(len(span.ids) for span in spans if len(span.ids) <= SHORT),
        )
        chunks = _chunks(spans, self._geometry, device)
        kernels, epsilon = self._kernels, self._epsilon
        x = self._embedding[torch.tensor([i for span in spans for i in span.ids], device=device)]
        delta = None
        for n, layer in enumerate(self._layers):
            keys, values = self.cache.memory[n]
            qkv = layer.qkv(kernels.add_norm(x, delta, layer.before, epsilon))
            kernels.rotate(qkv, places, keys, values)
            delta = layer.out(self._attended(qkv, places, chunks, keys, values))
            gate_up = layer.gate_up(kernels.add_norm(x, delta, layer.between, epsilon))
            delta = layer.down(kernels.gated(gate_up))
        wanted = kernels.add_norm(x, delta, self._last_norm, epsilon)[_wanted(spans)]
        return Passed(self._head(wanted), wanted)

    def _attended(
        self, qkv: torch.Tensor, places: Places, chunks: "Sequence[_Chunk]", keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        single = self._kernels.attend(qkv, places, keys, values) if places.single else None
        if not chunks:
            assert single is not None
            return single
        parts = [] if single is None else [single]
        return torch.cat([*parts, *(chunk.attend(qkv, keys, values, self._geometry) for chunk in chunks)])

    def largest(self, logits: torch.Tensor) -> list[int]:
        """See Runner."""
        return self._kernels.largest(logits)

    def normalisers(self, logits: torch.Tensor) -> list[float]:
        """See Runner."""
        return logits.float().logsumexp(-1).tolist()


@dataclass(frozen=True)
class _Chunk:
    """Tokens [first, last) of a pass, all of one row, and what each sees of it: [queries of a key head, columns]."""

    first: int
    last: int
    row: int
    seen: torch.Tensor

    def attend(self, qkv: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, g: Geometry) -> torch.Tensor:
        """[tokens, heads * size]; the query heads of one key head go as if they were more tokens."""
        tokens, width = self.last - self.first, self.seen.shape[1]
        q = qkv[self.first : self.last, : g.heads * g.size].view(tokens, g.kv_heads, -1, g.size)
        q = q.permute(1, 2, 0, 3).reshape(1, g.kv_heads, -1, g.size)
        k, v = keys[None, self.row, :, :width], values[None, self.row, :, :width]
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.seen)
        return y.view(g.kv_heads, -1, tokens, g.size).permute(2, 0, 1, 3).reshape(tokens, -1)


def _chunks(spans: Sequence[Span], g: Geometry, device: torch.device) -> list[_Chunk]:
    found, at = [], 0
    for span in spans:
        tokens, width = len(span.ids), span.start + len(span.ids)
        if tokens > SHORT:
            seen = torch.arange(width, device=device) <= torch.arange(span.start, width, device=device)[:, None]
            found.append(_Chunk(at, at + tokens, span.row, seen.repeat(g.heads // g.kv_heads, 1)))
        at += tokens
    return found


def _wanted(spans: Sequence[Span]) -> list[int]:
    """Where the tokens whose logits are asked for stand in the pass."""
    found, end = [], 0
    for span in spans:
        end += len(span.ids)
        found += range(end - span.wanted, end)
    return found


def _geometry(model: PreTrainedModel, columns: int) -> Geometry:
    """A model's attention, with its own rotary embedding at every position."""
    config = model.config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    positions = torch.arange(columns, device=model.device)[None]
    tables = model.model.rotary_emb(torch.zeros(1, device=model.device), positions)
    cosine, sine = (table[0, :, : size // 2].float().contiguous() for table in tables)
    return Geometry(config.num_attention_heads, config.num_key_value_heads, size, cosine, sine)
