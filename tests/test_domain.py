"""Documents in a refresh: learned before feedback where somebody asks, judged on passages kept aside, and never a chat's."""

import shutil
from dataclasses import replace

import pytest
from knowledge import embedder
from typer.testing import CliRunner

import apprentice
from adapters.base import load_tokenizer
from core import keys
from core.errors import InvalidInput
from core.prompt import Renderer
from core.records import BASE
from core.settings import Settings
from retrieval.chunks import EVERYONE, Chunk
from retrieval.ingest import ingest
from tests.test_refresh import approve, do
from training import domain
from training.domain import divide
from training.report import PASSAGE, as_text, examples, made_of
from workers import learning, refresh
from workers.context import open_context
from workers.due import ask_for_documents, refresh_due
from workers.learning import hyperparameters, take_snapshot

CREATURES = ("otter", "heron", "badger", "lynx", "marten", "plover", "sturgeon", "newt", "weasel", "raven")
HABITS = (
    "sleeps under the {0} ledge until the tide turns, and is counted at dawn by the {1} warden.",
    "carries a {0} ring; whoever finds one writes its number into the {1} ledger.",
    "was last seen beside the {0} weir, where {1} nets are forbidden from May on.",
    "feeds on {0} mussels. A {1} bucket of them is put out on the first frost.",
    "must not be moved without a {0} permit, which the {1} office gives out on Tuesdays.",
)
COLOURS = ("copper", "slate", "amber", "ivory", "russet", "cobalt", "umber", "olive", "crimson", "pewter")


def passage(n: int) -> str:
    """One of 500 passages of a made-up reserve's handbook."""
    habit = HABITS[n // 10 % 5].format(COLOURS[n % 10], COLOURS[(3 * n + n // 50) % 10])
    return f"The {CREATURES[n // 50]} of the Vellmark reserve {habit}"


def write(folder, count: int, first: int = 0):
    """Documents of ten passages each."""
    folder.mkdir(exist_ok=True)
    for start in range(first, first + count, 10):
        parts = [f"## Entry {n}\n\n{passage(n)}\n" for n in range(start, min(start + 10, first + count))]
        (folder / f"handbook-{start}.md").write_text("\n".join(parts))
    return folder


@pytest.fixture(scope="module")
def renderer(base):
    return Renderer(load_tokenizer(base), base.tokenizer_hash, 512)


@pytest.fixture
def context(store, valkey_url, tmp_path, base, monkeypatch):
    """A refresh that is short: few general prompts, one pass."""
    monkeypatch.setattr(refresh, "prepare_base", lambda model, folder: base)
    monkeypatch.setattr(refresh, "LOW_PRIORITY", 0)
    monkeypatch.setattr("training.sharing.REST", 0.0)
    for module in (learning, refresh):
        whole = module.general_slice
        monkeypatch.setattr(module, "general_slice", lambda *given, whole=whole: whole(*given)[:4])
    monkeypatch.setattr(refresh, "checked_items", lambda *given: [])
    monkeypatch.setattr(domain, "MOST_LEARNED", 24)
    settings = Settings(data_dir=tmp_path, redis_url=valkey_url, epochs=1, refresh_min_items=5, train_device="cpu")
    return open_context(settings)


def test_documents_alone_go_live_and_stay_when_feedback_is_learned(context, tmp_path):
    data_dir = context.settings.data_dir
    ingest(data_dir, [write(tmp_path / "public", 60)], embedder())
    assert refresh_due(context) is None, "documents alone start nothing"
    ask_for_documents(context)
    assert refresh_due(context) == "the documents are to be learned"
    first = do(context)
    assert first.outcome == "promote" and "passages of documents kept aside" in first.summary
    manifest = context.registry.get(context.registry.route()).manifest
    assert manifest.chunks == 24 and manifest.sources == ()
    assert first.report.divergence == manifest.hyperparameters["divergence"] > 0
    assert f"from 0 approved answers and {manifest.chunks} passages of documents" in next(made_of(manifest))
    assert "KL from base" in as_text(first.report)
    shown = examples(first.report, context.turns, context.reviews)
    assert {(example.result, example.question) for example in shown} >= {("won", PASSAGE)}
    assert refresh_due(context) is None

    approve(context, 50)
    second = do(context)
    print(as_text(second.report), second.summary)
    after = context.registry.get(second.version).manifest
    assert (after.chunks, len(after.sources) > 30) == (manifest.chunks, True)
    assert [part.name for part in second.report.slices][:2] == ["new", "domain"]
