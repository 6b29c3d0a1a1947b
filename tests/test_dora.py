"""DoRA: trained as PEFT trains it, kept within the budget, served in the slots of LoRA, and refused for vLLM."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from adapters.base import Base
from adapters.install import install
from adapters.registry import Registry
from adapters.verify import verify
from core.errors import AdapterRefused
from core.records import BASE
from serving.fused import FusedRunner
from serving.runner import PlainRunner, Span
from serving.slots import AdapterSlots
from serving.vllm import VllmEngine
from tests.test_train import SMALL, examples_for, no_rest, on_cpu, tiny  # noqa: F401

SIZES = {
    "vocab_size": 64,
    "hidden_size": 128,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
IDS = [3, 14, 15, 9, 26, 5, 35]


@pytest.fixture(
    params=[(Qwen2ForCausalLM, Qwen2Config(**SIZES)), (Qwen3ForCausalLM, Qwen3Config(**SIZES, head_dim=64))]
)
def model_folder(request, tmp_path):
    """A small model: one with biases and a fast path, one that its own modules serve."""
    torch.manual_seed(5)
    make, config = request.param
    model = make(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()


def make_adapter(model_folder, folder, **how):
    """An adapter with noise for weights, and what PEFT says with it: logits [tokens, vocabulary]."""
    torch.manual_seed(7)
    model = get_peft_model(
        load(model_folder), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **how)
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
            elif "magnitude" in name:
                parameter.mul_(torch.rand_like(parameter) + 0.5)
    model.save_pretrained(folder)
    model.eval()
    return folder, model(torch.tensor([IDS])).logits[0].detach()


def test_versions_of_all_methods_answer_side_by_side_as_peft_computes_them(model_folder, tmp_path):
    ways = {"lora": {}, "rslora": {"use_rslora": True}, "dora": {"use_dora": True}}
    ways["rsdora"] = {"use_dora": True, "use_rslora": True}
    made = {name: make_adapter(model_folder, tmp_path / name, **how) for name, how in ways.items()}
    expected = {BASE: load(model_folder)(torch.tensor([IDS])).logits[0].detach()}
    expected |= {name: logits for name, (_, logits) in made.items()}
    slots = AdapterSlots(4, 4, model_folder)
    fused = load(model_folder).config.model_type == "qwen2"
    runner = FusedRunner(load(model_folder), 5, 16, slots, eight_bit=False) if fused else None
    runner = runner or PlainRunner(load(model_folder), 5, 16, slots)
    for name, (folder, _) in made.items():
        slots.fill(name, slots.read(folder))

    def said() -> dict[str, torch.Tensor]:
        """The last tokens' logits, where prompts are read one by one and their last tokens together."""
        for row, version in enumerate(expected):
            runner.forward([Span(row, 0, IDS[:-1], version)])
        spans = [Span(row, len(IDS) - 1, IDS[-1:], version) for row, version in enumerate(expected)]
        return dict(zip(expected, runner.forward(spans).logits, strict=True))

    for name, found in said().items():
        torch.testing.assert_close(found, expected[name][-1], atol=2e-4, rtol=2e-3)
    slots.empty("dora")
    slots.fill("dora", slots.read(made["lora"][0]))  # what takes a DoRA version's place has none of its gains
    torch.testing.assert_close(said()["dora"], expected["lora"][-1], atol=2e-4, rtol=2e-3)


@pytest.mark.parametrize("eight_bit", [False, True])
def test_a_dora_version_trained_here_is_what_peft_makes_of_it_on_the_bundled_model(base, tmp_path, eight_bit):
    how = replace(SMALL, method="dora", epochs=4, learning_rate=5e-3)
    on_cpu(base, examples_for(base), tmp_path / "draft", how)
    manifest = verify(tmp_path / "draft", base.name, base.hash, base.shapes(), "r1-aaaa-512")
    assert manifest.method == "rsdora"
    ids = examples_for(base)[1].prompt_ids
    whole = PeftModel.from_pretrained(load(base.folder), tmp_path / "draft")
    with torch.no_grad():
        expected = whole(torch.tensor([ids])).logits[0, -1]
        with whole.disable_adapter():
            unlike = whole(torch.tensor([ids])).logits[0, -1]
    slots = AdapterSlots(2, 8, base.folder)
    runner = FusedRunner(load(base.folder), 1, 64, slots, eight_bit)
    slots.fill("dora", slots.read(tmp_path / "draft"))
    runner.forward([Span(0, 0, ids[:-1], "dora")])
    (found,) = runner.forward([Span(0, len(ids) - 1, ids[-1:], "dora")]).logits
    off = (found - expected).norm() / (unlike - expected).norm()
    assert off < (0.2 if eight_bit else 1e-3), off


def test_a_dora_adapter_is_shrunk_towards_base_until_it_is_within_the_budget(tiny, tmp_path):  # noqa: F811
    how = replace(SMALL, method="dora", epochs=9, learning_rate=2e-2, kl_budget=1e-4)
    examples = examples_for(tiny)
    held = on_cpu(tiny, examples[:1], tmp_path / "draft", how, general=[(e.prompt_ids, e.reply_ids) for e in examples])
    assert 0 < held.kept < 1 and held.divergence <= 1e-4


async def test_dora_is_refused_where_vllm_serves(model_folder, tmp_path, store):
    folder, _ = make_adapter(model_folder, tmp_path / "adapter", use_dora=True)
    base = Base(model_folder, "the model", "hash", "aaaa")
    registry = Registry(store, tmp_path / "data")
    with pytest.raises(AdapterRefused, match="DoRA, which vLLM does not serve"):
        install(registry, folder, base, "r1-aaaa-512", 64, engine="vllm")
    assert install(registry, folder, base, "r1-aaaa-512", 64).method == "dora"
    with pytest.raises(AdapterRefused, match="DoRA, which vLLM does not serve"):
        await VllmEngine.install(SimpleNamespace(_folders={}), "v", folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["use_dora"]
