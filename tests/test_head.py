"""The outcome head: what it minimises, what calibrates it, what it is judged by, and how it is kept and refused."""

import math
import random

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM

from adapters.install import install
from adapters.manifest import HEAD, HEAD_BIAS, HEAD_REPLY, HEAD_STATE, WEIGHTS, describe, read_tensors, seal, version_id
from adapters.registry import Registry
from adapters.verify import verify
from core.errors import AdapterRefused
from core.records import HeadReport
from serving.confidence import read_head
from tests.adapter_files import IDENTITY, SHAPES, write_base, write_head, write_peft
from training.calibration import auc, calibration_error, interval
from training.examples import Outcome
from training.head import MIN_OUTCOMES, OutcomeHead, fit, learn_head, outcome_loss, platt
from training.report import head_line


def outcomes_of(values, graded=False) -> list[Outcome]:
    return [Outcome((1, 2, n), (3,), f"turn-{n}", "", value, graded) for n, value in enumerate(values)]


def test_the_loss_is_cross_entropy_and_of_marks_the_squared_error():
    logits = torch.tensor([0.0, math.log(3), 0.0, math.log(3)])
    values = torch.tensor([1.0, 0.0, 1.0, 0.25])
    graded = torch.tensor([False, False, True, True])
    terms = [math.log(2), math.log(4), 0.25, 0.25]
    assert outcome_loss(logits, values, graded).item() == pytest.approx(sum(terms) / 4)


def test_auc_counts_pairs_in_order_and_ties_half():
    assert auc([1, 0, 1, 0], [0.9, 0.8, 0.3, 0.1]) == 3 / 4
    assert auc([1, 0], [0.5, 0.5]) == 1 / 2
    assert auc([0.7, 0.2, 0.4], [0.9, 0.9, 0.1]) == (0.5 + 1) / 2
    assert auc([1, 1], [0.1, 0.2]) is None


def test_the_calibration_error_is_of_bins_with_as_many_answers_each():
    low, high = [0.2] * 10, [0.9] * 10
    outcomes = [1] * 4 + [0] * 6 + [1] * 8 + [0] * 2
    assert calibration_error(outcomes, low + high, bins=2) == pytest.approx((abs(0.4 - 0.2) + abs(0.8 - 0.9)) / 2)
    assert calibration_error([1, 0], [0.5, 0.5]) == 0.0


def test_an_interval_holds_the_figure_and_draws_whole_groups():
    draw = random.Random(0)
    outcomes = [draw.random() < 0.5 for _ in range(80)]
    chances = [0.4 * o + 0.6 * draw.random() for o in outcomes]
    low, high = interval(auc, outcomes, chances)
    assert low < auc(outcomes, chances) < high and (low, high) == interval(auc, outcomes, chances)
    four_times = interval(auc, outcomes * 4, chances * 4, [*range(80)] * 4)
    assert four_times[1] - four_times[0] == pytest.approx(high - low, rel=0.2), "copies are no evidence"


def test_platts_line_makes_logits_chances():
    """Of 4 + 4 answers the targets are 5/6 and 1/6; where three of four are good their mean is 2/3: log 2 in logits."""
    logits, values = torch.tensor([1.0] * 4 + [-1.0] * 4), torch.tensor([1.0, 1, 1, 0, 1, 0, 0, 0])
    slope, intercept = platt(logits.double(), values.double())
    assert (slope, intercept) == (pytest.approx(math.log(2), abs=1e-5), pytest.approx(0, abs=1e-5))


def test_a_head_tells_answers_it_has_not_seen_apart_and_its_chances_come_true():
    torch.manual_seed(0)
    states = torch.randn(900, 16) * torch.logspace(-2, 2, 16) + 3
    logits = 1.5 * (states[:, 0] - 3) / 0.01 - (states[:, 5] - 3) / states[:, 5].std()
    values = (torch.rand(900) < torch.sigmoid(logits)).float().tolist()
    head = fit(states[:400], outcomes_of(values[:400]))
    chances = head.chances(states[400:])
    assert auc(values[400:], chances) > auc(values[400:], logits[400:].tolist()) - 0.02
    assert calibration_error(values[400:], chances) < 0.08
    again = fit(states[:400], outcomes_of(values[:400]))
    assert torch.equal(again.weight, head.weight) and again.bias == head.bias


def test_how_likely_a_reply_is_counts_beside_hundreds_of_values_that_tell_nothing():
    """Even where that tells apart all that is learned from, so that no finite weight of it would be the best."""
    torch.manual_seed(0)
    values = [1.0, 0.0] * 200
    likely = torch.tensor([[0.9, 0.95], [0.3, 0.7]]).repeat(200, 1) + 0.05 * torch.randn(400, 2)
    inputs = torch.cat([torch.randn(400, 500), likely], 1)
    head = fit(inputs[:120], outcomes_of(values[:120]))
    chances = head.chances(inputs[120:])
    assert auc(values[120:], chances) > 0.99 and calibration_error(values[120:], chances) < 0.05


