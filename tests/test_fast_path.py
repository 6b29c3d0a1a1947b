"""The fast path computes what the model's own modules compute; so do its compiled operations and eight-bit products."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from adapters.base import load_tokenizer
from core.records import BASE
from serving.fused import FusedRunner, has_fast_path
from serving.kernels import CompiledKernels, Geometry, Places, TorchKernels, compiled, make_low_rank
from serving.local import LocalEngine
from serving.products import Product, make_eight_bits
from serving.runner import SHORT, PlainRunner, Span
from serving.slots import AdapterSlots, LowRank, Selection

SMALL = {
    "vocab_size": 300,
    "hidden_size": 256,
    "intermediate_size": 352,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAST = {
    "llama": LlamaConfig(**SMALL, tie_word_embeddings=True),
    "llama, stretched": LlamaConfig(**SMALL, tie_word_embeddings=False, rope_parameters=LLAMA3),
    "mistral": MistralConfig(**SMALL, sliding_window=None),
    "qwen2, with biases": Qwen2Config(**SMALL),
}
needs_compiler = pytest.mark.skipif(compiled() is None, reason="no C++ compiler is installed")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.fixture(autouse=True)
def no_gradients():
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def model_of(config, dtype=torch.float32):
    model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:  # norms and biases start as ones and zeros, which would hide a mistake
            parameter += 0.1 * torch.randn_like(parameter)
    return model


Told = dict[int, tuple[torch.Tensor, torch.Tensor]]


def read_in_pieces(runner, rows: dict[int, list[int]]) -> Told:
    """What is found at every token of rows that are read side by side: pieces first, then single tokens."""
    told = {row: [] for row in rows}
    lengths = dict.fromkeys(rows, 0)
    for pieces in ((1, 10, 3), (4, 1, 9), (10, 1, 1), (2, 2, 2)):
        spans = []
        for piece, (row, ids) in zip(pieces, rows.items(), strict=True):
            next_ids = ids[lengths[row] : lengths[row] + piece]
            if next_ids:
                spans.append(Span(row, lengths[row], next_ids, BASE, len(next_ids)))
        spans.sort(key=lambda span: len(span.ids) > SHORT)
        parts = (part.split([len(span.ids) for span in spans]) for part in runner.forward(spans))
        for span, *found in zip(spans, *parts, strict=True):
            told[span.row].append(found)
            lengths[span.row] += len(span.ids)
    return {row: tuple(torch.cat(part) for part in zip(*found, strict=True)) for row, found in told.items()}


def expected_of(model, rows: dict[int, list[int]]) -> Told:
    """The same from the model's own modules: logits, and the last hidden states that they are made from."""
    passed = {row: model(torch.tensor([ids]), output_hidden_states=True) for row, ids in rows.items()}
    return {row: (each.logits[0], each.hidden_states[-1][0]) for row, each in passed.items()}


def check(found: Told, expected: Told) -> None:
    for row, parts in found.items():
        assert len(parts[0]) >= 11
        for part, wanted in zip(parts, expected[row], strict=True):
            torch.testing.assert_close(part, wanted[: len(part)], atol=2e-4, rtol=2e-3)


ROWS = {2: list(range(1, 20)), 0: list(range(40, 61)), 3: [7, 7, 9, 250, 3, 1, 4, 1, 5, 9, 2]}


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("kernels", ["compiled", "torch"])
def test_a_fast_path_says_what_the_models_own_modules_say(name, kernels, monkeypatch):
    if kernels == "torch":
        monkeypatch.setattr("serving.kernels.compiled", lambda: None)
        monkeypatch.setattr("serving.fused.make_eight_bits", lambda *_: None)
    elif compiled() is None:
        pytest.skip("no C++ compiler is installed")
    assert has_fast_path(FAST[name])
    model = model_of(FAST[name])
    fast = read_in_pieces(FusedRunner(model, 4, 64, AdapterSlots(2, 4), eight_bit=False), ROWS)
    check(fast, expected_of(model, ROWS))


def test_other_architectures_are_served_by_their_own_modules():
    config = Qwen3Config(**SMALL, head_dim=64)
    assert not has_fast_path(config) and not has_fast_path(MistralConfig(**SMALL, sliding_window=32))
    model = model_of(config)
    expected = expected_of(model, ROWS)
    plain = read_in_pieces(PlainRunner(model, 4, 64, AdapterSlots(2, 4)), ROWS)
    check(plain, expected)


