"""The page of documents over HTTP: uploaded, read, found with scores, answered from, removed; and who may do what."""

import re

import httpx
import pytest
from conftest import free_port
from knowledge import embedder
from test_console import console, opened
from test_console_accounts import joined

from console.accounts import Accounts
from console.guard import MAX_BODY
from core import keys
from core.records import EmbedderVersion, RetrievalReport
from core.settings import Settings
from feedback.audit import AuditLog
from feedback.embedders import Embedders
from retrieval import sent
from retrieval.ingest import ingest

FERRY = "# Ferry\n\nThe ferry to Norderney takes 55 minutes and costs 14 euros.\n"
TIDES = "# Tides\n\nHigh tide on Sunday is at 6:12.\n"
QUESTION = "How long does the ferry to Norderney take?"


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    data = tmp_path_factory.mktemp("collection")
    return Settings(data_dir=data, redis_url=valkey_url, reply_tokens=24, document_max_mb=1, **ports)


@pytest.fixture(scope="module")
def address(api, settings):
    with console(settings) as address:
        yield address


@pytest.fixture
def page(address, store, settings):
    for document in sent.listed(settings.data_dir, None):
        sent.take_out(settings.data_dir, document.id, None)
    with opened(address) as page:
        yield page


@pytest.fixture
def audit(store):
    return AuditLog(store)


def upload(page, name: str, content: str | bytes, **fields: str) -> httpx.Response:
    """What the form with the file sends, whose token stands in its body."""
    token = {"csrf": page.http.headers["x-csrf-token"]}
    plain = {name: value for name, value in page.http.headers.items() if name != "x-csrf-token"}
    files = {"file": (name, content)}
    return page.http.post("/knowledge/upload", data=token | fields, files=files, headers=plain, follow_redirects=True)


def results(text: str) -> list[tuple[str, str]]:
    """The score and the badge of each passage that was found."""
    return re.findall(r'class="score">([\d.-]+)</strong>\s*<span class="badge[^"]*">([\w ]+)<', text)


def test_a_document_is_uploaded_read_found_answered_from_and_removed(page, audit):
    assert "There are none yet" in page.open("/knowledge").text
    shown = upload(page, "ferry.md", FERRY)
    assert shown.status_code == 200 and "takes 55 minutes" in shown.text and "1 passage," in shown.text
    path = shown.url.path
    upload(page, "tides.md", TIDES)
    listed = page.http.get("/knowledge").text
    assert "2 documents, 2 passages" in listed and path in listed and "uploaded or sent" in listed

    found = page.http.get("/knowledge", params={"question": QUESTION}).text
    (best, used), (other, unused) = results(found)
    assert (used, unused) == ("may be used", "not used") and float(best) > 0.45 > float(other)
    assert "55 minutes" in page.ask(QUESTION)["text"]

    replaced = upload(page, "ferry.md", FERRY.replace("55", "75"))
    assert replaced.url.path == path and "75 minutes" in replaced.text
    assert "55 minutes" not in page.http.get("/knowledge", params={"question": QUESTION}).text

    asked = page.http.get(f"{path}/remove").text
    assert "Remove ferry.md?" in asked and "apprentice ingest" not in asked
    assert page.send(f"{path}/remove").url.path == "/knowledge"
    assert page.http.get(path).status_code == 404 and page.send(f"{path}/remove").status_code == 404
    found = page.http.get("/knowledge", params={"question": QUESTION}).text
    assert "Nothing that an answer may rest on" in found and [u for _, u in results(found)] == ["not used"]
    done = [(entry.who, entry.what, entry.why) for entry in audit.page()]
    uploads = [("operator", "upload", name) for name in ("ferry.md", "tides.md", "ferry.md")]
    assert done == [("operator", "remove document", "ferry.md"), *uploads]


