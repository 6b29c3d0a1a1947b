"""The search learns from feedback how people ask: found, judged, served, uploaded into, taken back, and forgotten."""

import math
import threading
from dataclasses import replace

import pytest
import torch
from knowledge import embedder
from typer.testing import CliRunner

import apprentice
from core import keys
from core.errors import AliasMoved, DiskFull, FenceLost, InvalidInput
from core.records import Citation, EmbedderVersion, Message, Turn, new_id, now_ms
from core.settings import Settings
from feedback.audit import AuditLog
from feedback.embedders import Embedders
from kinds.kind import Finding
from retrieval import sent
from retrieval.generations import ADAPTER, current_learned, home, load
from retrieval.ingest import ingest
from retrieval.search import Retriever
from retrieval.support import Support
from retrieval.tuned import A, B, Tuned, adopt, learned_id, merged, packed
from training import retrieval_tuning
from training.lessons import practised
from training.retrieval_gate import Place, as_lines, report
from training.retrieval_pairs import Pair, pairs
from training.retrieval_tuning import HowToTune, tune_questions
from workers import refresh, search_learning
from workers.cancelling import RefreshCancelled
from workers.context import Context, open_context
from workers.due import only_search_due, refresh_due
from workers.lock import RefreshLock
from workers.overdue import finish_forgetting
from workers.search_learning import SearchResult, learn_to_search
from workers.searching import FORGOTTEN, must_go, roll_back, search_due

THINGS = {
    "transbordador": "The ferry leaves the northern pier at a quarter past eight and takes bicycles along.",
    "perros": "Dogs are kept on a short leash between the dunes and the bird sanctuary.",
    "panadería": "Bread and rolls are baked by Hansen in Mill Street from five in the morning on.",
    "faro": "The lighthouse has 172 steps; its keeper shows visitors the lamp on request.",
    "bomberos": "Volunteers of the fire brigade drill behind the school with both engines.",
    "basura": "Bins of household waste are emptied by a lorry that comes over with the barge.",
    "biblioteca": "Books are lent for four weeks, and the reading room has an old atlas.",
    "farmacia": "Medicine is handed out by Doctor Petersen, who keeps a small cabinet at the practice.",
    "piscina": "The swimming pool is heated with sea water and closed for cleaning in November.",
    "caballos": "Horses pull the carts, since no cars may drive on the island.",
    "cementerio": "Graves of drowned sailors lie behind the chapel under nameless stones.",
    "mareas": "High water comes about fifty minutes later every day, as the tables show.",
}
ASKED = (
    "¿Qué hay que saber de {}?",
    "Cuénteme todo sobre {}, por favor.",
    "¿Dónde puedo informarme de {}?",
    "Quisiera preguntar por {}.",
    "Mi madre pregunta por {}, ¿qué le digo?",
    "¿Me explica cómo es lo de {} aquí?",
)
PEOPLE = [f"{n:032x}" for n in range(1, 37)]
NEW = "# Sauna\n\nThe sauna is heated with driftwood on Saturdays."


@pytest.fixture
def context(store, valkey_url, tmp_path, monkeypatch) -> Context:
    monkeypatch.setattr("training.sharing.REST", 0.0)
    monkeypatch.setattr(refresh, "LOW_PRIORITY", 0)
    bundled = embedder()
    monkeypatch.setattr(search_learning.Embedder, "load", lambda name: bundled)
    return open_context(Settings(data_dir=tmp_path / "data", redis_url=valkey_url))