def test_marks_are_learned_as_marks():
    torch.manual_seed(0)
    states = torch.randn(200, 4)
    marks = torch.sigmoid(2 * states[:, 1]).tolist()
    head = fit(states, outcomes_of(marks, graded=True))
    assert max(abs(a - b) for a, b in zip(head.chances(states), marks, strict=True)) < 0.15


def test_without_enough_of_either_sign_or_without_any_signal_there_is_no_head():
    few = outcomes_of([1.0] * 50 + [0.0] * (MIN_OUTCOMES - 1))
    head, report = learn_head(None, few, (), "cpu", None, 1024)
    assert head is None and (report.good, report.bad) == (50, MIN_OUTCOMES - 1)
    assert head_line(report).startswith("no outcome head: 50 answers that worked and 19 that did not are known")
    assert fit(torch.zeros(60, 4), outcomes_of([1.0, 0.0] * 30)) is None


def test_a_report_tells_what_is_known():
    assert head_line(HeadReport(30, 25)).endswith("no frozen answers of both signs to judge it by")
    assert head_line(HeadReport(30, 25, "", 12, 0.8125, 0.0512)) == (
        "outcome head: learned from 30 answers that worked and 25 that did not; "
        "on 12 frozen answers AUC 0.81, calibration error 0.05"
    )


def with_head(folder, size=6, seed=0):
    write_head(write_peft(folder), np.random.default_rng(seed).standard_normal(size), 0.5)
    return folder


def check(folder, version=None):
    return verify(folder, "the model", "base-hash", SHAPES, IDENTITY, version)


def test_a_head_is_part_of_a_versions_name_and_goes_where_it_goes(tmp_path, store):
    bare, headed = write_peft(tmp_path / "bare"), with_head(tmp_path / "headed")
    one, two, other = (
        describe(folder, "the model", "base-hash", IDENTITY).id
        for folder in (bare, headed, with_head(tmp_path / "other", seed=1))
    )
    assert len({one, two, other}) == 3
    assert one == version_id(check(bare), read_tensors(bare / WEIGHTS)), "what has no head is named as before"
    registry = Registry(store, tmp_path / "adapters")
    kept = install(registry, headed, write_base(tmp_path / "base"), IDENTITY, 16)
    assert kept.id == two and check(registry.path(two), two).id == two
    (registry.path(two) / HEAD).unlink()
    with pytest.raises(AdapterRefused, match="do not match their name"):
        check(registry.path(two), two)


def _tensors(folder, **tensors):
    tensors = {HEAD_STATE: np.ones((1, 6)), HEAD_REPLY: np.ones((1, 2)), HEAD_BIAS: [0]} | tensors
    save_file({name: np.asarray(value, "float32") for name, value in tensors.items()}, folder / HEAD)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: _tensors(f, **{HEAD_STATE: np.ones((1, 7))}), r"shape \[1, 7\]"),
        (lambda f: _tensors(f, **{HEAD_REPLY: np.ones((1, 3))}), r"shape \[1, 3\]"),
        (lambda f: _tensors(f, **{HEAD_STATE: np.full((1, 6), np.nan)}), "not finite"),
        (lambda f: _tensors(f, **{HEAD_BIAS: [1e9]}), "norm"),
        (lambda f: save_file({HEAD_STATE: np.ones((1, 6), "float32")}, f / HEAD), "nothing else"),
        (lambda f: _tensors(f, more=[1]), "nothing else"),
        (lambda f: (f / HEAD).write_bytes(b"hello"), "cannot be read"),
    ],
)
def test_a_head_that_cannot_be_trusted_is_refused(tmp_path, damage, reason):
    folder = with_head(tmp_path / "a")
    check(folder)
    damage(folder)
    with pytest.raises(AdapterRefused, match=reason):
        check(folder)


def test_serving_reads_what_training_wrote_and_peft_loads_the_folder_as_before(tmp_path, base, letters):
    head = OutcomeHead(torch.linspace(-0.1, 0.1, 578).double(), -0.25)
    folder = tmp_path / "a"
    folder.mkdir()
    for file in letters["a"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    head.save(folder)
    seal(folder, describe(folder, base.name, base.hash, IDENTITY))
    verify(folder, base.name, base.hash, base.shapes(), IDENTITY)
    states, said = torch.randn(3, 576), [[-0.5, -1.5], [-2.0], [-0.1, -0.2, -0.3]]
    served = read_head(folder, 576, "cpu")
    told = [served.confidence(state, each) for state, each in zip(states, said, strict=True)]
    inputs = torch.cat([states, torch.tensor([[-2.0, -1.0], [-2.0, -2.0], [-0.6, -0.2]]).exp()], 1)
    assert told == pytest.approx(head.chances(inputs), abs=1e-5)
    with pytest.raises(AdapterRefused, match="reads 576 values"):
        read_head(folder, 64, "cpu")
    assert read_head(letters["a"], 576, "cpu") is None
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)
    assert PeftModel.from_pretrained(model, folder).peft_config["default"].r == 8