def test_what_is_approved_stands_before_documents_and_alone_where_it_is_said(page, context):
    upload(page, "ferry.md", FERRY)
    turn = page.ask(QUESTION)["turn_id"]
    context.reviews.decide(turn, "edit", "ann", "everyone", "It takes an hour since May.")
    said = page.http.get("/knowledge", params={"question": QUESTION}).text
    assert "Said word for word" in said and "an hour since May" in said and not results(said)
    similar = page.http.get(
        "/knowledge", params={"question": "How long does the journey on the ferry to Norderney last?"}
    )
    assert "an hour since May" in similar.text.split("ferry.md")[0], "a source, before the document"
    assert results(similar.text)[0][1] == "may be used" and "Said word" not in similar.text


def test_small_talk_and_nothing_search_nothing(page):
    upload(page, "ferry.md", FERRY)
    assert not results(page.http.get("/knowledge", params={"question": "Hello!"}).text)
    assert 'id="found"' not in page.http.get("/knowledge", params={"question": "  "}).text
    told = page.http.get("/knowledge", params={"question": "x" * 8001})
    assert told.status_code == 400 and "at most 8000 characters" in told.text


def test_files_are_read_again_and_what_is_gone_keeps_what_was_read(page, audit, settings, tmp_path):
    for name, text in (("ferry.md", FERRY), ("tides.md", TIDES), ("broken.md", "Bread is baked on Mondays.")):
        (tmp_path / name).write_text(text)
    ingest(settings.data_dir, [tmp_path], embedder())
    upload(page, "sent.md", "# Sauna\n\nThe sauna is closed in July.")
    (tmp_path / "ferry.md").write_text(FERRY.replace("55", "75"))
    (tmp_path / "tides.md").unlink()
    (tmp_path / "broken.md").write_bytes(b"\xff\xfe\xff")
    told = page.send("/knowledge/renew").text
    assert "1 file read, 1 of" in told and "4 passages in the index" in told
    assert f"{tmp_path.name}/tides.md" in told and "broken.md is not UTF-8" in told
    assert "0 of" in page.send("/knowledge/renew").text and audit.page()[0].why == "0 of 1 files had changed"
    texts = all_of(page)
    assert "75 minutes" in texts and "55 minutes" not in texts and "6:12" in texts and "sauna" in texts
    path = re.search(r'href="(/knowledge/\w+)">[^<]*ferry.md', page.http.get("/knowledge").text)[1]
    assert "brings it back" in page.http.get(f"{path}/remove").text


def all_of(page) -> str:
    """The pages of every document that the list names."""
    links = set(re.findall(r'href="(/knowledge/[0-9a-f]{32})"', page.http.get("/knowledge").text))
    return "".join(page.http.get(link).text for link in links)


def test_long_documents_and_long_lists_have_pages(page):
    long = "\n\n".join(f"## Rule {n}\n\nRule number {n} says that nobody is late." for n in range(60))
    shown = upload(page, "rules.md", long)
    assert "Rule 49" in shown.text and "Rule 50" not in shown.text
    more = page.http.get(f"{shown.url.path}?first=50").text
    assert "Rule 59" in more and "Rule 49" not in more and "More passages" not in more
    assert page.http.get(f"{shown.url.path}?first=-1").text == shown.text
    assert "rules.md" in page.http.get("/knowledge?name=RULE").text
    assert "No document&#39;s name contains nothing" in page.http.get("/knowledge?name=nothing").text.replace(
        "'", "&#39;"
    )


