"""Documents that people send: into a chat's own part of the index or everyone's, over HTTP, and out of it for good."""

import hashlib

import httpx
import pytest
from knowledge import embedder, retriever, write_docx, write_pdf

from bench.instance import free_ports
from core.errors import DocumentRefused, NotFound, ServingUnavailable
from core.library import LibraryClient, Reading, SharedDocument
from core.settings import Settings
from retrieval import reader, sent
from retrieval.generations import home, public_chunks

FERRY = "# Ferry\n\nThe ferry to Norderney takes 55 minutes and costs 14 euros.\n"


def add(data_dir, name, content, chat="a", author="ann"):
    text = content if isinstance(content, bytes) else content.encode()
    return sent.add(data_dir, name, text, embedder(), chat, author, lambda stage, done, total: None)


def found(data_dir, question, chat=None):
    searching = retriever(data_dir)
    return searching.relevant(searching.search(question, chat))


def on_disk(data_dir, words: str) -> bool:
    return any(words.encode() in file.read_bytes() for file in data_dir.rglob("*") if file.is_file())


def test_a_chats_document_is_found_there_only_and_names_who_sent_it(tmp_path):
    listed = add(tmp_path, "ferry.md", FERRY)
    assert (listed.name, listed.passages, listed.everyone) == ("ferry.md", 1, False)
    (passage,) = found(tmp_path, "How long does the ferry to Norderney take?", "a")
    assert (passage.source, passage.scope, passage.author) == ("ferry.md", "chat", "ann")
    assert not found(tmp_path, "How long does the ferry to Norderney take?", "b")
    assert not found(tmp_path, "How long does the ferry to Norderney take?") and not public_chunks(tmp_path)
    assert sent.listed(tmp_path, "b") == [] and sent.listed(tmp_path, "a") == [listed]

    shared = add(tmp_path, "tides.md", "# Tides\n\nHigh tide on Sunday is at 6:12.\n", chat=None)
    assert (shared.everyone, shared.author) == (True, None), "nobody's any more"
    assert [d.name for d in sent.listed(tmp_path, "b")] == ["tides.md"]
    assert [c.title for c in public_chunks(tmp_path)] == ["Tides"]


def test_every_kind_of_file_can_be_sent_and_the_same_name_replaces(tmp_path):
    write_pdf(tmp_path / "bikes.pdf", ["Rental bikes are due back by 18:15 sharp."])
    write_docx(tmp_path / "lamp.docx", "Lamps", ["The reading lamp needs an E14 bulb."])
    data = tmp_path / "data"
    for name in ("bikes.pdf", "lamp.docx"):
        add(data, name, (tmp_path / name).read_bytes())
    assert "18:15" in found(data, "When must rental bikes be back?", "a")[0].text
    assert "E14" in found(data, "Which bulb does the reading lamp take?", "a")[0].text
    first = add(data, "../../etc/ferry.md", FERRY)
    second = add(data, "ferry.md", FERRY.replace("55", "75"))
    assert first.id == second.id and len(sent.listed(data, "a")) == 3
    texts = [p.text for p in found(data, "How long does the ferry to Norderney take?", "a")]
    assert any("75" in text for text in texts) and not any("55" in text for text in texts)
    assert not on_disk(data, "55 minutes"), "nor in the generation before"
    others = add(data, "ferry.md", FERRY, author="bob")
    assert others.id != second.id, "in a group nobody replaces another's"


