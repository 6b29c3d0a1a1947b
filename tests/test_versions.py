"""What an operator sees of adapter versions: in the terminal, as JSON, and on the console's pages."""

import json
import re
from dataclasses import replace

import httpx
import pytest
from conftest import free_port
from test_console import AWAY, console, opened
from typer.testing import CliRunner

from apprentice import app
from core.privacy import scrub
from core.records import BASE, GateReport, ItemScore, Manifest, Message, SliceScore, Turn, now_ms
from core.settings import Settings
from feedback.reviews import NewDecision
from training.gate import frozen_hash
from training.report import examples, facts
from workers.context import open_context

VERSION = "c" * 64
QUESTIONS = {"a" * 32: "When does the <b>library</b> open?", "b" * 32: "Mail me at eve@example.org, will you?"}
GONE = "d" * 32


@pytest.fixture
def settings(valkey_url, tmp_path, store):
    return Settings(data_dir=tmp_path, redis_url=valkey_url, console_port=free_port())


@pytest.fixture
def context(settings):
    return open_context(settings)


def publish(context, report: GateReport | None, version: str = VERSION) -> None:
    manifest = Manifest(
        version, BASE, "smol", "h", "r1-x-1", "lora", 16, 32.0, (), sources=("x", "y"), created_at=1_760_000_000_000
    )
    context.registry.publish(context.registry.draft(version), manifest, report, rejected=report is not None)


def approve_all(context) -> None:
    turns = [
        Turn(i, (Message("user", text),), reply="old", status="complete", created_at=now_ms())
        for i, text in QUESTIONS.items()
    ]
    context.turns.add_closed(turns)
    context.reviews.decide_many([NewDecision(t, "edit", "everyone", f"Approved {t.id[0]}.") for t in turns], "ann")


def report() -> GateReport:
    won, lost = QUESTIONS
    new = (ItemScore(won, 0.125, 1.0), ItemScore(GONE, 0.5, 0.5))
    older = (ItemScore(lost, 1.0, 0.25),)
    checked = (ItemScore("safety:0", 1.0, 0.0),)
    return GateReport(
        version=VERSION,
        against=BASE,
        wins=(won,),
        losses=(),
        ties=(GONE,),
        p=0.5,
        slices=(
            SliceScore("new", 2, "token F1", 0.3125, 0.75, -0.4, 1.3, 0.21, new),
            SliceScore("older 1", 1, "token F1", 1.0, 0.25, -0.75, -0.75, -0.1, older),
            SliceScore("general", 0, "log-likelihood", 0.0, 0.0, 0.0, 0.0),
            SliceScore("safety", 1, "share that passes", 1.0, 0.0, -1.0, -1.0, None, checked),
        ),
        vetoes=("safety: 1 of 1 answers no longer pass, 0 newly do",),
        outcome="reject",
        summary="1 wins, 0 losses, 1 ties on 2 frozen prompts; safety.",
        created_at=now_ms(),
        frozen=frozen_hash(["a", "b"]),
        divergence=0.031,
        learned=8,
        learned_changed=7,
    )


SAID = (
    "share of wins where the answers differ: 100%, 95 % interval 3% to 100%",
    "KL from base: 0.031 nats a token on general prompts",
    "of 8 training prompts that base answers otherwise, 7 changed",
    f"frozen prompts: {frozen_hash(['a', 'b'])}",
    "safety: 1 of 1 answers no longer pass, 0 newly do",
    "Mail me at [email], will you?",
    "Approved a.",
    "(no longer in the record)",
)


