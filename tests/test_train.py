"""Training on the real model: what the loss is, what is written, and what is said when it cannot be."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from adapters.base import load_tokenizer
from adapters.manifest import read_tensors
from core.errors import DiskFull
from core.prompt import Renderer
from core.records import Message
from core.settings import Settings
from training.checkpoints import Checkpoints
from training.examples import Example
from training.hands import Hands
from training.hyperparameters import Hyperparameters
from training.journal import Journal
from training.material import Material, Means
from training.objectives import log_probabilities, rows_of, token_logits, total_loss
from training.packing import pack, packed_tokens
from training.plan import rate_share, shares
from training.room import NotEnoughMemory, affordable
from training.train import train
from training.watch import Watch

ROOT = Path(__file__).resolve().parent.parent
SMALL = Hyperparameters(rank=2, alpha=4, epochs=2, batch=4)
FULL_DISK = """
import resource, signal, sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from tests.test_train import SMALL, examples_for, on_cpu
from adapters.base import prepare_base
from core.errors import DiskFull
tiny = replace(prepare_base(None, Path(sys.argv[1])), folder=Path(sys.argv[3]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
try:
    on_cpu(tiny, examples_for(tiny), Path(sys.argv[2]))
except DiskFull as error:
    print("said:", error)
"""


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    """Other people's load must not make tests slow."""
    monkeypatch.setattr("training.sharing.REST", 0.0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, base):
    """A model of two layers, for what does not depend on what a model knows."""
    folder = tmp_path_factory.mktemp("tiny")
    config = LlamaConfig(
        vocab_size=AutoConfig.from_pretrained(base.folder).vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    torch.manual_seed(1)
    LlamaForCausalLM(config).save_pretrained(folder)
    load_tokenizer(base).save_pretrained(folder)
    return replace(base, folder=folder)


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


def means(draft: Path, **fields) -> Means:
    settings = Settings(data_dir=draft.parent)
    made = {
        "device": "cpu",
        "dtype": torch.float32,
        "draft": draft,
        "checkpoints": Checkpoints(draft.parent / "training", draft.name),
        "journal": Journal(draft.parent / "training", draft.name, settings, False),
    }
    return Means(**made | fields)


def on_cpu(base, examples, draft, how=SMALL, progress=lambda stage, done, total: None, **fields):
    material = Material(
        examples, *(fields.pop(name, ()) for name in ("watch", "general", "domain", "replay", "passes"))
    )
    with (used := means(draft, **fields)).journal:
        return train(base.folder, material, how, used, progress)


def test_the_rate_warms_up_and_cools_down_for_any_number_of_steps():
    for steps in (1, 2, 3, 10, 100):
        shares = [rate_share(step, steps, 0.1) for step in range(steps)]
        assert max(shares) == 1.0 and all(0 < share <= 1 for share in shares)
        assert shares[shares.index(1.0) :] == sorted(shares[shares.index(1.0) :], reverse=True)


def test_packed_rows_give_each_row_the_log_probability_it_has_alone(base):
    examples = examples_for(base)
    pair = replace(examples[0], objective="pair", rejected_ids=examples[1].reply_ids)
    rows = rows_of([*examples, pair])
    packed = pack(rows)
    assert len(packed.ids[0]) == packed_tokens(rows) < sum(len(p) + len(r) for p, r in rows)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True).eval()
    by_hand = []
    with torch.no_grad():
        for prompt, reply in rows:
            logits = model(torch.tensor([[*prompt, *reply]])).logits[0].log_softmax(-1)
            by_hand.append(float(sum(logits[len(prompt) - 1 + n, token] for n, token in enumerate(reply))))
        found = log_probabilities(token_logits(model, packed), packed, len(rows))
    assert found.tolist() == pytest.approx(by_hand, rel=1e-4)


def test_losses_are_those_of_their_papers():
    row = {"prompt_ids": (1,), "source": "t"}
    sft = Example(reply_ids=(1, 2), weight=3.0, **row)
    pair = Example(reply_ids=(1, 2, 3, 4), rejected_ids=(5,), objective="pair", **row)
    good, bad = (Example(reply_ids=(1,), objective=o, weight=0.5, **row) for o in ("desirable", "undesirable"))
    log_probs = torch.tensor([-4.0, -8.0, -5.0, -2.0, -3.0])
    base = [0.0, -10.0, -3.0, -4.0, -1.0]
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    expected = {
        "sft": 3.0 * 4.0 / 2,
        "pair": 8.0 / 4 - math.log(sigmoid(0.1 * ((-8 + 10) - (-5 + 3)))),
        "good": 0.5 * (2.0 / 1 + 1 - sigmoid(0.1 * (-2 + 4))),
        "bad": 0.5 * sigmoid(0.1 * (-3 + 1)),
    }
    assert float(total_loss([sft], log_probs[:1], base[:1])) == pytest.approx(expected["sft"])
    assert float(total_loss([pair], log_probs[1:3], base[1:3])) == pytest.approx(expected["pair"])
    assert float(total_loss([sft, pair, good, bad], log_probs, base)) == pytest.approx(sum(expected.values()))


def log_prob(model, prompt, reply) -> float:
    packed = pack([(prompt, reply)])
    with torch.no_grad():
        return float(log_probabilities(token_logits(model, packed), packed, 1))


def tuned(base, draft):
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)
    return PeftModel.from_pretrained(model, draft)


@pytest.mark.parametrize(("objective", "way"), [("pair", 1), ("desirable", 1), ("undesirable", -1)])
def test_each_kind_of_feedback_moves_its_reply_the_way_it_says(tiny, tmp_path, objective, way):
    example, other, _ = examples_for(tiny)
    rejected = other.reply_ids if objective == "pair" else ()
    example = replace(example, objective=objective, rejected_ids=rejected)
    on_cpu(tiny, [example], tmp_path / "draft", replace(SMALL, epochs=12, learning_rate=1e-2))
    model = tuned(tiny, tmp_path / "draft")
    gains = []
    for reply in (example.reply_ids, other.reply_ids):
        with model.disable_adapter():
            before = log_prob(model, example.prompt_ids, reply)
        gains.append(log_prob(model, example.prompt_ids, reply) - before)
    assert way * gains[0] > 0.1
    if objective == "pair":
        assert gains[0] - gains[1] > 0.1


def test_a_budget_keeps_the_tuned_model_nearer_to_base(base, tmp_path):
    examples = examples_for(base)
    how = replace(SMALL, epochs=9, learning_rate=5e-3)
    general = [(e.prompt_ids, e.reply_ids) for e in examples[1:]]
    free = on_cpu(base, examples[:1], tmp_path / "free", replace(how, kl_budget=math.inf), general=general)
    held = on_cpu(base, examples[:1], tmp_path / "held", replace(how, kl_budget=0.001), general=general)
    assert held.divergences[0] == free.divergences[0] and held.divergences[-1] < 0.7 * free.divergences[-1]
    assert free.kept == 1 and free.divergence > 0.001
    assert 0 < held.kept < 1 and 0.0001 < held.divergence <= 0.001


def test_few_examples_are_read_more_often_than_many_and_general_ones_once_in_all(tiny, tmp_path):
    assert [Hyperparameters(batch=8).passes(count) for count in (0, 1, 200, 480, 1000, 10000)] == [8, 8, 8, 5, 3, 3]
    assert Hyperparameters(epochs=2).passes(10000) == 2
    learn, *general = examples_for(tiny)
    done = on_cpu(tiny, [learn], tmp_path / "draft", replace(SMALL, epochs=3), replay=general)
    read = [learn] * 3 + general
    assert done.tokens == sum(len(e.prompt_ids) + len(e.reply_ids) for e in read) and len(done.losses) == 3


def test_each_pass_reads_what_is_its_own(tiny, tmp_path):
    first, second, third = examples_for(tiny)
    passes = [frozenset({first.source}), frozenset({second.source, third.source}), frozenset({first.source})]
    done = on_cpu(tiny, [first, second, third], tmp_path / "draft", replace(SMALL, epochs=9), passes=passes)
    read = [first, second, third, first]
    assert done.tokens == sum(len(e.prompt_ids) + len(e.reply_ids) for e in read) and len(done.losses) == 3


def test_it_ends_when_what_is_watched_grows_worse_and_keeps_what_was_best(tiny, tmp_path):
    first, second, _ = examples_for(tiny)
    against = replace(first, reply_ids=second.reply_ids)
    how = replace(SMALL, epochs=20, learning_rate=1e-2)
    done = on_cpu(tiny, [first], tmp_path / "draft", how, watch=[against])
    assert "grew worse" in done.ended_early and len(done.losses) < 20


@pytest.mark.parametrize(
    ("passes", "over", "kept"),
    [
        ([(8, 2.0), (7, 3.0), (9, 9.0)], False, 2),  # right more often, though the loss has grown
        ([(9, 1.0), (8, 2.0)], False, 1),  # as good but for chance, and later
        ([(9, 1.0), (3, 0.5), (4, 0.4)], True, 0),
        ([(0, 2.0), (0, 1.0), (0, 1.5)], False, 1),  # nothing is right: the loss decides
        ([(0, 1.0), (0, 2.0), (0, 3.0)], True, 0),
        ([(9, 1.0), (8, 1.0), (7, 1.0), (6, 1.0), (5, 1.0)], True, 1),  # it does not slide down by chance
    ],
)
def test_the_pass_that_is_right_most_often_is_kept(monkeypatch, passes, over, kept):
    monkeypatch.setattr("training.watch.get_peft_model_state_dict", lambda model: {"pass": torch.tensor(model)})
    watch = Watch([Example((1,), (2,), "")] * 10, "cpu")
    with Hands(1) as hands:
        for number, (right, loss) in enumerate(passes):
            left = iter([True] * right + [False] * 10)
            monkeypatch.setattr("training.watch._losses", lambda *of, left=left, loss=loss: (next(left), [loss]))
            watch.look(number, hands)
    assert (watch.is_over, watch.state[1]["pass"].item()) == (over, kept)


def test_its_time_is_a_limit_and_what_was_learned_until_then_is_kept(tiny, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("training.train.time", SimpleNamespace(monotonic=lambda: now[0]))

    def a_second_passes(stage, done, total):
        now[0] += 1

    how = replace(SMALL, epochs=500)
    done = on_cpu(tiny, examples_for(tiny), tmp_path / "draft", how, a_second_passes, seconds=6.0)
    assert "time was over after 7 of 500" in done.ended_early and len(done.losses) == 7
    assert done.losses[-1] < done.losses[0] and (tmp_path / "draft" / "adapter_model.safetensors").is_file()


def test_a_run_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(tiny, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(stage, done, total):
        if done == 3:
            raise Killed

    how = replace(SMALL, epochs=5)
    whole = on_cpu(tiny, examples_for(tiny), tmp_path / "whole", how)
    monkeypatch.setattr("training.train.SAVE_S", 0)
    kept = Checkpoints(tmp_path / "training", "killed")
    with pytest.raises(Killed):
        on_cpu(tiny, examples_for(tiny), tmp_path / "killed", how, kill, checkpoints=kept)
    made = []
    again = on_cpu(tiny, examples_for(tiny), tmp_path / "killed", how, lambda *at: made.append(at[1]), checkpoints=kept)
    assert made == [3, 4, 5] and again.losses == whole.losses and kept.load() is None
    one, two = (read_tensors(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "killed"))
    assert all(one[n].data == two[n].data for n in one)


@pytest.mark.parametrize("killed_at", [2, 4])
def test_a_run_that_was_killed_among_documents_or_after_them_goes_on(tiny, tmp_path, monkeypatch, killed_at):
    def kill(stage, done, total):
        if done == killed_at:
            raise KeyboardInterrupt

    passages = [Example((n,), (n + 1, n + 2, n + 3), "") for n in range(10, 20)]
    general = [(e.prompt_ids, e.reply_ids) for e in examples_for(tiny)[:2]]
    given = {"domain": passages, "general": general}
    whole = on_cpu(tiny, examples_for(tiny), tmp_path / "whole", **given)
    assert len(whole.losses) == 3 + 2 and whole.divergence > 0
    monkeypatch.setattr("training.train.SAVE_S", 0)
    kept = Checkpoints(tmp_path / "training", "killed")
    with pytest.raises(KeyboardInterrupt):
        on_cpu(tiny, examples_for(tiny), tmp_path / "killed", progress=kill, checkpoints=kept, **given)
    again = on_cpu(tiny, examples_for(tiny), tmp_path / "killed", checkpoints=kept, **given)
    assert (again.losses, again.divergence) == (whole.losses, whole.divergence)


def test_a_checkpoint_of_another_run_or_a_torn_one_is_not_taken(tmp_path):
    kept = Checkpoints(tmp_path, "one")
    kept.save({"losses": [1.0]})
    assert kept.load() == {"losses": [1.0]} and Checkpoints(tmp_path, "two").load() is None
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:100])
    assert kept.load() is None


def test_curves_are_written_for_tensorboard_and_without_a_network_for_wandb(tiny, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = Settings(data_dir=tmp_path, wandb_project="ours", wandb_offline=True)
    journal = Journal(tmp_path / "training", "abc", settings, False)
    on_cpu(tiny, examples_for(tiny), tmp_path / "draft", journal=journal)
    events = EventAccumulator(str(tmp_path / "training" / "tensorboard" / "abc")).Reload()
    assert [e.step for e in events.Scalars("loss")] == [1, 2]
    assert list((tmp_path / "training").glob("wandb/offline-run-*/run-abc.wandb"))


def test_it_learns_says_how_far_it_is_and_a_seed_makes_it_again(base, tmp_path):
    seen = []
    one, two = (
        on_cpu(base, examples_for(base), tmp_path / name, progress=lambda *at: seen.append(at)) for name in "ab"
    )
    assert seen[:2] == [("learning", 1, 2), ("learning", 2, 2)]
    assert one.losses == two.losses and one.losses[-1] < one.losses[0] and one.ended_early is None
    first, second = (read_tensors(tmp_path / name / "adapter_model.safetensors") for name in "ab")
    assert first.keys() == second.keys() and all(first[n].data == second[n].data for n in first)


def test_what_progress_raises_ends_the_training(tiny, tmp_path):
    def lost(stage, done, total):
        raise DiskFull("stop")

    with pytest.raises(DiskFull):
        on_cpu(tiny, examples_for(tiny), tmp_path / "draft", progress=lost)
    assert not (tmp_path / "draft").exists()


def test_a_full_disk_is_a_sentence(base, tiny, tmp_path):
    code = [sys.executable, "-c", FULL_DISK, str(base.folder.parent.parent), str(tmp_path / "draft"), str(tiny.folder)]
    done = subprocess.run(code, cwd=ROOT, capture_output=True, text=True)
    assert "said: the adapter could not be written" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")]
)
def test_memory_that_runs_out_in_the_middle_is_a_sentence(tiny, tmp_path, monkeypatch, error):
    losses = iter([total_loss])

    def loss(*given):
        if (compute := next(losses, None)) is None:
            raise error
        return compute(*given)

    monkeypatch.setattr("training.train.total_loss", loss)
    with pytest.raises(NotEnoughMemory, match="ran out"):
        on_cpu(tiny, examples_for(tiny), tmp_path / "draft")
    assert not (tmp_path / "draft").exists()


def test_memory_is_checked_before_it_is_taken(base):
    assert affordable(base.folder, 1024, 2**36, 4, 300, 2) == (1024, 2)
    few, _ = affordable(base.folder, 1024, 3 * 2**30, 4, 200)
    assert 256 <= few < 1024
    assert affordable(base.folder, 1024, 3 * 2**30, 4, few, 2) == (few, 1)
    with pytest.raises(NotEnoughMemory, match="GiB are free"):
        affordable(base.folder, 1024, 2**29, 4, 200)
    with pytest.raises(NotEnoughMemory, match="GiB are free"):
        affordable(base.folder, 1024, 3 * 2**30, 4, few + 1)


def test_pieces_made_side_by_side_are_steps_of_the_whole(tiny, tmp_path, monkeypatch):
    """However many hands there are, each step learns the mean over its batch."""
    examples = examples_for(tiny)
    found = []
    for count in (1, 3):
        monkeypatch.setattr("training.train.useful_hands", lambda device, count=count: count)
        found.append(on_cpu(tiny, examples, tmp_path / str(count)))
    one, three = (read_tensors(tmp_path / name / "adapter_model.safetensors") for name in "13")
    assert found[0].losses == pytest.approx(found[1].losses, rel=1e-5)
    for name, tensor in one.items():
        a, b = (torch.frombuffer(bytearray(t.data), dtype=torch.float32) for t in (tensor, three[name]))
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_what_goes_wrong_in_a_piece_is_raised():
    def fail(piece):
        raise RuntimeError(f"{piece} failed")

    with Hands(2) as hands, pytest.raises(RuntimeError, match="a failed"):
        hands.map(fail, "ab")


def test_a_batch_is_shared_out_evenly_and_nothing_twice(tiny):
    example, *_ = examples_for(tiny)
    examples = [replace(example, reply_ids=tuple(range(n))) for n in (1, 40, 3, 20, 25, 2)]
    pieces = shares(range(6), examples, 2, 10_000)
    assert sorted(n for piece in pieces for n in piece) == list(range(6)) and len(pieces) == 2
    lengths = [sum(len(examples[n].reply_ids) for n in piece) for piece in pieces]
    assert abs(lengths[0] - lengths[1]) <= 15
    assert all(len(piece) == 1 for piece in shares(range(6), examples, 2, 1))