@pytest.fixture
def documents(context, tmp_path):
    """A document for each thing, ingested for everyone: its passage's id by the Spanish word."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for n, text in enumerate(THINGS.values()):
        (folder / f"{n}.md").write_text(text)
    ingest(context.settings.data_dir, [folder], embedder())
    chunks = load(context.settings.data_dir).chunks
    return {word: next(c.id for c in chunks if c.text == text) for word, text in THINGS.items()}


def answered(question: str, reply: str, passage: str | None, author: str, **fields) -> Turn:
    """A closed turn whose answer cites a passage."""
    cited = (Citation(1, passage, "d", "t", reply, 0.5),) if passage else ()
    said = (Message("user", question, author),)
    return Turn(new_id(), said, author=author, reply=reply, citations=cited, status="complete", **fields)


def approve_all(context, documents) -> list[Turn]:
    """Every question about every thing, with the right passage, approved as it was."""
    for author in PEOPLE:
        context.people.set_consent(author, "yes")
    asked = [(template.format(word), word) for template in ASKED for word in THINGS]
    turns = [
        answered(question, THINGS[word], documents[word], PEOPLE[n % len(PEOPLE)], created_at=now_ms())
        for n, (question, word) in enumerate(asked)
    ]
    context.turns.add_closed(turns)
    for turn in turns:
        context.reviews.decide(turn.id, "approve", "operator", "everyone")
    return turns


def learn(context, progress=lambda stage, done, total: None) -> SearchResult | None:
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        return learn_to_search(context, lock, progress)


def found(live: Retriever, documents: dict[str, str]) -> int:
    """For how many things a question in new words finds the passage first."""
    asked = {word: f"¿Quién sabe algo acerca de {word}?" for word in THINGS}
    return sum(live.search(asked[word], None)[0].id == documents[word] for word in THINGS)


@pytest.mark.timeout(300)
def test_what_people_approve_teaches_the_running_search_and_can_be_taken_back(context, documents):
    live, data_dir = Retriever(context.settings, embedder()), context.settings.data_dir
    before, english = found(live, documents), live.search("When does the ferry leave?", None)
    assert learn(context) is None, "nothing to learn from"
    turns = approve_all(context, documents)

    stages = []

    def meanwhile(stage: str, done: int, total: int) -> None:
        if stage == "judging the search" and stage not in stages:
            sent.add(data_dir, "sauna.md", NEW.encode(), embedder(), "a chat", "ann", lambda *at: None)
            assert found(live, documents) == before, "what was there goes on answering"
        stages.append(stage)

    result = learn(context, meanwhile)
    assert result.outcome == "promote", (result, as_lines(result.report))
    assert result.report.wins >= 5 and result.report.first[1] > result.report.first[0]
    assert stages[-1] == "the search goes live"
    assert found(live, documents) > before, "by the same process, without a restart"
    again = live.search("When does the ferry leave?", None)
    assert again[0].id == english[0].id and abs(again[0].score - english[0].score) < 0.1
    assert "driftwood" in live.search("When is the sauna heated?", "a chat")[0].text, "what was uploaded is kept"
    assert learn(context) is None and search_due(context) is None, "nothing is new"

    (version,) = Embedders(context.store).all()
    learned = {t.id for t in turns if context.reviews.get(t.id).split == "train"}
    assert set(version.sources) == learned and set(version.source_digests) <= set(PEOPLE)
    assert current_learned(data_dir) == version.id and version.against == embedder().id
    assert "search promote" in {entry.what for entry in AuditLog(context.store).page()}
    folder = home(data_dir) / load(data_dir).id
    text = b"".join(path.read_bytes() for path in folder.iterdir() if path.name in (ADAPTER, "meta.json"))
    assert not [t for t in turns if t.id.encode() in text or t.messages[0].content.encode() in text]

    assert roll_back(context, "operator", "") is None
    assert found(live, documents) == before and current_learned(data_dir) is None
    assert "driftwood" in live.search("When is the sauna heated?", "a chat")[0].text
    with pytest.raises(InvalidInput, match="has learned nothing yet"):
        roll_back(context, "operator", "")
    assert learn(context) is None, "the same is not learned again by itself"


def some_adapter(seed: int) -> bytes:
    """What a search might have learned: a random change of one layer."""
    random = torch.Generator().manual_seed(seed)
    layer, size = "encoder.layer.5.output.dense", embedder().model.config
    up = torch.randn(size.hidden_size, 2, generator=random)
    down = torch.randn(2, size.intermediate_size, generator=random)
    return packed({layer + A: down, layer + B: up}, 0.2)


def judged(outcome: str = "promote"):
    return replace(report([Place(1, True, True)] * 9, [Place(0, True, True)] * 9, 5), outcome=outcome)


def goes_live(context, seed: int, sources: tuple[tuple[str, str], ...], against: str = "") -> str:
    """A search that learned from some turns is in use, as a refresh leaves it."""
    adapter, data_dir = some_adapter(seed), context.settings.data_dir
    context.store.setnx(keys.REFRESH_FENCE, 1)
    ids, authors = (tuple(part) for part in zip(*sources, strict=True))
    version = EmbedderVersion(learned_id(adapter), embedder().id, against, 40, judged(), ids, authors)
    Embedders(context.store).add(version, int(context.store.get(keys.REFRESH_FENCE)))
    from workers.searching import keep

    keep(data_dir, version.id, adapter)
    adopt(data_dir, adapter, current_learned(data_dir), embedder().id)
    return version.id


def holding(context, learned: str) -> list[str]:
    """The files that hold what was learned."""
    kept = [path for path in context.settings.data_dir.rglob("*.safetensors") if "models" not in path.parts]
    return [str(path) for path in kept if learned_id(path.read_bytes()) == learned]


def said(context, author: str) -> Turn:
    turn = answered("¿Y la sauna?", "On Saturdays.", None, author, chat="group", created_at=now_ms())
    context.turns.open(replace(turn, status="open"))
    context.turns.close(turn)
    return turn


def test_what_learned_from_somebody_who_is_forgotten_goes_with_the_next_refresh(context, documents):
    turn, embedders = said(context, PEOPLE[0]), Embedders(context.store)
    learned = goes_live(context, 1, ((turn.id, PEOPLE[0]), ("other", PEOPLE[1])))
    assert refresh_due(context) is None and not must_go(context, learned)
    context.forgetting.forget(PEOPLE[2], "operator")
    assert refresh_due(context) is None, "it knows nothing of them"
    context.forgetting.forget(PEOPLE[0], "operator")
    assert embedders.marked(learned) and refresh_due(context) == FORGOTTEN and only_search_due(context)
    assert "search mark" in {entry.what for entry in AuditLog(context.store).page()}
    result = learn(context)
    assert result.outcome == "not enough evidence" and current_learned(context.settings.data_dir) is None
    assert holding(context, learned) == [] and embedders.get(learned) is None and search_due(context) is None
    with pytest.raises(InvalidInput, match="learned nothing"):
        roll_back(context, "operator", "")


def test_what_must_go_and_no_refresh_has_seen_to_falls_in_time(context, documents):
    turn = said(context, PEOPLE[0])
    learned = goes_live(context, 1, ((turn.id, PEOPLE[0]),))
    context.forgetting.forget(PEOPLE[0], "operator")
    finish_forgetting(context)
    assert current_learned(context.settings.data_dir) == learned
    finish_forgetting(replace(context, settings=context.settings.model_copy(update={"forget_max_s": 0})))
    assert current_learned(context.settings.data_dir) is None and holding(context, learned) == []
    assert len(Retriever(context.settings, embedder())) == len(THINGS)


@pytest.mark.timeout(300)
def test_it_is_learned_anew_without_them_where_others_are_enough(context, documents, monkeypatch):
    turns = approve_all(context, documents)
    gone = turns[0].author
    learned = goes_live(context, 1, tuple((t.id, t.author) for t in turns))
    context.forgetting.forget(gone, "operator")
    result = learn(context)
    assert result.outcome == "promote", result
    new = Embedders(context.store).get(current_learned(context.settings.data_dir))
    assert new.id != learned and gone not in new.source_digests and new.against == embedder().id
    assert holding(context, learned) == [] and Embedders(context.store).get(learned) is None


def test_what_was_tuned_before_a_forgetting_is_not_published_after_it(context, documents):
    context.store.set(keys.REFRESH_FENCE, 1)
    turn = said(context, PEOPLE[0])
    context.forgetting.forget(PEOPLE[0], "operator")
    version = EmbedderVersion("v", embedder().id, "", 40, judged(), (turn.id,), (PEOPLE[0],))
    with pytest.raises(FenceLost):
        Embedders(context.store).add(version, 1)
    assert Embedders(context.store).all() == []


def test_a_rollback_returns_to_what_was_learned_before_unless_that_must_go(context, documents):
    turn = said(context, PEOPLE[0])
    first = goes_live(context, 1, ((turn.id, PEOPLE[0]),))
    second = goes_live(context, 2, (("other", PEOPLE[1]),), against=first)
    assert roll_back(context, "operator", "") == first == current_learned(context.settings.data_dir)
    third = goes_live(context, 3, (("other", PEOPLE[1]),), against=first)
    context.forgetting.forget(PEOPLE[0], "operator")
    assert current_learned(context.settings.data_dir) == third and len({first, second, third}) == 3
    finish_forgetting(context)
    assert holding(context, first) == [] and Embedders(context.store).get(first) is None, "at once: it is not in use"
    assert roll_back(context, "operator", "") is None


def test_no_search_mixes_two_generations(context, documents):
    data_dir, adapters = context.settings.data_dir, [None, some_adapter(1)]
    asked = "¿Qué hay que saber de mareas?"

    def scores(live: Retriever) -> tuple[float, ...]:
        return tuple(round(passage.score, 5) for passage in live.search(asked, None))

    allowed = set()
    for adapter in (adapters[1], None):
        adopt(data_dir, adapter, current_learned(data_dir))
        allowed.add(scores(Retriever(context.settings, embedder())))
    assert len(allowed) == 2
    live, seen, over = Retriever(context.settings, embedder()), set(), threading.Event()

    def search() -> None:
        while not over.is_set():
            seen.add(scores(live))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(1, 9):
        adopt(data_dir, adapters[n % 2], current_learned(data_dir))
        scores(live)
    over.set()
    for thread in threads:
        thread.join()
    assert seen <= allowed


def test_another_embedder_drops_what_was_learned_and_says_so(context, documents, tmp_path, caplog):
    goes_live(context, 1, (("a", "b"),))
    other = embedder().copied("another")
    ingest(context.settings.data_dir, [tmp_path / "documents"], other)
    now = load(context.settings.data_dir)
    assert now.learned is None and now.embedder == "another" and "is dropped with it" in caplog.text
    assert search_due(context) is None


def test_uploads_and_removals_keep_what_was_learned_and_a_late_swap_is_refused(context, documents):
    data_dir = context.settings.data_dir
    learned = goes_live(context, 1, (("a", "b"),))
    added = sent.add(data_dir, "sauna.md", NEW.encode(), embedder(), None, None, lambda *at: None)
    assert current_learned(data_dir) == learned
    sent.take_out(data_dir, added.id, None)
    assert load(data_dir).learned == learned
    with pytest.raises(AliasMoved, match="changed meanwhile"):
        adopt(data_dir, some_adapter(2), None)
    assert Tuned(embedder()).for_questions(load(data_dir)).id == learned


def test_feedback_is_read_beside_the_passages(context, documents):
    for author in PEOPLE[:5]:
        context.people.set_consent(author, "yes")
    ferry, dogs = documents["transbordador"], documents["perros"]
    tide = "It leaves the northern pier at a quarter past eight, bicycles along."
    asked = (
        answered("Cuándo sale el barco", "Dogs.", dogs, PEOPLE[0]),
        answered("Y los perros", THINGS["perros"], dogs, PEOPLE[1]),
        answered("Hay algo sobre perros", "Ferries.", ferry, PEOPLE[2]),
        answered("Hay algo sobre perros", THINGS["perros"], dogs, PEOPLE[3]),
        answered("Sin permiso", THINGS["perros"], dogs, PEOPLE[9]),
        answered("Otra cosa", "Nobody knows that.", dogs, PEOPLE[4]),
    )
    context.turns.add_closed(list(asked))
    decided = (("edit", tide), ("approve", ""), ("reject", ""), ("approve", ""), ("approve", ""), ("edit", "Kiwis."))
    for turn, (decision, text) in zip(asked, decided, strict=True):
        context.reviews.decide(turn.id, decision, "operator", "everyone", text)
    chunks = load(context.settings.data_dir).chunks
    read = pairs(context.record, "all", 1.0, chunks)
    known = {p.question: ([chunks[r].id for r in p.passages], [chunks[r].id for r in p.negatives]) for p in _all(read)}
    assert known == {
        "Cuándo sale el barco": ([ferry], [dogs]),
        "Y los perros": ([dogs], []),
        "Hay algo sobre perros": ([dogs], [ferry]),
    }
    both = next(p for p in _all(read) if p.negatives and chunks[p.passages[0]].id == dogs)
    assert {source for source, _ in both.sources} == {asked[2].id, asked[3].id}
    assert pairs(context.record, "all", 1.0, [replace(c, scope="a chat") for c in chunks]).learn == ()


def test_a_passage_behind_a_rejected_answer_falls_behind(context, documents, monkeypatch):
    monkeypatch.setattr("training.sharing.REST", 0.0)
    generation, question = load(context.settings.data_dir), "¿Y las mareas?"
    row = {chunk.id: number for number, chunk in enumerate(generation.chunks)}
    tides, ferry = row[documents["mareas"]], row[documents["transbordador"]]

    def lead(negatives: tuple[int, ...]) -> float:
        """By how much the right passage is nearer to the question than the ferry's."""
        pair = Pair(question, (tides,), negatives, ())
        how = HowToTune(epochs=4)
        adapter = tune_questions(embedder(), generation, [pair], how, lambda stage, done, total: None)
        near = generation.rows() @ merged(embedder(), adapter).embed([question])[0]
        return float(near[tides] - near[ferry])

    assert lead((ferry,)) > lead(()) + 0.01