def test_versions_are_what_peft_makes_of_them(base, letters):
    """Rows of both adapters and of none in one pass, against PEFT's own modules."""
    from peft import PeftModel

    ids = load_tokenizer(base).encode("Tell me a story about ships.")

    def fresh():
        return AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)

    expected = {BASE: fresh()(torch.tensor([ids])).logits[0]}
    for letter, folder in letters.items():
        expected[letter] = PeftModel.from_pretrained(fresh(), folder)(torch.tensor([ids])).logits[0]
    for make in (
        lambda slots: FusedRunner(fresh(), 4, 64, slots, eight_bit=False),
        lambda slots: PlainRunner(fresh(), 4, 64, slots),
    ):
        slots = AdapterSlots(3, 16)
        runner = make(slots)
        for letter, folder in letters.items():
            slots.fill(letter, slots.read(folder))
        for row, version in enumerate(expected):
            runner.forward([Span(row, 0, ids[:-1], version)])
        together = runner.forward([Span(n, len(ids) - 1, ids[-1:], version) for n, version in enumerate(expected)])
        for found, version in zip(together.logits, expected, strict=True):
            torch.testing.assert_close(found, expected[version][-1], atol=5e-3, rtol=1e-3)


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_operations_are_torchs(dtype):
    geometry = Geometry(6, 2, 64, *(torch.rand(40, 32) for _ in range(2)))
    ours = CompiledKernels(geometry, compiled(), str(dtype).removeprefix("torch."))
    torchs = TorchKernels(geometry)
    near = {"atol": 1e-4, "rtol": 1e-3} if dtype == torch.float32 else {"atol": 0.03, "rtol": 0.03}

    def both(call):
        torch.manual_seed(1)
        one = call(ours)
        torch.manual_seed(1)
        torch.testing.assert_close(one, call(torchs), **near)

    weight = torch.rand(96).to(dtype)
    for delta in (None, torch.randn(5, 96).to(dtype)):

        def normed(kernels, delta=delta):
            x = torch.randn(5, 96).to(dtype)
            return kernels.add_norm(x, delta, weight, 1e-5), x

        both(normed)
    both(lambda kernels: kernels.gated(20 * torch.randn(7, 2 * 80).to(dtype)))
    places = Places(torch.tensor([3, 0, 1]), torch.tensor([39, 0, 17]), 3)

    def attended(kernels):
        qkv = torch.randn(3, 10 * 64).to(dtype)
        keys, values = (torch.randn(4, 2, 40, 64).to(dtype) for _ in range(2))
        kernels.rotate(qkv, places, keys, values)
        return kernels.attend(qkv, places, keys, values), keys, values

    both(attended)
    scores = torch.randn(4, 1003).to(dtype)
    scores[1, [700, 900]] = 9.0
    assert ours.largest(scores) == scores.argmax(-1).tolist() and ours.largest(scores)[1] == 700


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_rank_differences_are_the_two_products(dtype, monkeypatch):
    layer = LowRank(24, 70, [33, 17, 40], torch.zeros(1, dtype=dtype))
    layer.a.copy_(torch.randn_like(layer.a))
    for part, (start, stop) in enumerate(zip(layer.starts, layer.starts[1:], strict=False)):
        layer.b[:, part, start:stop] = torch.randn_like(layer.b[:, part, start:stop])
    x, own = torch.randn(4, 70).to(dtype), torch.tensor([[0, 8, 0, 13], [8, 13, 0, 24]])
    assert make_low_rank(dtype, "cpu") is not None
    compiled_y, torch_y = torch.zeros(4, 90, dtype=dtype), torch.zeros(4, 90, dtype=dtype)
    layer.add(x, compiled_y, Selection(0, 24, own))
    layer._kernel = None
    layer.add(x, torch_y, Selection(0, 24, own))
    assert not compiled_y[2].any() and compiled_y[0].any()
    far = 0.02 * torch_y.abs().max() if dtype == torch.bfloat16 else 1e-3
    torch.testing.assert_close(compiled_y, torch_y, atol=float(far), rtol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("inner", "out"), [(90, 64), (96, 71), (160, 32)])
