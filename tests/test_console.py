"""The playground as a real HTTP server over the real model: a person's journey first, then what must be refused."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from conftest import free_port

from core.identity import Pseudonyms
from core.settings import Settings
from feedback.audit import AuditLog
from retrieval.ingest import ingest
from tests.console_process import console
from tests.knowledge import embedder
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
CAPITAL = "What is the capital of France?"
SPAIN = "What is the capital of Spain?"
STORY = "Tell me a story about ships."
PRICE = "How much does a print on the 3D printer cost per gram?"
SCRIPT = {"accept": "application/json"}
AWAY = "redis://127.0.0.1:1/0"


TOKEN = re.compile('<meta name="csrf" content="([0-9a-f]{32})">')


class Page:
    """What a browser does: keeps the cookie, says which origin it speaks for, and sends the page's token."""

    def __init__(self, address: str):
        self.http = httpx.Client(base_url=address, timeout=60, headers={"origin": address})
        self.open()

    def open(self, path: str = "/playground") -> httpx.Response:
        """Load a page; what is posted from now on carries its token."""
        shown = self.http.get(path, follow_redirects=True)
        self.http.headers["x-csrf-token"] = TOKEN.search(shown.text)[1]
        return shown

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form, and follow where it leads."""
        token = {"csrf": self.http.headers["x-csrf-token"]}
        plain = {name: value for name, value in self.http.headers.items() if name != "x-csrf-token"}
        return self.http.post(path, data=token | fields, headers=plain, follow_redirects=True)

    def post(self, path: str, status: int = 200, **body) -> dict:
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, path: str, status: int, **body) -> str:
        return self.post(path, status, **body)["error"]

    def stream(self, path: str, **body) -> list[dict]:
        with self.http.stream("POST", path, json=body) as response:
            assert response.status_code == 200, response.read()
            return [json.loads(line) for line in response.iter_lines()]

    def ask(self, text: str) -> dict:
        return self.stream("/ask", text=text)[-1]

    def conversation(self) -> dict:
        return self.http.get("/conversation", headers=SCRIPT).raise_for_status().json()


@contextmanager
def opened(address: str) -> Iterator[Page]:
    page = Page(address)
    try:
        yield page
    finally:
        page.http.close()


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    data = tmp_path_factory.mktemp("console")
    (data / "prices.md").write_text("# Prices\n\nA print on the 3D printer costs 12 cents per gram.\n")
    ingest(data, [data / "prices.md"], embedder())
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=data, redis_url=valkey_url, reply_tokens=24, **ports)


@pytest.fixture(scope="module")
def address(api, settings):
    with console(settings) as address:
        yield address


@pytest.fixture
def page(address, store):
    with opened(address) as page:
        yield page


# A person's journey


def test_a_person_is_told_asks_rates_corrects_and_finds_it_again(address, context, settings):
    page = Page(address)
    first = httpx.get(f"{address}/playground")
    assert "90 days" in first.text and "May the assistant also learn" in first.text
    cookies = first.headers.get_list("set-cookie")
    assert len(cookies) == 2 and all(
        "httponly" in cookie.lower() and "samesite" in cookie.lower() for cookie in cookies
    )
    assert page.conversation() == {"turns": [], "consent": "ask", "progress": page.conversation()["progress"]}

    begun, *said, ended = page.stream("/ask", text=CAPITAL)
    assert begun["type"] == "begun" and ended["type"] == "ended" and len(said) > 1
    assert "".join(piece["text"] for piece in said) == ended["text"] and "Paris" in ended["text"]
    assert begun["turn_id"] == ended["turn_id"] and begun["version"] == ended["version"] == "base"
    assert "0 of about 60 approved items" in ended["progress"]

    turn_id = ended["turn_id"]
    assert "approved items" in page.post("/consent", consent="yes")["progress"]
    page.post("/rate", turn_id=turn_id, value=-1, reason="too short")
    page.post("/correct", turn_id=turn_id, text=" Paris, since 987. ")
    (item,) = context.reviews.queue()
    (vote,), (correction,) = item.votes, item.corrections
    assert (item.turn.id, vote.value, vote.reason) == (turn_id, -1, "too short")
    assert correction.text == "Paris, since 987."
    assert item.turn.author == vote.author == correction.author
    assert vote.author == Pseudonyms.of_installation(settings.data_dir).author("playground:operator")
    assert context.people.person(vote.author).role == "owner", "whoever speaks here is trusted as the owner is"

    (turn,) = page.conversation()["turns"]
    assert (turn["question"], turn["text"]) == (CAPITAL, ended["text"])
    assert (turn["rating"], turn["correction"]) == (-1, "Paris, since 987.")
    assert page.conversation()["consent"] == "yes"
    page.post("/rate", turn_id=turn_id, value=0)
    assert page.conversation()["turns"][0]["rating"] == 0
    done = [(entry.what, entry.subject or entry.why) for entry in reversed(AuditLog(context.store).page())]
    assert done == [("learn from the playground", "yes"), *((what, turn_id) for what in ("rate", "correct", "rate"))]
    page.http.close()


def test_another_answer_is_a_pair_and_the_conversation_goes_on_from_it(page, context):
    first = page.ask(CAPITAL)["turn_id"]
    second = page.ask(SPAIN)["turn_id"]
    replacement = page.stream("/again", turn_id=second)[-1]["turn_id"]
    turn = context.turns.get(replacement)
    assert (turn.parent, turn.regenerates, turn.messages[0].content) == (first, second, SPAIN)
    (pair,) = context.ratings.regenerations(second)
    assert (pair.turn, pair.replacement, pair.author) == (second, replacement, turn.author)

    third = context.turns.get(page.ask("And of Italy?")["turn_id"])
    assert third.parent == replacement and [m.content for m in third.messages] == ["And of Italy?"]
    assert [t["question"] for t in page.conversation()["turns"]] == [CAPITAL, SPAIN, "And of Italy?"]

    page.post("/reset")
    assert page.conversation()["turns"] == []
    assert context.turns.get(page.ask(CAPITAL)["turn_id"]).parent is None


def test_an_answer_names_its_sources_and_an_approved_correction_answers_at_once(page, context):
    cited = page.ask(PRICE)
    assert cited["citations"][0]["source"] == "prices.md" and "12 cents" in cited["citations"][0]["text"]
    assert "[1]" in cited["text"] and "[1]" not in cited["draft"]
    assert page.conversation()["turns"][0]["citations"] == cited["citations"]

    page.post("/correct", turn_id=cited["turn_id"], text="It costs 15 cents per gram since May.")
    (item,) = context.reviews.queue()
    context.reviews.decide(item.turn.id, "edit", "ann", "chat", item.suggestion)
    page.post("/reset")
    approved = page.ask(PRICE)
    assert (approved["origin"], approved["text"]) == ("approved", "It costs 15 cents per gram since May.")


def test_a_stopped_answer_is_kept_and_the_conversation_goes_on_from_it(page, context):
    with page.http.stream("POST", "/ask", json={"text": STORY}) as response:
        lines = response.iter_lines()
        turn_id = json.loads(next(lines))["turn_id"]
        for _ in range(5):
            next(lines)
    until(lambda: context.turns.get(turn_id).status != "open", "the turn is closed")
    turn = context.turns.get(turn_id)
    assert turn.status == "stopped" and turn.reply.strip()
    (shown,) = page.conversation()["turns"]
    assert shown["stopped"] and shown["text"] == turn.reply
    assert context.turns.get(page.ask("Go on.")["turn_id"]).parent == turn_id


def test_two_browsers_hold_two_conversations_of_one_person(address, page):
    mine = page.ask(CAPITAL)["turn_id"]
    page.post("/consent", consent="no")
    with opened(address) as other:
        assert other.conversation()["turns"] == [] and other.conversation()["consent"] == "no"
        assert "another conversation" in other.refused("/again", 404, turn_id=mine)


# What goes wrong


def test_a_turn_that_cannot_be_stored_has_no_id(page, store):
    store.config_set("maxmemory", "1")
    try:
        answer = page.ask(CAPITAL)
        assert "Paris" in answer["text"] and answer["turn_id"] is None
        assert "cannot store anything" in page.refused("/consent", 503, consent="yes")
    finally:
        store.config_set("maxmemory", "0")


def test_serving_away_is_one_sentence_and_the_rest_works(settings, store):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    with console(settings.model_copy(update=ports)) as address, opened(address) as page:
        assert page.refused("/ask", 503, text=CAPITAL).endswith("please ask again in a moment.")
        assert page.conversation()["turns"] == [] and page.post("/consent", consent="yes")


def test_the_database_away_is_one_sentence_everywhere_and_the_console_lives(settings, address):
    without = settings.model_copy(update={"redis_url": AWAY, "console_port": free_port()})
    with console(without) as alone, opened(alone) as page:
        assert page.http.get("/healthz").is_success
        told = page.http.get("/conversation", headers=SCRIPT)
        assert told.status_code == 503 and "please try again" in told.json()["error"]
        assert "please try again" in page.refused("/ask", 503, text=CAPITAL)
        assert "please try again" in page.refused("/rate", 503, turn_id="x", value=1)


REFUSED = {
    "empty": ("/ask", {"text": " \n "}, 400, "the message is empty"),
    "100,000 characters": ("/ask", {"text": "word " * 20_000}, 400, "Send it in parts"),
    "more than a megabyte": ("/ask", {"text": "x" * 2**20}, 400, "send it in parts"),
    "no text": ("/ask", {}, 400, "load it again"),
    "no such thumb": ("/rate", {"turn_id": "x", "value": 5}, 400, "load it again"),
    "an unknown turn": ("/rate", {"turn_id": "x", "value": 1}, 404, "no turn"),
    "an unknown turn again": ("/again", {"turn_id": "x"}, 404, "no turn"),
    "a correction of nothing": ("/correct", {"turn_id": "x", "text": "y"}, 404, "no turn"),
    "no such consent": ("/consent", {"consent": "maybe"}, 400, "load it again"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_one_sentence(page, case):
    path, body, status, words = REFUSED[case]
    assert words in page.refused(path, status, **body)


def test_a_correction_must_say_something(page):
    turn_id = page.ask(CAPITAL)["turn_id"]
    assert "must say something" in page.refused("/correct", 400, turn_id=turn_id, text="  ")
    assert "8000 characters" in page.refused("/correct", 400, turn_id=turn_id, text="x" * 8001)


def test_malformed_json_and_a_missing_cookie_are_one_sentence(page):
    headers = {"content-type": "application/json"}
    broken = page.http.post("/ask", content=b"{oops", headers=headers)
    assert broken.status_code == 400 and "load it again" in broken.json()["error"]
    page.http.cookies.delete("apprentice_chat")
    assert "cookie is missing" in page.refused("/ask", 400, text=CAPITAL)


def test_a_made_up_cookie_is_replaced(page):
    page.http.cookies.clear()
    page.http.get("/playground", headers={"cookie": "apprentice_chat=mine"})
    assert len(page.http.cookies["apprentice_chat"]) == 32


# Nobody else drives it


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "[::1", "", "a@b"])
@pytest.mark.parametrize("path", ["/", "/playground", "/conversation", "/static/playground.js"])
def test_another_host_name_is_refused(page, host, path):
    assert page.http.get(path, headers={"host": host}).status_code in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_another_page_cannot_post(page, origin):
    told = page.http.post("/reset", json={}, headers={"origin": origin})
    assert told.status_code == 403 and "own pages" in told.json()["error"]


def test_a_form_of_another_page_is_refused(page):
    told = page.http.post("/reset", content="{}", headers={"content-type": "text/plain"})
    assert told.status_code == 415


def test_every_name_of_this_machine_is_heard(page, settings):
    for host in ("127.0.0.1", "localhost", "[::1]"):
        named = f"{host}:{settings.console_port}"
        assert page.http.get("/healthz", headers={"host": named}).is_success
        assert page.http.post("/reset", json={}, headers={"host": named, "origin": f"http://{named}"}).is_success


def test_browsers_are_told_to_load_nothing_from_elsewhere(page):
    for path in ("/", "/playground", "/healthz", "/conversation", "/static/playground.css", "/nothing"):
        headers = page.http.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';") and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    for file in (ROOT / "console").rglob("*.*"):
        if file.suffix in (".html", ".css", ".js") and file.name != "htmx.min.js":
            text = file.read_text()
            assert (
                file.name == "htmx.min.js"
                or "http:" not in text
                and "https:" not in text
                and " style=" not in text
                and "onclick" not in text
            )