def show(settings, monkeypatch, *words: str) -> str:
    monkeypatch.setenv("APPRENTICE_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("APPRENTICE_REDIS_URL", settings.redis_url)
    return CliRunner().invoke(app, ["adapters", *words]).output


def test_the_terminal_tells_what_a_version_is_and_what_the_gate_found(settings, context, monkeypatch):
    approve_all(context)
    publish(context, report())
    told = show(settings, monkeypatch, "show", VERSION[:8])
    for sentence in SAID:
        assert sentence in told
    assert "cccccccccccc (rejected)" in told and "from 2 approved answers" in told
    assert "older 1 (1 items, token F1): 1.000 -> 0.250; approved answers -0.100 nats a token" in told
    assert "won (new 0.12 -> 1.00): When does the <b>library</b> open?" in told
    assert "lost (safety 1.00 -> 0.00): Hello!" in told
    facts = json.loads(show(settings, monkeypatch, "show", VERSION[:8], "--json"))
    assert facts["report"]["slices"][1]["scores"] == [{"id": "b" * 32, "before": 1.0, "after": 0.25}]
    assert not [text for text in ("library", "Approved") if text in json.dumps(facts)], "ids only"


def test_the_pages_tell_the_same(settings, context):
    approve_all(context)
    with console(settings) as address, httpx.Client(base_url=address) as http:
        assert "There is no version yet" in http.get("/adapters").text
        publish(context, report())
        publish(context, None, "e" * 64)
        listed = http.get("/adapters").text
        assert f'href="/adapters/{VERSION}"' in listed and "never judged" in listed
        page = http.get(f"/adapters/{VERSION}").text
        for sentence in SAID:
            assert sentence in page
        assert "&lt;b&gt;library&lt;/b&gt;" in page and "<b>library" not in page
        assert "The two answers themselves are not stored" in page
        assert f'href="/replay/{next(iter(QUESTIONS))}?version={VERSION}"' in page
        assert "It was never judged" in http.get(f"/adapters/{'e' * 64}").text
        missing = http.get("/adapters/f00")
        assert missing.status_code == 404 and "No version begins with f00" in missing.text
        assert 'href="/adapters"' in http.get("/").text


def test_the_page_of_operators_makes_a_link(settings, context):
    with console(settings) as address, opened(address) as page:
        assert "There is no owner" in page.http.get("/operators").text
        assert "No bot has run here yet" in page.send("/operators/telegram").text
        context.people.note_bot("our_bot")
        code = re.search(r"https://t.me/our_bot\?start=([\w-]+)", page.send("/operators/telegram").text)[1]
        assert context.people.redeem(code, "ann", "telegram:42") == "operator"
        assert context.people.redeem(code, "bob", "telegram:43") is None
        assert "<code>42</code>" in page.http.get("/operators").text
        assert 'href="/operators"' in page.http.get("/adapters").text
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with console(away) as address:
        told = httpx.get(f"{address}/operators")
        assert told.status_code == 503 and "database cannot be reached" in told.text


def test_the_page_of_a_report_of_release_0_1_opens(settings, context):
    approve_all(context)
    won = next(iter(QUESTIONS))
    old = GateReport(
        VERSION, BASE, (won,), (), (), 0.5, (SliceScore("new", 1, "token F1", 0, 1, 1, 1),), (), "reject", "."
    )
    publish(context, old)
    with console(settings) as address:
        page = httpx.get(f"{address}/adapters/{VERSION}").text
    assert "&lt;b&gt;library" in page and "frozen prompts:" not in page


def test_words_no_longer_approved_for_everyone_are_not_shown(settings, context, monkeypatch):
    approve_all(context)
    publish(context, report())
    won = context.turns.get(next(iter(QUESTIONS)))
    context.reviews.decide(won.id, "edit", "ann", "chat", "Only here.")
    told = show(settings, monkeypatch, "show", VERSION)
    assert "library" not in told and "Only here." not in told and "won (new 0.12 -> 1.00): (no longer" in told


def test_the_database_away_is_one_sentence_on_the_page(settings):
    with console(settings.model_copy(update={"redis_url": AWAY})) as address:
        answer = httpx.get(f"{address}/adapters")
    assert answer.status_code == 503 and "please try again" in answer.text and "</html>" in answer.text


def test_thumbs_and_passages_are_shown_without_an_approved_answer(context):
    approve_all(context)
    asked = next(iter(QUESTIONS))
    slices = (
        SliceScore(
            "thumbs", 2, "log-likelihood", -2, -1, 0, 1, None, (ItemScore(asked, -3, -1), ItemScore(GONE, 2, 1))
        ),
        SliceScore("domain", 1, "nats", -2, -1.5, 0, 1, None, (ItemScore("e" * 32, -2, -1.5),)),
    )
    judged = replace(report(), wins=(), ties=(), slices=slices)
    shown = {(s.slice, s.result, s.question, s.reference) for s in examples(judged, context.turns, context.reviews)}
    assert shown == {
        ("thumbs", "won", scrub(QUESTIONS[asked]), ""),
        ("thumbs", "lost", "(no longer in the record)", ""),
        ("domain", "won", "(a passage of the documents)", ""),
    }
    assert {"thumbs: 1 wins, 1 losses, 0 ties, exact one-sided p = 0.75"} <= set(facts(judged))
