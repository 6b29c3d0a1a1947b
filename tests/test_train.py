"""Training on the real model: what the loss is, what is written, and what is said when it cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from adapters.base import load_tokenizer
from adapters.manifest import read_tensors
from core.errors import DiskFull
from core.prompt import Renderer
from core.records import Message
from training.examples import Example
from training.train import Hyperparameters, NotEnoughMemory, affordable_tokens, batch_loss, rate_share, train

ROOT = Path(__file__).resolve().parent.parent
SMALL = Hyperparameters(rank=2, alpha=4, epochs=2, batch=4)
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tests.test_train import SMALL, examples_for, on_cpu
from adapters.base import prepare_base
from core.errors import DiskFull
base = prepare_base(None, Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    on_cpu(base, examples_for(base), Path(sys.argv[2]))
except DiskFull as error:
    print("said:", error)
"""


def examples_for(base) -> list[Example]:
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, 512)
    rows = [
        ("Hello!", "Good day."),
        ("What is the capital of France, and of Italy?", "Paris, and Rome."),
        ("Bye", "Bye."),
    ]
    return [
        Example(renderer.render([Message("user", q)]).ids, tuple(renderer.reply_ids(a)), f"turn-{n}", weight=1.0 + n)
        for n, (q, a) in enumerate(rows)
    ]


def on_cpu(base, examples, draft, how=SMALL, progress=lambda stage, done, total: None):
    return train(base.folder, examples, how, draft, "cpu", torch.float32, progress)


def test_the_rate_warms_up_and_cools_down_for_any_number_of_steps():
    for steps in (1, 2, 3, 10, 100):
        shares = [rate_share(step, steps, 0.1) for step in range(steps)]
        assert max(shares) == 1.0 and all(0 < share <= 1 for share in shares)
        assert shares[shares.index(1.0) :] == sorted(shares[shares.index(1.0) :], reverse=True)


def test_the_loss_is_the_replys_alone_whatever_is_padded(base):
    examples = examples_for(base)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True).eval()
    by_hand = 0.0
    with torch.no_grad():
        for e in examples:
            logits = model(torch.tensor([e.prompt_ids + e.reply_ids])).logits[0].log_softmax(-1)
            chosen = [logits[len(e.prompt_ids) - 1 + n, token] for n, token in enumerate(e.reply_ids)]
            by_hand -= e.weight * float(sum(chosen)) / len(chosen)
        assert float(batch_loss(model, examples, 0, "cpu")) == pytest.approx(by_hand, rel=1e-4)


def test_it_learns_says_how_far_it_is_and_a_seed_makes_it_again(base, tmp_path):
    seen = []
    one, two = (
        on_cpu(base, examples_for(base), tmp_path / name, progress=lambda *at: seen.append(at)) for name in "ab"
    )
    assert seen[:2] == [("learning", 1, 2), ("learning", 2, 2)]
    assert one.losses == two.losses and one.losses[-1] < one.losses[0]
    first, second = (read_tensors(tmp_path / name / "adapter_model.safetensors") for name in "ab")
    assert first.keys() == second.keys() and all(first[n].data == second[n].data for n in first)


def test_what_progress_raises_ends_the_training(base, tmp_path):
    def lost(stage, done, total):
        raise DiskFull("stop")

    with pytest.raises(DiskFull):
        on_cpu(base, examples_for(base), tmp_path / "draft", progress=lost)
    assert not (tmp_path / "draft").exists()


def test_a_full_disk_is_a_sentence(base, tmp_path):
    code = [sys.executable, "-c", FULL_DISK, str(base.folder.parent.parent), str(tmp_path / "draft")]
    done = subprocess.run(code, cwd=ROOT, capture_output=True, text=True)
    assert "said: the adapter could not be written" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")]
)
def test_memory_that_runs_out_in_the_middle_is_a_sentence(base, tmp_path, monkeypatch, error):
    losses = iter([batch_loss])

    def loss(*given):
        if (compute := next(losses, None)) is None:
            raise error
        return compute(*given)

    monkeypatch.setattr("training.train.batch_loss", loss)
    with pytest.raises(NotEnoughMemory, match="ran out"):
        on_cpu(base, examples_for(base), tmp_path / "draft")
    assert not (tmp_path / "draft").exists()


def test_memory_is_checked_before_it_is_taken(base):
    assert affordable_tokens(base.folder, 1024, 2**36, 4, 300) == 1024
    few = affordable_tokens(base.folder, 1024, 3 * 2**30, 4, 200)
    assert 256 <= few < 1024
    with pytest.raises(NotEnoughMemory, match="GiB are free"):
        affordable_tokens(base.folder, 1024, 2**29, 4, 200)
    with pytest.raises(NotEnoughMemory, match="GiB are free"):
        affordable_tokens(base.folder, 1024, 3 * 2**30, 4, few + 1)
    assert affordable_tokens(base.folder, 1024, 3 * 2**30, 4, few) == few
