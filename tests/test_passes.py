"""Passes by hand give what the model's own modules and autograd give; only sooner."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from training.hands import Hands
from training.objectives import log_probabilities, token_logits
from training.packing import pack
from training.passes import MOST_TOKENS, take_over

SIZE = {"vocab_size": 97, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 6, "num_key_value_heads": 2}
ROWS = [((1, 2, 3, 4), (5, 6)), ((1, 2, 3, 7, 8), (9,)), ((1, 2), (3, 9, 9))]


def made(kind: str, **more) -> torch.nn.Module:
    torch.manual_seed(1)
    model = LlamaForCausalLM if kind == "llama" else Qwen2ForCausalLM
    config = LlamaConfig if kind == "llama" else Qwen2Config
    lora = LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    return get_peft_model(model(config(**SIZE, **HEADS, **more)), lora)


def gradients(model, rows=ROWS) -> tuple[torch.Tensor, list[torch.Tensor]]:
    packed = pack(rows)
    log_probs = log_probabilities(token_logits(model, packed), packed, len(rows))
    return log_probs, torch.autograd.grad(log_probs.exp().sum(), [p for p in model.parameters() if p.requires_grad])


@pytest.mark.parametrize("kind", ["llama", "qwen"])
@pytest.mark.parametrize("tokens", [4, MOST_TOKENS + 1])
def test_answers_and_gradients_are_those_of_the_models_modules(kind, tokens):
    rows = [*ROWS, (tuple(n % 90 for n in range(tokens)), (5, 6))]
    before, after = made(kind), made(kind)
    take_over(after)
    (expected, wanted), (found, given) = gradients(before, rows), gradients(after, rows)
    torch.testing.assert_close(found, expected)
    assert len(given) == 4 * 7
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    with after.disable_adapter(), before.disable_adapter():
        assert torch.equal(gradients_of_nothing(after), gradients_of_nothing(before))


def gradients_of_nothing(model) -> torch.Tensor:
    with torch.no_grad():
        return token_logits(model, pack(ROWS))


def test_attention_that_drops_out_is_the_models_own():
    model = made("llama", attention_dropout=0.5).train()
    take_over(model)
    first, second = gradients(model)[0], gradients(model)[0]
    assert not torch.equal(first, second)


def test_pieces_made_side_by_side_add_up_to_the_whole():
    model = made("llama")
    take_over(model)
    _, whole = gradients(model)
    with Hands(3) as hands:
        parts = hands.map(lambda row: gradients(model, [row])[1], ROWS)
    for total, *those in zip(whole, *parts, strict=True):
        torch.testing.assert_close(sum(those), total)


def test_what_goes_wrong_in_a_piece_is_raised():
    def fail(piece):
        raise RuntimeError(f"{piece} failed")

    with Hands(2) as hands, pytest.raises(RuntimeError, match="a failed"):
        hands.map(fail, "ab")