def test_eight_bit_products_are_near_the_whole_ones(dtype, inner, out):
    eight_bits = make_eight_bits(dtype, "cpu")
    if eight_bits is None:
        pytest.skip("no C++ compiler is installed")
    weight, bias = torch.randn(out, inner).to(dtype), torch.randn(out).to(dtype)
    product = Product(weight, bias, eight_bits)
    for tokens in (1, 2, 3, 4, 7, 8, 13, 16, 17, 40, 64, 150):
        x = torch.randn(tokens, inner).to(dtype)
        whole = functional.linear(x.float(), weight.float(), bias.float())
        error = (product(x).float() - whole).norm() / whole.norm()
        assert 0 < error < 0.015, tokens
        assert torch.equal(product(x[-1:]), product(x)[-1:]), "no row depends on the others"
    eight_bits.tokens = 8
    many = torch.randn(9, inner).to(dtype)
    torch.testing.assert_close(product(many), functional.linear(many, weight, bias))


def test_weights_without_a_use_are_let_go():
    x, weight = torch.randn(3, 64), torch.randn(16, 64)
    eight_bits = make_eight_bits(torch.float32, "cpu")
    if eight_bits is None:
        pytest.skip("no C++ compiler is installed")
    for tokens in (math.inf, 0, 2):
        eight_bits.tokens = tokens
        product = Product(weight, None, eight_bits)
        before = product(x)
        product.settle()
        assert torch.equal(product(x), before)
        assert (product._weight is None, product._packed is None) == (tokens == math.inf, tokens == 0)


def test_eight_bits_cost_less_than_one_percent_of_perplexity(base):
    """On the general slice that gates read, every product in eight bits; measured: 0.3 %."""
    import json

    slices = Path(__file__).resolve().parent.parent / "training" / "slices" / "general_gate.jsonl"
    rows = [json.loads(line) for line in slices.read_text(encoding="utf-8").splitlines()][:12]
    spelled = load_tokenizer(base)
    texts = [spelled.encode(f"{row['prompt']}\n{row['completion']}")[:200] for row in rows]
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.bfloat16, local_files_only=True)
    plain = perplexity(lambda ids: model(torch.tensor([ids])).logits[0], texts)
    runner = FusedRunner(model, 1, 256, AdapterSlots(1, 1), eight_bit=True)
    runner._head._eight_bits.tokens = math.inf
    coarse = perplexity(lambda ids: runner.forward([Span(0, 0, ids, BASE, len(ids))]).logits, texts)
    assert coarse != plain and coarse / plain < 1.01


def perplexity(logits_of, texts) -> float:
    total, count = 0.0, 0
    for ids in texts:
        logprobs = logits_of(ids)[:-1].float().log_softmax(-1)
        total -= float(logprobs.gather(1, torch.tensor(ids[1:])[:, None]).sum())
        count += len(ids) - 1
    return math.exp(total / count)


@needs_gpu
def test_on_a_gpu_the_fast_path_is_the_models_own():
    model = model_of(FAST["llama"], torch.bfloat16).to("cuda")
    expected = {row: model(torch.tensor([ids], device="cuda")).logits[0] for row, ids in ROWS.items()}
    fast = read_in_pieces(FusedRunner(model, 4, 64, AdapterSlots(2, 4), eight_bit=True), ROWS)
    for row, found in fast.items():
        torch.testing.assert_close(found, expected[row][: len(found)], atol=0.05, rtol=0.05)


@needs_gpu
async def test_on_a_gpu_versions_answer(base, letters):
    from serving.engine import GenerationRequest

    engine = LocalEngine(base, 4, 4, 2, 512, "cuda", torch.bfloat16, rank=16)
    await engine.start()
    try:
        await engine.install("a", letters["a"])
        prompt = tuple(load_tokenizer(base).encode("Tell me a story about ships."))
        text = "".join([d.text async for d in engine.generate(GenerationRequest(prompt, "a", 8, ignore_eos=True))])
        assert set(text.split()) == {"a"}
    finally:
        await engine.close()


def test_the_bundled_model_has_a_fast_path(base):
    assert has_fast_path(AutoConfig.from_pretrained(base.folder))