def test_what_is_taken_out_or_forgotten_is_gone_from_the_disk(tmp_path):
    mine, other = add(tmp_path, "ferry.md", FERRY), add(tmp_path, "tides.md", "High tide is at 6:12.", "b", "bob")
    with pytest.raises(NotFound, match="not in the sources"):
        sent.take_out(tmp_path, mine.id, "b")
    with pytest.raises(NotFound):
        sent.take_out(tmp_path, mine.id, None)
    assert sent.take_out(tmp_path, mine.id, "a") == "ferry.md"
    assert not on_disk(tmp_path, "Norderney") and on_disk(tmp_path, "6:12")
    add(tmp_path, "again.md", FERRY, "c")
    add(tmp_path, "more.md", FERRY, "d")
    assert [w.name for w in sent.of_author(tmp_path, "ann")] == ["again.md", "more.md"]
    assert "Norderney" in sent.of_author(tmp_path, "ann")[0].passages[0]
    assert sent.take_out_all(tmp_path, "ann") == 2 and sent.take_out_all(tmp_path, "ann") == 0
    assert not on_disk(tmp_path, "Norderney") and sent.listed(tmp_path, "b") == [other]
    assert len([folder for folder in home(tmp_path).iterdir() if folder.is_dir()]) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("broken.pdf", b"%PDF-1.4 nothing", "broken, protected"),
        ("song.mp3", b"ID3", "no known type"),
        ("empty.txt", b"  \n", "holds no text"),
        ("latin.txt", "caf\xe9".encode("latin-1"), "not UTF-8"),
        ("\u202e???", b"x", "no known type"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(tmp_path, name, content, reason):
    with pytest.raises(DocumentRefused, match=reason):
        add(tmp_path, name, content)
    assert sent.listed(tmp_path, "a") == []


def test_a_document_cannot_hurt_who_reads_it(tmp_path, monkeypatch):
    file = tmp_path / "ferry.md"
    file.write_text(FERRY)
    monkeypatch.setattr(reader, "MAX_CHARACTERS", 10)
    with pytest.raises(DocumentRefused, match="more than 10 characters"):
        reader.read_apart(file)
    monkeypatch.setattr(reader, "READ_S", 0.01)
    with pytest.raises(DocumentRefused, match="too long"):
        reader.read_apart(file)
    monkeypatch.setattr(reader, "READ_S", 60)
    monkeypatch.setattr(reader.sys, "executable", "/bin/false")
    with pytest.raises(DocumentRefused, match="memory"):
        reader.read_apart(file)


def test_a_chat_has_room_for_so_many(tmp_path, monkeypatch):
    monkeypatch.setattr(sent, "MAX_OF_A_CHAT", 1)
    add(tmp_path, "ferry.md", FERRY)
    add(tmp_path, "ferry.md", FERRY)
    with pytest.raises(DocumentRefused, match="remove one first"):
        add(tmp_path, "tides.md", "High tide is at 6:12.")
    add(tmp_path, "tides.md", "High tide is at 6:12.", chat=None)


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    (port,) = free_ports(1)
    data = tmp_path_factory.mktemp("sent")
    return Settings(data_dir=data, redis_url=valkey_url, serving_port=port, document_max_mb=1)


@pytest.fixture
async def library(api):
    client = LibraryClient(api)
    yield client
    await client.close()


async def test_over_http_a_document_is_sent_cited_listed_and_removed(api, store, library):
    events = [e async for e in library.add("ferry.md", FERRY.encode(), "chat-a", "ann")]
    document = events[-1]
    assert isinstance(document, SharedDocument) and all(isinstance(e, Reading) for e in events[:-1])
    assert {e.stage for e in events[:-1]} == {"reading", "embedding"}
    question = [{"role": "user", "content": "How long does the ferry to Norderney take?"}]
    with httpx.Client(base_url=api, timeout=60) as http:
        own, other = (
            http.post("/v1/chat/completions", json={"messages": question, "apprentice": {"chat": chat}}).json()
            for chat in ("chat-a", "chat-b")
        )
    assert "55 minutes" in own["apprentice"]["text"] and own["apprentice"]["citations"]
    assert not other["apprentice"]["citations"] and "author" not in str(own["apprentice"]["citations"])
    assert [d.name for d in await library.documents("chat-a")] == ["ferry.md"]
    assert await library.documents("chat-b") == [] == await library.documents(None)
    with pytest.raises(NotFound):
        await library.take_out(document.id, "chat-b")
    assert [d["name"] for d in await library.sent_by("ann")] == ["ferry.md"]
    assert await library.take_out(document.id, "chat-a") == "ferry.md"
    assert await library.take_out_all("ann") == 0


async def test_over_http_refusals_are_sentences(api, store, library):
    with pytest.raises(DocumentRefused, match="no known type"):
        _ = [e async for e in library.add("song.mp3", b"ID3", "chat-a", "ann")]
    with pytest.raises(DocumentRefused, match="larger than 1 MB"):
        _ = [e async for e in library.add("big.txt", b"x" * 1_100_000, "chat-a", "ann")]
    async with httpx.AsyncClient(base_url=api) as http:
        for method, path, status in (
            ("POST", "/v1/documents?name=a.md&chat=a&author=b", 415),
            ("GET", "/v1/documents", 400),
            ("GET", "/v1/documents?chat=a&everyone=1", 400),
            ("DELETE", "/v1/documents", 400),
            ("GET", f"/v1/explanations/{hashlib.md5(b'x').hexdigest()}", 404),
        ):
            assert (await http.request(method, path)).status_code == status, path
        plain = {"Content-Type": "application/octet-stream"}
        assert (await http.post("/v1/documents?name=a.md&chat=a", headers=plain)).status_code == 400
    away = LibraryClient("http://127.0.0.1:9")
    with pytest.raises(ServingUnavailable):
        await away.documents("a")
    await away.close()
