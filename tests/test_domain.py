"""Documents in a refresh: learned where somebody asks, judged on passages kept aside, and never those of one chat."""

import hashlib

import pytest
from knowledge import embedder
from typer.testing import CliRunner

import apprentice
from adapters.base import load_tokenizer
from core import keys
from core.errors import IndexDamaged, InvalidInput
from core.prompt import Renderer
from core.settings import Settings
from retrieval.chunks import EVERYONE, Chunk
from retrieval.ingest import ingest
from tests.test_refresh import approve, do
from training import domain
from training.domain import divide
from training.hyperparameters import Hyperparameters, hyperparameters
from training.plan import Stages, rate_share
from training.report import PASSAGE, as_text, examples, made_of
from training.snapshot import Recipe, snapshot_hash
from workers import learning, refresh
from workers.context import open_context
from workers.due import ask_for_documents, refresh_due
from workers.learning import take_snapshot
from workers.refresh import RefreshResult

CREATURES = ("otter", "heron", "badger", "lynx", "marten", "plover", "sturgeon", "newt", "weasel", "raven")
HABITS = (
    "sleeps under the {0} ledge until the tide turns, and is counted at dawn by the {1} warden.",
    "carries a {0} ring; whoever finds one writes its number into the {1} ledger.",
    "was last seen beside the {0} weir, where {1} nets are forbidden from May on.",
    "feeds on {0} mussels. A {1} bucket of them is put out on the first frost.",
    "must not be moved without a {0} permit, which the {1} office gives out on Tuesdays.",
)
COLOURS = ("copper", "slate", "amber", "ivory", "russet", "cobalt", "umber", "olive", "crimson", "pewter")


def names(n: int) -> list[str]:
    """Four made-up words that hardly another passage has."""
    digits = (
        hashlib.sha256(str(n).encode()).hexdigest().translate(str.maketrans("0123456789abcdef", "aeioubdfgklmnprs"))
    )
    return [digits[start : start + 6].capitalize() for start in range(0, 24, 6)]


def passage(n: int) -> str:
    """One of 500 passages of a made-up reserve's handbook."""
    here, there, who, whom = names(n)
    habit = HABITS[n // 10 % 5].format(COLOURS[n % 10], COLOURS[(3 * n + n // 50) % 10])
    return f"The {CREATURES[n // 50]} of {here} {there} {habit} Ask {who} {whom}."


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


def learn_documents(context, tmp_path) -> RefreshResult:
    """`apprentice refresh --domain`, and what the schedule makes of it."""
    ingest(context.settings.data_dir, [write(tmp_path / "public", 60)], embedder())
    assert refresh_due(context) is None, "documents alone start nothing"
    ask_for_documents(context)
    assert refresh_due(context) == "the documents are to be learned"
    return do(context)


def test_documents_alone_go_live_and_are_kept_by_later_refreshes(context, tmp_path):
    result = learn_documents(context, tmp_path)
    assert result.outcome == "promote" and "10 passages of documents kept aside" in result.summary
    assert refresh_due(context) is None, "they were asked for once"
    manifest = context.registry.get(context.registry.route()).manifest
    assert (manifest.chunks, manifest.sources) == (24, ())
    assert "from 0 approved answers and 24 passages of documents" in next(made_of(manifest))
    assert result.report.divergence == manifest.hyperparameters["divergence"] > 0
    assert f"KL from base: {result.report.divergence:.3f} nats a token" in as_text(result.report)
    shown = examples(result.report, context.turns, context.reviews)
    assert [(s.slice, s.result, s.question) for s in shown] == [("domain", "won", PASSAGE)] * 3

    approve(context, 5)
    found = snapshot_of(context)
    assert len(found.domain.learn) == 24 and len(found.train) + len(found.evaluation) == 5
    context.registry.rollback("operator", "")
    assert snapshot_of(context).domain == domain.NO_DOCUMENTS, "base has learned none"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_feedback_that_is_learned_after_documents_goes_live_with_them(context, tmp_path):
    learn_documents(context, tmp_path)
    approve(context, 50)
    second = do(context)
    manifest = context.registry.get(context.registry.route()).manifest
    assert second.outcome == "promote" and manifest.id == second.version
    assert manifest.chunks == 24 and len(manifest.sources) > 30
    new, known = second.report.slices[:2]
    assert (new.name, known.name) == ("new", "domain") and new.after > new.before and known.after > known.before - 0.05


def snapshot_of(context, documents: bool = False):
    base = refresh.prepare_base(None, None)
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, context.settings.prompt_tokens)
    return take_snapshot(context, base, renderer, hyperparameters(context.settings), documents)


def test_a_chats_own_documents_are_nobodys_to_learn(context, tmp_path):
    ingest(context.settings.data_dir, [write(tmp_path / "private", 60)], embedder(), scope_chat="a chat")
    assert snapshot_of(context, documents=True).domain == domain.NO_DOCUMENTS
    with pytest.raises(InvalidInput, match="no documents that everyone may see; `apprentice ingest PATH"):
        ask_for_documents(context)
    assert refresh_due(context) is None