def test_a_rejected_copy_of_the_right_passage_is_not_pushed_away():
    passages = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1.0, 0.01], [0, 1.0], [1.0, -3.0]]), dim=1)
    pair = Pair("?", (0,), (1, 2), ())
    above, below = retrieval_tuning._weights([pair], {n: n for n in range(4)}, passages)
    assert above.tolist() == [[0, -torch.inf, -torch.inf, -torch.inf]]
    assert below.tolist() == [[0, -torch.inf, pytest.approx(math.log(retrieval_tuning.NEGATIVE)), 0]]


def test_what_was_asked_for_and_failed_is_tried_again_and_what_was_cancelled_is_not(context, documents, monkeypatch):
    embedders = Embedders(context.store)
    embedders.ask()
    with monkeypatch.context() as full:
        full.setattr(search_learning, "pairs", lambda *given: raising(DiskFull("there is no room.")))
        assert learn(context).outcome == "failed" and search_due(context) is None, "not at once"
    context.store.delete(keys.REFRESH_POSTPONED)
    assert search_due(context) == "the search is to learn" and embedders.last()["outcome"] == "failed"
    with monkeypatch.context() as cancelled:
        cancelled.setattr(search_learning, "pairs", lambda *given: raising(RefreshCancelled("operator")))
        assert learn(context).outcome == "cancelled" and search_due(context) is None and not embedders.asked()


