"""How learning is measured: the stream of batches, and figures of accuracies made by hand."""

from pathlib import Path

import pytest

from bench.continual import SIZES, summary
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
        assert (len(learn), len(ask)) == (250, 60) and {intent for _, intent in ask} == known
        assert not set(learn) & set(ask)
        counts = [sum(i == intent for _, i in learn) for intent in known]
        assert max(counts) - min(counts) <= 1
    assert stream == batches(DATA, 5, 2, 250, 60, seed=0) != batches(DATA, 5, 2, 250, 60, seed=1)


def test_ten_domains_have_fifteen_intents_each():
    assert len(DOMAINS) == 10 and all(len(names.split()) == 15 for names in DOMAINS.values())


def test_missing_data_is_a_sentence(tmp_path):
    with pytest.raises(InvalidInput, match="data_small.json is missing"):
        batches(tmp_path, 1, 1, 10, 10, 0)
