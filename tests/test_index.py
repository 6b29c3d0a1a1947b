"""From files to passages: the index follows its files, keeps chats apart, and never shows half a generation."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from knowledge import embedder, retriever, write_docx, write_pdf

from core.errors import IndexDamaged, NotFound
from retrieval.generations import CURRENT, current, home, load
from retrieval.index import Index
from retrieval.ingest import IngestReport, ingest, remove

HOURS = "# Opening hours\n\nThe repair café opens at 9:30 on Saturdays and closes at 17:00."
PARKING = "# Parking\n\nVisitors park behind the old greenhouse."


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "hours.md").write_text(HOURS)
    (folder / "parking.md").write_text(PARKING)
    return folder


def texts(data_dir: Path, question: str, chat: str | None = None) -> list[str]:
    found = retriever(data_dir)
    return [p.text for p in found.relevant(found.search(question, chat))]


def test_a_folder_of_documents_answers_and_follows_its_files(tmp_path, docs):
    data = tmp_path / "data"
    write_pdf(docs / "bike.pdf", ["Rental bikes are due back by 18:15 sharp."])
    write_docx(docs / "lamp.docx", "Lamps", ["The reading lamp needs an E14 bulb."])
    (docs / "sauna.html").write_text("<p>The sauna is closed in July.</p>")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    report = ingest(data, [docs], embedder())
    assert (report.added, report.chunks) == (5, 5)
    assert list(report.refused) == [str(docs / "broken.pdf")]
    live = retriever(data)
    first = live.search("When must rental bikes be back?", None)[0]
    assert (first.source, first.title, first.scope) == ("docs/bike.pdf", "bike", "everyone")
    assert "18:15" in first.text
    assert "E14" in live.search("Which bulb does the reading lamp take?", None)[0].text

    (docs / "hours.md").write_text(HOURS.replace("9:30", "10:45"))
    (docs / "parking.md").unlink()
    report = ingest(data, [docs], embedder())
    assert (report.added, report.changed, report.removed, report.unchanged) == (0, 1, 1, 3)
    assert "10:45" in live.search("When does the repair café open on Saturdays?", None)[0].text
    assert not live.relevant(live.search("Where do visitors park?", None))

    before = current(data)
    again = ingest(data, [docs], embedder())
    assert (again.unchanged, current(data)) == (4, before)


def test_vectors_of_what_stays_are_kept(tmp_path, docs):
    counted = Counting()
    ingest(tmp_path, [docs], counted)
    (docs / "more.md").write_text("# Cat\n\nThe cat is fed by Edda.")
    ingest(tmp_path, [docs], counted)
    assert counted.texts == ["Opening hours", "Parking", "Cat"]
    counted.id = "another embedder"
    ingest(tmp_path, [], counted)
    assert counted.texts[3:] == ["Opening hours", "Parking", "Cat"]
    assert load(tmp_path).embedder == "another embedder"
    assert not retriever(tmp_path).has_documents(None), "vectors of another embedder are not searched"


class Counting:
    """The bundled embedder, which notes the titles of what it embeds."""

    def __init__(self):
        self.id, self.dim, self.texts = embedder().id, embedder().dim, []

    def embed(self, texts):
        self.texts += [text.splitlines()[0] for text in texts]
        return embedder().embed(texts)


def test_a_chats_documents_are_its_own(tmp_path, docs):
    data = tmp_path / "data"
    many = tmp_path / "many"
    many.mkdir()
    for n in range(300):
        (many / f"{n}.md").write_text(f"The door code of room {n} is {n * 7919}.")
    ingest(data, [docs], embedder())
    ingest(data, [many], embedder(), scope_chat="a")
    live = retriever(data)
    assert "7919" in live.search("What is the door code of room 1?", "a")[0].text
    for other in (None, "b", "everyone"):
        found = live.search("What is the door code of room 1?", other)
        assert {p.title for p in found} == {"Opening hours", "Parking"}
        assert all(p.scope == "everyone" for p in found)
    assert live.search("door code", "a")[0].scope == "chat"
    alone = tmp_path / "alone"
    ingest(alone, [many / "1.md"], embedder(), scope_chat="a")
    assert retriever(alone).has_documents("a")
    assert not retriever(alone).has_documents("b")
    assert not retriever(alone).has_documents(None)


def test_a_document_can_be_taken_out(tmp_path, docs):
    ingest(tmp_path / "data", [docs], embedder())
    remove(tmp_path / "data", "docs/hours.md")
    remove(tmp_path / "data", str(docs / "parking.md"))
    assert len(Index(load(tmp_path / "data"))) == 0
    with pytest.raises(NotFound, match="is not in the index"):
        remove(tmp_path / "data", "docs/hours.md")


def test_a_path_that_is_gone_takes_its_documents_along(tmp_path, docs):
    data = tmp_path / "data"
    ingest(data, [docs / "hours.md"], embedder())
    (docs / "hours.md").unlink()
    assert ingest(data, [docs / "hours.md"], embedder()).removed == 1
    report = ingest(data, [docs / "hours.md"], embedder())
    assert "does not exist" in report.refused[str(docs / "hours.md")]


def test_a_changed_file_that_cannot_be_read_keeps_what_was_read(tmp_path, docs):
    data = tmp_path / "data"
    ingest(data, [docs], embedder())
    (docs / "hours.md").write_bytes(b"\xff\xfe")
    report = ingest(data, [docs], embedder())
    assert (report.removed, len(report.refused)) == (0, 1)
    assert any("9:30" in text for text in texts(data, "When does the repair café open on Saturdays?"))


def test_two_ingests_at_once_lose_nothing(tmp_path, docs):
    data, reports = tmp_path / "data", []
    threads = [
        threading.Thread(target=lambda name=name: reports.append(ingest(data, [docs / name], embedder())))
        for name in ("hours.md", "parking.md")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.added for report in reports] == [1, 1]
    assert len(Index(load(data))) == 2


def test_only_the_present_and_the_previous_generation_stay(tmp_path, docs):
    data = tmp_path / "data"
    kept = []
    for n in range(4):
        (docs / f"{n}.md").write_text(f"Note number {n}.")
        ingest(data, [docs], embedder())
        kept.append(current(data))
    assert {path.name for path in home(data).iterdir() if path.is_dir()} == set(kept[-2:])


def test_half_a_generation_is_never_seen(tmp_path, docs):
    data = tmp_path / "data"
    ingest(data, [docs], embedder())
    live = retriever(data)
    assert live.has_documents(None)
    draft = home(data) / ".draft-0"
    draft.mkdir()
    (draft / "chunks.jsonl").write_text("half")
    assert len(live.search("parking", None)) == 2
    (docs / "more.md").write_text("More.")
    ingest(data, [docs], embedder())
    assert not draft.exists()

    broken = home(data) / current(data) / "chunks.jsonl"
    broken.write_bytes(broken.read_bytes()[:-20])
    with pytest.raises(IndexDamaged, match="ingest your documents again"):
        Index(load(data))
    os.utime(home(data) / CURRENT, ns=(1, 1))
    assert len(live.search("parking", None)) == 2, "a damaged generation is passed over"


def test_a_full_disk_leaves_the_index_as_it_was(tmp_path, docs):
    data = tmp_path / "data"
    ingest(data, [docs], embedder())
    before = current(data)
    (docs / "big.md").write_text("\n\n".join(f"# Part {n}\n\nNote {n}." for n in range(40)))
    script = f"""
