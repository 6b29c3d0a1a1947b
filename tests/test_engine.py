"""The local engine does what every engine does, and says how sure a version with an outcome head is."""

import shutil

import numpy as np
import pytest
import pytest_asyncio
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from core.records import BASE
from serving.engine import Sampling
from tests.adapter_files import write_head
from tests.engine_contract import EngineContract, deltas_of
from tests.warm import WarmEngine
from training.examples import Outcome
from training.hands import Hands
from training.head import OutcomeHead, head_inputs


@pytest.fixture(scope="module")
def places():
    return 6


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(base, places):
    engine = WarmEngine(base, 4, places - 4)
    await engine.start()
    yield engine
    await engine.close()


@pytest.mark.asyncio(loop_scope="module")
class TestLocalEngine(EngineContract):
    async def test_the_last_delta_says_how_sure_a_version_with_a_head_is(
        self, engine, ask, installed, letters, base, tmp_path
    ):
        """Of what its passes made anyway, and as training reads the same reply in one pass."""
        weight = np.random.default_rng(0).standard_normal(576) / 24
        folder = write_head(shutil.copytree(letters["a"], tmp_path / "a"), weight, 0.25, (2.0, -2.0))
        head = OutcomeHead(torch.tensor([*weight, 2.0, -2.0]), 0.25)
        version = "e" * 64
        await engine.install(version, folder)
        assert engine.is_confident(version)
        assert not any(engine.is_confident(other) for other in (BASE, *installed.values()))
        sampled = ask("What is the capital of France?", version=version, sampling=Sampling(temperature=1.5, seed=3))
        requests = [sampled, ask(version=version), ask(version=version, ignore_eos=True)]
        told = [await deltas_of(engine, request) for request in requests]
        outcomes = []
        for request, deltas in zip(requests, told, strict=True):
            text = "".join(delta.text for delta in deltas)
            ids = engine._tokenizer.encode(text, add_special_tokens=False)
            if deltas[-1].finish_reason == "stop":
                ids.append(engine._tokenizer.eos_token_id)
            outcomes.append(Outcome(request.prompt_ids, tuple(ids), "", "", 1.0))
        model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)
        tuned = PeftModel.from_pretrained(model, letters["a"]).eval()
        with Hands(1) as hands:
            expected = head.chances(head_inputs(tuned, outcomes, "cpu", hands, 1024))
        assert [deltas[-1].confidence for deltas in told] == pytest.approx(expected, abs=2e-3)
        assert {delta.confidence for deltas in told for delta in deltas[:-1]} <= {None}
        assert (await deltas_of(engine, ask()))[-1].confidence is None
        await engine.retire(version)
        assert not engine.is_confident(version)