def raising(error: Exception):
    raise error


def test_what_could_not_be_tuned_counts_as_not_learned(context, documents, monkeypatch):
    approve_all(context, documents)
    monkeypatch.setattr(search_learning.Embedder, "load", lambda name: embedder().copied("another"))
    assert "another embedder's" in learn(context).summary
    assert "material" not in Embedders(context.store).last()


def test_what_a_version_tries_for_itself_teaches_the_search_nothing(context, documents):
    context.people.set_consent(PEOPLE[0], "yes")
    dogs = documents["perros"]
    asked = replace(answered("Y los perros", THINGS["perros"], dogs, PEOPLE[0]), kind="code")
    context.turns.add_closed([asked])
    context.observations.record(asked.id, 1.0, "passed")
    (split,) = context.reviews.splits([asked])
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        tried = replace(asked, id=new_id(), origin="practice", beside=asked.id, created_at=now_ms())
        context.practice.add(tried, Finding(1.0, "passed"), lock.value)
    assert split == "train" and [s.turn.id for s in practised(context.record)] == [tried.id]
    read = pairs(context.record, "all", 1.0, load(context.settings.data_dir).chunks)
    assert _all(read) == []


def _all(read):
    return [*read.learn, *read.frozen]


def test_what_stands_in_two_passages_or_in_none_supports_nothing(context, documents):
    chunks = load(context.settings.data_dir).chunks
    support = Support(chunks)
    assert support.of("The lighthouse has 172 steps.", "?").id == documents["faro"]
    assert support.of("The lighthouse has 173 steps.", "?") is None, "a number is wrong"
    assert support.of("Steps.", "?") is None
    assert Support([*chunks, *chunks]).of("The lighthouse has 172 steps.", "?") is None


