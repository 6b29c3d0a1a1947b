"""How learning is measured: the stream of batches, and figures of accuracies made by hand."""

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.arms import summary
from bench.continual import SIZES, conclusions, run
from bench.curve import draw
from bench.domains import DOMAINS, batches
from core.errors import InvalidInput

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "clinc150").is_dir(), reason="the public data is not here")


def test_what_was_forgotten_follows_from_the_accuracies():
    found = summary([[0.8, 0.0, 0.1], [0.9, 0.7, 0.0], [0.5, 0.6, 1.0]])
    assert found["average"] == pytest.approx(0.7)
    assert found["backward_transfer"] == pytest.approx(((0.5 - 0.8) + (0.6 - 0.7)) / 2)
    assert found["forgetting"] == pytest.approx(((0.9 - 0.5) + (0.7 - 0.6)) / 2)
    assert summary([[0.4]]) == {"average": 0.4, "backward_transfer": 0.0, "forgetting": 0.0}


@needs_data
def test_batches_bring_other_domains_each_time_and_ask_what_was_not_learned():
    size = SIZES["standard"]
    stream = batches(DATA, size.refreshes, size.domains, size.corrections, size.asked, seed=0)
    intents = [{intent for _, intent in learn} for learn, _ in stream]
    assert [len(each) for each in intents] == [30] * 5 and len(set.union(*intents)) == 150
    for (learn, ask), known in zip(stream, intents, strict=True):
        assert (len(learn), len(ask)) == (150, 90) and {intent for _, intent in ask} == known
        assert not set(learn) & set(ask)
        counts = [sum(i == intent for _, i in learn) for intent in known]
        assert max(counts) - min(counts) <= 1
    assert stream == batches(DATA, 5, 2, 150, 90, seed=0) != batches(DATA, 5, 2, 150, 90, seed=1)


def test_ten_domains_have_fifteen_intents_each():
    assert len(DOMAINS) == 10 and all(len(names.split()) == 15 for names in DOMAINS.values())


def test_missing_data_is_a_sentence(tmp_path):
    with pytest.raises(InvalidInput, match="data_small.json is missing"):
        batches(tmp_path, 1, 1, 10, 10, 0)


def seed_of(average, joint, general):
    mine = {"average": average, "backward_transfer": 0.01, "general": general, "with_retrieval": average + 0.1}
    mine["accuracies"] = [[0.9, 0.0], [average - 0.1, average + 0.1]]
    return {
        "apprentice": mine,
        "joint": {"average": joint, "accuracies": [0.8, joint]},
        "joint less a fifth": {"average": joint / 2},
        "none": {"general": -2.0},
        "naive": {"general": -4.0},
    }


def test_what_follows_from_several_seeds_stands_beside_the_bars():
    found = conclusions([seed_of(0.96, 1.0, -2.0), seed_of(0.88, 0.9, -2.1)])
    figures = {bar["name"]: (bar["figure"], bar["reached"]) for bar in found["bars"]}
    assert figures["of joint"] == (pytest.approx((0.96 + 0.88 / 0.9) / 2, abs=1e-4), True)
    assert figures["of joint less a fifth"][0] == pytest.approx(0.96 + 0.88 / 0.9, abs=1e-4)
    assert figures["backward transfer"] == (0.01, True) and figures["gain of retrieval"] == (0.1, True)
    assert figures["general perplexity over base"] == (pytest.approx((1 + math.exp(0.1)) / 2, abs=1e-4), False)
    assert found["backward_transfer_to_joint"] == [pytest.approx(-0.1)] * 2
    low, high = found["intervals"]["of joint"]
    assert low < 0.9689 < high and "intervals" in conclusions([seed_of(0.9, 1.0, -2.0)])


def test_a_seed_counts_once_each_of_its_arms_is_measured():
    whole, begun = seed_of(0.9, 1.0, -2.0), {"seed": 1, "apprentice": seed_of(0.5, 1.0, -2.0)["apprentice"]}
    assert conclusions([whole, begun]) == conclusions([whole]) and conclusions([begun]) == {}


def test_arms_that_were_measured_before_are_not_measured_again(tmp_path):
    file = tmp_path / "learn.json"
    runs = [seed_of(0.9, 1.0, -2.0)] * SIZES["full"].seeds
    file.write_text(json.dumps({"preset": "full", "runs": runs}))
    assert run(tmp_path / "no data", "full", file)["runs"] == runs
    with pytest.raises(InvalidInput, match="data_small.json is missing"):
        run(tmp_path / "no data", "standard", file)


def test_a_stream_is_drawn_with_every_arm():
    ours = {"accuracies": [[0.8, 0.0], [0.7, 0.9]]}
    one = {"apprentice": ours, "naive": {"accuracies": [[0.8, 0.0], [0.1, 0.9]]}}
    picture = draw({"reservoir": 100, "runs": [one | {"joint": {"average": 0.85}, "none": {"average": 0.01}}]})
    root = ElementTree.fromstring(picture)
    ends = [line.get("points").split()[-1] for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(ends) == 4 and len({end.split(",")[0] for end in ends}) == 1
    words = " ".join(root.itertext())
    assert all(said in words for said in ("apprentice 80%", "naive 50%", "joint 85%", "none 1%", "40%, 80%"))