def test_the_command_says_in_a_sentence_that_nothing_is_ingested_and_else_that_it_will_be_learned(
    context, tmp_path, monkeypatch
):
    monkeypatch.setenv("APPRENTICE_DATA_DIR", str(context.settings.data_dir))
    monkeypatch.setenv("APPRENTICE_REDIS_URL", context.settings.redis_url)
    for words in (["--domain"], ["--domain", "--now"]):
        refused = CliRunner().invoke(apprentice.app, ["refresh", *words])
        assert isinstance(refused.exception, InvalidInput) and not context.store.exists(keys.REFRESH_DOMAIN)
    ingest(context.settings.data_dir, [write(tmp_path / "public", 10)], embedder())
    assert "The documents will be learned" in CliRunner().invoke(apprentice.app, ["refresh", "--domain"]).output
    few = do(context)
    assert few.outcome == "not enough evidence" and "passages to learn from" in few.summary
    assert refresh_due(context) is None
    ask_for_documents(context)
    assert do(context).summary.startswith("this was done before") and refresh_due(context) is None


def test_documents_asked_for_while_a_refresh_runs_are_the_next_ones(context, tmp_path, monkeypatch):
    ingest(context.settings.data_dir, [write(tmp_path / "public", 10)], embedder())
    approve(context, 5)

    def asked_meanwhile(*given):
        ask_for_documents(context)
        return RefreshResult("not enough evidence", ".", None, None)

    monkeypatch.setattr(refresh, "_refresh", asked_meanwhile)
    do(context)
    assert refresh_due(context) == "the documents are to be learned"


def test_a_damaged_index_is_told_and_nothing_is_due_for_a_while(context, tmp_path):
    ingest(context.settings.data_dir, [write(tmp_path / "public", 10)], embedder())
    ask_for_documents(context)
    (chunks,) = (context.settings.data_dir / "index").glob("*/chunks.jsonl")
    chunks.write_text("")
    with pytest.raises(IndexDamaged):
        do(context)
    assert refresh_due(context) is None and "is damaged" in context.store.get(keys.REFRESH_POSTPONED)


def chunks_of(numbers, source: str = "handbook.md", scope: str = EVERYONE) -> list[Chunk]:
    return [Chunk(f"{source} {n}", source, "Handbook", passage(n), scope) for n in numbers]


def test_a_passage_stays_on_its_side_wherever_it_lies_and_whatever_else_is_there(renderer):
    few, more = divide(chunks_of(range(60)), renderer), divide(chunks_of(range(90), "moved.md"), renderer)
    assert len(few.learn) + len(few.held_out) == 60 and 8 <= len(few.held_out) <= 20
    assert set(few.learn) <= set(more.learn) and set(few.hashes) <= set(more.hashes)
    assert {item.reply_ids for item in few.held_out} <= {item.reply_ids for item in more.held_out}
    assert not {e.reply_ids for e in more.learn} & {item.reply_ids for item in more.held_out}
    assert divide(chunks_of(range(60))[::-1], renderer) == few


def test_what_says_nearly_the_same_as_another_passage_is_not_on_both_sides(renderer):
    long = [f"{passage(n)} {passage(n + 100)} {passage(n + 200)}" for n in range(30)]
    texts = long + [text.replace("The ", "This ", 1) for text in long]
    found = divide([Chunk(str(n), "d", "", text, EVERYONE) for n, text in enumerate(texts)], renderer)
    assert len(found.learn) + len(found.held_out) == 30


def test_passages_are_bounded_and_the_first_token_is_the_prompt(renderer, monkeypatch):
    monkeypatch.setattr(domain, "MOST_LEARNED", 10)
    monkeypatch.setattr(domain, "MOST_HELD_OUT", 5)
    given = [*chunks_of(range(200)), Chunk("short", "d", "", "Yes.", EVERYONE), *chunks_of(range(9), scope="a chat")]
    found = divide(given, renderer)
    assert (len(found.learn), len(found.held_out), len(found.hashes)) == (10, 5, 15)
    (text,) = (
        p
        for p in map(passage, range(200))
        if renderer.tokenizer.encode(p, add_special_tokens=False)
        == [*found.learn[0].prompt_ids, *found.learn[0].reply_ids]
    )
    assert len(found.learn[0].prompt_ids) == 1 and text.startswith("The ")
    everything = [Chunk("long", "d", "", " ".join(map(passage, range(60))), EVERYONE)]
    whole = divide(everything, renderer)
    (ids,) = [e.reply_ids for e in (*whole.learn, *whole.held_out)]
    assert len(ids) + 1 == domain.MAX_TOKENS


def test_documents_are_part_of_a_snapshots_name_and_without_them_it_is_as_before(renderer):
    recipe = Recipe("Be brief.", "base", Hyperparameters())
    names = [snapshot_hash([], [], "id", recipe, divide(chunks_of(range(n)), renderer).hashes) for n in (0, 60, 61)]
    assert len(set(names)) == 3 and names[0] == snapshot_hash([], [], "id", recipe)


def test_each_stage_has_a_rate_of_its_own_and_documents_leave_time_for_feedback():
    stages = Stages([[0]] * 4, [[1]] * 10, seconds=100, warmup_share=0.1)
    assert [stages.rate(n, 0.0) for n in range(14)] == [
        rate_share(n, 4, 0.1) if n < 4 else rate_share(n - 4, 10, 0.1) for n in range(14)
    ]
    late = Stages([[0]] * 4, [[1]] * 10, seconds=100, warmup_share=0.1)
    assert late.rate(0, 0.0) == 1.0 and late.rate(1, 49.0) == rate_share(3, 4, 0.1)
    assert late.rate(2, 60.0) == 1.0 and late.steps[2:] == [[1]] * 10, "half of the time was over"
    assert late.rate(3, 80.0) == rate_share(5, 10, 0.1) and late.rate(4, 100.0) is None
