"""The gate's benchmark: pairs as they are meant, the rule's error, and a recorded pair."""

import json
import random

import pytest

from bench import gate
from core.errors import InvalidInput
from core.records import GateReport, ItemScore, SliceScore, to_json
from training.verdict import Paired, decide


def test_an_even_pair_differs_where_it_should_and_swaps_keep_the_pair():
    pair = gate.even_pair(60, random.Random(1))
    new = pair["new"]
    assert len(new.before) == 200 and sum(new.counts) == 60
    turned = gate._swap(new, random.Random(2))
    assert sum(turned.counts) == 60 and turned != new
    assert all({a, b} == {c, d} for a, b, c, d in zip(new.before, new.after, turned.before, turned.after, strict=True))


def test_equal_versions_are_promoted_in_one_case_of_twenty_at_most(monkeypatch):
    monkeypatch.setattr(gate, "SWAPS", 2000)
    found = gate.swaps(gate.even_pair(50, random.Random(0)), random.Random(0))
    assert 0.01 < found["promote"] <= gate.MOST_FALSE and found["reject"] < 0.1
    assert found["promote"] + found["reject"] + found["not enough evidence"] == pytest.approx(1)


def test_equal_versions_are_promoted_as_rarely_where_thumbs_and_documents_are_evidence_too(monkeypatch):
    monkeypatch.setattr(gate, "SWAPS", 2000)
    chance = random.Random(0)
    pair = gate.with_likelihoods(gate.even_pair(50, chance), chance)
    assert all(sum(pair[name].counts) > 20 for name in ("new", "thumbs", "domain"))
    found = gate.swaps(pair, chance)
    assert 0.01 < found["promote"] <= gate.MOST_FALSE


def test_power_is_that_of_the_binomial():
    # Five discordant prompts: only five wins are significant, 0.65**5.
    assert gate.sign_test_power(5, 0.65) == pytest.approx(0.65**5)
    assert gate.sign_test_power(100, 0.65) == pytest.approx(0.912, abs=1e-3)


def test_a_slice_forgotten_by_half_is_hardly_ever_promoted():
    chance = random.Random(3)
    outcomes = [decide(gate.forgetful(0.5, chance))[0] for _ in range(300)]
    assert outcomes.count("promote") < 30 and outcomes.count("reject") > 100


def write(tmp_path, report: GateReport | None):
    file = tmp_path / "shown.json"
    file.write_text(json.dumps({"report": json.loads(to_json(report)) if report else None}))
    return file


def test_a_recorded_pair_is_read_as_the_gate_wrote_it(tmp_path):
    scores = tuple(ItemScore(str(n), 0.0, n % 2) for n in range(10))
    slices = tuple(SliceScore(name, 10, "m", 0, 0.5, 0, 1, None, scores) for name in ("new", "general"))
    report = GateReport("c", "b", (), (), (), 1.0, slices, (), "reject", ".")
    pair = gate.read_pair(write(tmp_path, report))
    assert pair["new"] == Paired([0.0] * 10, [0.0, 1.0] * 5) and pair["new"].counts == (5, 0)


@pytest.mark.parametrize("what", ["missing", "never judged", "without scores"])
def test_what_holds_no_scores_is_refused_in_a_sentence(tmp_path, what):
    file = tmp_path / "none.json"
    if what == "never judged":
        file = write(tmp_path, None)
    elif what == "without scores":
        slices = (SliceScore("new", 1, "m", 0, 0, 0, 0), SliceScore("general", 1, "m", 0, 0, 0, 0))
        file = write(tmp_path, GateReport("c", "b", (), (), (), 1.0, slices, (), "reject", "."))
    with pytest.raises(InvalidInput, match="holds no scores" if what == "without scores" else "no gate report"):
        gate.read_pair(file)