@pytest.mark.parametrize(
    ("was", "now", "outcome"),
    [
        ([Place(3, True, True)] * 10, [Place(0, True, True)] * 10, "promote"),
        ([Place(3, True, True)] * 7, [Place(0, True, True)] * 7, "not enough evidence"),
        ([Place(3, True, True)] * 10, [Place(0, True, True)] * 4 + [Place(3, True, True)] * 6, "not enough evidence"),
        ([Place(0, True, True)] * 10, [Place(3, True, True)] * 10, "reject"),
        ([Place(3, True, True)] * 10, [Place(0, True, False)] * 10, "reject"),
        ([Place(3, True, True)] * 10, [Place(0, False, True)] * 10, "reject"),
        ([Place(3, True, True)] * 10, [Place(0, True, True)] * 9 + [Place(0, True, False)], "not enough evidence"),
        ([Place(0, True, True)] * 10, [Place(0, True, True)] * 10, "not enough evidence"),
    ],
)
def test_the_gate(was, now, outcome):
    found = report(was, now, 5)
    assert found.outcome == outcome and str(len(was)) in found.summary


def test_it_is_asked_for_shown_and_taken_back_in_the_terminal(context, documents, monkeypatch):
    monkeypatch.setenv("APPRENTICE_DATA_DIR", str(context.settings.data_dir))
    monkeypatch.setenv("APPRENTICE_REDIS_URL", context.settings.redis_url)
    monkeypatch.setattr(apprentice, "configure_logging", lambda *given: None)

    def command(*words: str) -> str:
        done = CliRunner().invoke(apprentice.app, words)
        assert done.exit_code == 0, done.output + repr(done.exception)
        return done.output

    assert "has learned nothing yet" in command("retrieval")
    assert "as soon as it may" in command("refresh", "--retrieval")
    assert search_due(context) == "the search is to learn" and only_search_due(context)
    assert "not enough evidence" in command("refresh", "--retrieval", "--now")
    assert search_due(context) is None
    learned = goes_live(context, 1, (("a", "b"),))
    shown = command("retrieval")
    assert f"{learned[:12]}  in use" in shown and "passage comes first" in shown
    assert "reads questions as the embedder does" in command("retrieval", "rollback")
    assert f"{learned[:12]}  not in use" in command("retrieval")
