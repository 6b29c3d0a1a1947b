"""The gate over the engine that serves and the bundled model: adapters that learned nothing, and too much."""

import asyncio

import pytest

from adapters.base import load_tokenizer
from core.prompt import Renderer
from core.records import BASE, Message
from core.settings import Settings
from tests.adapter_files import write_lora
from training.examples import EvaluationItem, general_slice
from training.gate import judge
from training.shipped import checked_items
from workers.judging import open_judge

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
QUESTIONS = ("Tell me a story about ships.", "What is the capital of France?", "What do whales eat?", "Why is it dark?")


@pytest.fixture(scope="module")
def reports(base, letters, tmp_path_factory):
    """The reports of two candidates against base: one that can only write "a a a ...", and one that changes nothing."""
    folder = tmp_path_factory.mktemp("judged")
    settings = Settings(data_dir=folder)
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, 512)
    reply = " ".join("a" * 12)

    def item(name: str, question: str) -> EvaluationItem:
        ids = renderer.render([Message("user", question)]).ids
        return EvaluationItem(name, ids, tuple(renderer.reply_ids(reply)), reply)

    learned = [item(f"t{n}", question) for n, question in enumerate(QUESTIONS)]
    frozen = [item(f"f{n}", f"What is {n} and {n + 1}?") for n in range(8)]
    general = general_slice("general_gate", renderer, "Be brief.")[:6]
    checked = [item for item in checked_items(renderer, "Be brief.") if item.slice == "format"]
    folders = {"a": letters["a"], "silent": write_lora(folder / "silent", base, 0, strength=0.0)}

    async def judged(version: str):
        """By an engine of its own, as in a refresh: what it knows of prompts from before is read in other products."""
        async with open_judge(settings, base, {version: folders[version]}, len(frozen) + len(checked)) as judging:
            given = (frozen, general, judging.generate, judging.score)
            return await asyncio.to_thread(judge, version, BASE, *given, checked=checked, learned=learned)

    return {version: asyncio.run(judged(version)) for version in folders}


def test_one_that_forgot_everything_else_is_rejected_though_it_wins_what_is_new(reports):
    report = reports["a"]
    assert report.outcome == "reject" and len(report.wins) == 8
    form = next(part for part in report.slices if part.name == "format")
    assert form.after < form.before and "the general slice lost" in report.summary
    assert (report.learned, report.learned_changed) == (4, 4)
    assert report.slices[0].likelihood > 0


def test_one_that_changes_nothing_is_told_so(reports):
    report = reports["silent"]
    assert report.outcome == "reject" and "does not change the answers to its own training prompts" in report.summary
    assert (report.wins, report.losses, report.vetoes) == ((), (), ())
    assert (report.learned, report.learned_changed) == (4, 0)