REFUSED = {
    "song.mp3": (b"ID3", 422, "no known type"),
    "empty.md": (b" ", 422, "holds no text"),
    "large.txt": (b"x" * 1_000_001, 422, "larger than 1 MB"),
    "larger.txt": (b"x" * (1_000_001 + MAX_BODY), 400, "larger than 1 MB"),
    "": (b"", 400, "Choose a file first"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_sentence_and_changes_nothing(page, audit, name):
    content, status, words = REFUSED[name]
    told = upload(page, name, content)
    assert told.status_code == status and words in told.text
    assert "There are none yet" in page.http.get("/knowledge").text and not audit.page()


def test_a_form_with_a_file_needs_the_browsers_own_token_and_is_taken_nowhere_else(address, page):
    token = page.http.headers.pop("x-csrf-token")
    files = {"file": ("ferry.md", FERRY)}
    with opened(address) as other:
        for sent_token in ("", "0" * 32, other.http.headers["x-csrf-token"]):
            assert page.http.post("/knowledge/upload", data={"csrf": sent_token}, files=files).status_code == 403
    assert page.http.post("/knowledge/upload", files=files).status_code == 403
    as_a_file = {"csrf": ("csrf", token), "file": ("ferry.md", FERRY)}
    assert page.http.post("/knowledge/upload", files=as_a_file).status_code == 403
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert page.http.post("/knowledge/upload", content=b"--y\r\n", headers=broken).status_code == 403
    nothing = {"content-type": "multipart/form-data"}
    assert page.http.post("/knowledge/upload", content=b"", headers=nothing).status_code == 403
    foreign = {"origin": "https://evil.example"}
    assert page.http.post("/knowledge/upload", data={"csrf": token}, files=files, headers=foreign).status_code == 403
    assert page.http.post("/knowledge/renew", data={"csrf": token}, files=files).status_code == 415
    assert "There are none yet" in page.http.get("/knowledge").text
    assert page.http.post("/knowledge/upload", data={"csrf": token}, files=files).status_code == 303


def test_a_viewer_looks_a_reviewer_uploads_and_an_admin_removes(address, page, store):
    accounts = Accounts(store)
    with joined(address, accounts.invite("admin"), "ann") as ann:
        path = upload(ann, "tides.md", TIDES).url.path
        assert "Re-index" in ann.http.get("/knowledge").text and "Remove…" in ann.http.get(path).text
        with joined(address, accounts.invite("viewer"), "eve") as eve:
            looked = eve.http.get("/knowledge", params={"question": "When is high tide on Sunday?"}).text
            assert results(looked) and "Upload" not in looked and "Remove…" not in looked + eve.http.get(path).text
            assert upload(eve, "ferry.md", FERRY).status_code == 403
        with joined(address, accounts.invite("reviewer"), "bob") as bob:
            assert "Norderney" in upload(bob, "ferry.md", FERRY).text
            assert bob.http.get(f"{path}/remove").status_code == 403 == bob.send(f"{path}/remove").status_code
            assert bob.send("/knowledge/renew").status_code == 403
        assert "2 documents" in ann.http.get("/knowledge").text
        told = page.http.post("/knowledge/upload", files={"file": ("x.md", FERRY)})
        assert told.status_code == 401, "nobody reads what strangers send"


def test_serving_away_is_one_sentence(settings, store):
    alone = settings.model_copy(update={"serving_port": free_port(), "console_port": free_port()})
    with console(alone) as address, opened(address) as page:
        told = page.http.get("/knowledge")
        assert told.status_code == 503 and "ask again in a moment" in told.text
        assert upload(page, "ferry.md", FERRY).status_code == 503


def test_what_the_search_learned_stands_there_with_its_figures(page, context):
    assert "What the search learned" not in page.open("/knowledge").text
    context.store.set(keys.REFRESH_FENCE, 1)
    judged = RetrievalReport(
        20, 9, 1, 0.011, (0.4, 0.7), (0.6, 0.9), (0.5, 0.8), (0.1, 0.45), (1.0, 0.95), "promote", "better."
    )
    Embedders(context.store).add(EmbedderVersion("ab" * 16, "base", "base", 77, judged), 1)
    text = page.open("/knowledge").text
    assert "What the search learned" in text and "abababababab" in text and "40 → 70 %" in text
    assert "in use" not in text.split("What the search learned")[1].split("</table>")[0]