import resource, signal, sys
from pathlib import Path
import numpy as np
from core.errors import DiskFull
from retrieval.ingest import ingest
class Fake:
    id, dim = {embedder().id!r}, {embedder().dim}
    def embed(self, texts): return np.ones((len(texts), self.dim), dtype=np.float32)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    ingest(Path({str(data)!r}), [Path({str(docs)!r})], Fake())
except DiskFull as error:
    sys.exit(str(error))
"""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60)
    assert "is full; free some space" in done.stderr, done.stderr
    assert current(data) == before
    assert len(Index(load(data))) == 2
    assert {path.name for path in home(data).iterdir() if path.is_dir()} == {before}


def test_nothing_ingested_finds_nothing(tmp_path):
    live = retriever(tmp_path)
    assert not live.has_documents("a")
    assert live.search("anything", "a") == []
    assert ingest(tmp_path, [], embedder()) == IngestReport()
    assert current(tmp_path) is None


def test_every_chunk_has_its_vector(tmp_path, docs):
    ingest(tmp_path, [docs], embedder())
    index = Index(load(tmp_path))
    chunks = [json.loads(x) for x in (home(tmp_path) / index.id / "chunks.jsonl").read_text().splitlines()]
    for chunk in chunks:
        vector = embedder().embed([f"{chunk['title']}\n{chunk['text']}"])[0]
        found = index.search("", vector, 1, None)[0]
        assert found.id == chunk["id"]
        assert np.isclose(found.score, 1 - 0.5 * 0.3, atol=1e-4)
