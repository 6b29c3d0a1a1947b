"""Forward and backward passes by hand, for what training on a processor spends its time on."""

from functools import partial
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

ATTENTION = "prefix_tree"
"""What the attention below is called in a model's configuration."""
MOST_TOKENS = 512
"""Tokens up to which its backward pass is quicker than torch's, which never holds all weights at once."""


class _Projection(torch.autograd.Function):
    """x W^T + bias + scale (x A^T) B^T, of which only x, A and B get gradients.

    Autograd keeps the steps between apart; here each step is one matrix product that adds to the last.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, a: torch.Tensor,
                b: torch.Tensor, scale: float) -> torch.Tensor:  # fmt: skip
        rows = x.reshape(-1, x.shape[-1])
        inner = (rows @ a.t()).mul_(scale)
        y = functional.linear(rows, weight, bias).addmm_(inner, b.t())
        ctx.save_for_backward(rows, weight, a, b, inner)
        ctx.scale = scale
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # ty: ignore[invalid-method-override]
        rows, weight, a, b, inner = ctx.saved_tensors
        g = grad.reshape(-1, grad.shape[-1])
        to_inner = (g @ b).mul_(ctx.scale)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = (g @ weight).addmm_(to_inner, a).view(*grad.shape[:-1], -1)
        return to_x, None, None, to_inner.t() @ rows, g.t() @ inner, None


class _Attention(torch.autograd.Function):
    """Attention of H query heads to K groups' keys and values under a mask, at a backward pass of dense products.

    Torch's own backward on a processor takes ten times its forward pass; this one makes the weights anew, as in
    FlashAttention (Dao et al. 2022), but all at once.
    """

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor,
                scale: float) -> torch.Tensor:  # fmt: skip
        groups = q.shape[1] // k.shape[1]
        wide_k, wide_v = (t.repeat_interleave(groups, dim=1) for t in (k, v))
        y = functional.scaled_dot_product_attention(q, wide_k, wide_v, attn_mask=mask, scale=scale)
        ctx.save_for_backward(q, k, v, mask, y)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # ty: ignore[invalid-method-override]
        q, k, v, mask, y = ctx.saved_tensors
        _, heads, n, width = q.shape
        kinds = k.shape[1]
        queries, g = (t.reshape(kinds, -1, width) for t in (q * ctx.scale, grad))
        keys, values = k[0], v[0]
        scores = torch.bmm(queries.float(), keys.float().mT).view(heads, n, n).add_(mask[0])
        weights = scores.softmax(-1).to(q.dtype).view(kinds, -1, n)
        met = (grad * y).sum(-1, dtype=torch.float32).reshape(kinds, -1, 1).to(q.dtype)
        to_scores = torch.bmm(g, values.mT).sub_(met).mul_(weights)
        to_q = torch.bmm(to_scores, keys).mul_(ctx.scale).view(q.shape)
        return to_q, torch.bmm(to_scores.mT, queries)[None], torch.bmm(weights.mT, g)[None], None, None


def _attend(module: torch.nn.Module, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None,
            scaling: float, dropout: float = 0.0, **others: Any) -> tuple[torch.Tensor, None]:  # fmt: skip
    """As transformers calls for it: [1, H, N, D] in, [1, N, H, D] out."""
    plain = not dropout and all(others.get(name) is None for name in ("softcap", "position_bias", "s_aux"))
    if mask is None or not plain or q.shape[2] > MOST_TOKENS or not torch.is_grad_enabled():
        return sdpa_attention_forward(module, q, k, v, mask, dropout=dropout, scaling=scaling, **others)
    return _Attention.apply(q, k, v, mask, scaling).transpose(1, 2), None


def _project(module: Linear, x: torch.Tensor) -> torch.Tensor:
    base = module.base_layer
    if module.disable_adapters:
        return base(x)
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
    return _Projection.apply(x, base.weight, base.bias, a, b, module.scaling["default"])


def take_over(model: PeftModel) -> None:
    """Let a model with plain LoRA, named `default` and without dropout, compute by these passes where it can."""
    for module in model.modules():
        if isinstance(module, Linear) and type(module.base_layer) is torch.nn.Linear:
            module.forward = partial(_project, module)
    inner = model.get_base_model()
    if inner.config._attn_implementation == "sdpa":
        AttentionInterface.register(ATTENTION, _attend)
        inner.set_attn_implementation(ATTENTION)
