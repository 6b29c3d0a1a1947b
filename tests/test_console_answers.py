"""The pages of approved answers over HTTP: found, edited, given an end, and told where they contradict each other."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from conftest import free_port
from test_console import CAPITAL, console, opened
from test_console_accounts import joined
from test_console_knowledge import upload
from test_expiry import clock  # noqa: F401
from test_feedback import answered

from console.accounts import Accounts
from core.records import Passage
from core.settings import Settings
from feedback.audit import AuditLog
from tests.waiting import until

POOL, OTHERWISE = "When does the pool open on Mondays?", "At what time does the pool open on Mondays?"


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=tmp_path_factory.mktemp("answers"), redis_url=valkey_url, reply_tokens=24, **ports)


@pytest.fixture(scope="module")
def address(api, settings):
    with console(settings) as address:
        yield address


@pytest.fixture
def page(address, store):
    with opened(address) as page:
        yield page


def approve(context, question: str, answer: str, **fields) -> str:
    """Approve an answer for everyone; its turn."""
    turn = answered(context.turns, question, "I do not know.", chat="c1", author="zoe", **fields)
    context.reviews.decide(turn.id, "edit", "bob", "everyone", answer)
    return turn.id


def form_of(page, turn: str) -> dict[str, str]:
    """What the form of an answer would send as it is."""
    text = page.http.get(f"/answers/{turn}").text
    fields = dict(re.findall(r'name="(seen|last_day)"[^>]* value="([^"]*)"', text))
    chosen = re.search(r'value="(\w+)" selected', text)[1]
    return fields | {"text": re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.S)[1], "scope": chosen}


def days_ahead(days: int) -> str:
    return str(datetime.now(UTC).date() + timedelta(days=days))


def test_an_answer_is_found_edited_and_said_until_its_last_day(page, context, store, clock):  # noqa: F811
    asked = page.ask(CAPITAL)["turn_id"]
    context.reviews.decide(asked, "edit", "bob", "everyone", "It is Paris, as ever.")
    approve(context, "Where do visitors park?", "Behind the old greenhouse.")
    page.post("/reset")
    shown = page.open("/answers").text
    assert shown.index("Where do visitors park?") < shown.index("as ever") and "edited by bob" in shown
    for text, there in (("GREENHOUSE", "visitors"), ("capital", "as ever"), ("greenhouse", "visitors")):
        found = page.http.get("/answers", params={"text": text}).text
        assert there in found and found.count("<h3>") == 1
    assert "None holds tide." in page.http.get("/answers", params={"text": "tide"}).text

    last = days_ahead(30)
    told = page.send(f"/answers/{asked}", **form_of(page, asked) | {"text": "Paris, until it moves.", "last_day": last})
    assert "Decided." in told.text and f"until {last}" in told.text and "edited by operator" in told.text
    assert page.ask(CAPITAL)["text"] == "Paris, until it moves." and f"until {last}" in page.http.get("/answers").text
    assert form_of(page, asked)["last_day"] == last
    entry = AuditLog(store).page()[0]
    assert (entry.who, entry.what, entry.subject, entry.why) == (
        "operator",
        "edit",
        asked,
        f"for everyone, until {last}",
    )

    page.post("/reset")
    clock.pass_days(29)
    assert page.ask(CAPITAL)["origin"] == "approved"
    page.post("/reset")
    clock.pass_days(2)
    assert page.ask(CAPITAL)["origin"] == "model", "to nobody any more"
    assert "until it moves" not in page.http.get("/answers").text
    assert page.http.get(f"/answers/{asked}").status_code == 404


def test_only_the_end_or_the_audience_changes_where_the_text_does_not(page, context):
    turn = answered(context.turns, POOL, "At seven.", chat="c1")
    context.reviews.decide(turn.id, "approve", "bob", "everyone", why="I asked there")
    page.send(f"/answers/{turn.id}", **form_of(page, turn.id) | {"scope": "chat", "last_day": days_ahead(0)})
    review = context.reviews.get(turn.id)
    assert (review.decision, review.scope, review.reviewer, review.why) == (
        "approve",
        "chat",
        "operator",
        "I asked there",
    )
    assert review.until is not None and review.until % 86_400_000 == 0
    page.send(f"/answers/{turn.id}", **form_of(page, turn.id) | {"last_day": ""})
    assert context.reviews.get(turn.id).until is None


def test_answers_that_contradict_each_other_are_flagged_until_one_is_edited(page, context):
    older, newer = approve(context, POOL, "At seven."), approve(context, OTHERWISE, "Not before noon.")
    approve(context, "When does the sauna open on Mondays?", "At three.")
    part = page.http.get("/answers/contradictions", headers={"hx-request": "true"}).text
    assert "1 pair contradicts" in part and "<html" not in part
    shown = page.http.get("/answers/contradictions").text
    assert shown.index("Not before noon.") < shown.index("At seven.") and "At three." not in shown
    page.send(f"/answers/{older}", **form_of(page, older) | {"text": "Not before noon."})
    assert "There are none." in page.http.get("/answers/contradictions").text
    context.reviews.decide(newer, "reject", "bob")
    headers = {"hx-request": "true"}
    assert "None contradicts another" in page.http.get("/answers/contradictions", headers=headers).text


def test_two_operators_do_not_overwrite_each_other(page, context):
    turn = approve(context, POOL, "At seven.")
    mine = form_of(page, turn)
    context.reviews.decide(turn, "edit", "bob", "everyone", "At eight.")
    told = page.send(f"/answers/{turn}", **mine | {"text": "At nine."})
    assert told.status_code == 400 and "decided anew meanwhile" in told.text
    assert context.reviews.get(turn).text == "At eight."


REFUSED = {
    "empty": ({"text": " "}, "cannot be empty"),
    "too long": ({"text": "x" * 8001}, "at most 8000 characters"),
    "no such audience": ({"scope": "all"}, "choose who is to hear"),
    "yesterday": ({"last_day": days_ahead(-1)}, "only end in the future"),
    "no day": ({"last_day": "soon"}, "such as 2030-12-31"),
    "the last day of all": ({"last_day": "9999-12-31"}, "such as 2030-12-31"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_decided_is_one_sentence(page, context, store, case):
    changed, words = REFUSED[case]
    turn = approve(context, POOL, "At seven.")
    told = page.send(f"/answers/{turn}", **form_of(page, turn) | changed)
    assert told.status_code == 400 and words in told.text.lower()
    assert context.reviews.get(turn).text == "At seven." and [e.who for e in AuditLog(store).page()] == ["bob"]


HX = {"hx-request": "true"}


def test_answers_that_a_document_disputes_are_flagged_until_either_is_put_right(page, context):
    disputed = approve(context, "What does the ferry to Norderney cost?", "The ferry costs 16 euros.")
    agrees = approve(context, "How long does the ferry to Norderney take?", "It takes 55 minutes.")
    fares = "# Ferry to Norderney\n\nThe ferry costs 14 euros. The crossing takes 55 minutes.\n"
    upload(page, "ferry.md", fares)
    assert "1 disputed by a document" in until(
        lambda: "left to compare" not in (part := page.http.get("/answers/conflicts", headers=HX).text) and part,
        "all are compared",
    )
    shown = page.http.get("/answers/conflicts").text
    assert "<q>The ferry costs 16 euros.</q>" in shown and "<q>The ferry costs 14 euros.</q>" in shown
    assert "ferry.md" in shown and "55 minutes" not in shown
    listed = page.http.get("/answers").text
    assert f'id="flag-{disputed}"' in listed and 'hx-get="/answers/conflicts"' in page.http.get("/").text
    flags = page.http.get(html.unescape(re.search('hx-get="(/answers/flags[^"]+)"', listed)[1]), headers=HX).text
    assert f'id="flag-{disputed}"' in flags and "a document disagrees" in flags and agrees not in flags
    page.send(f"/answers/{disputed}", **form_of(page, disputed) | {"text": "The ferry costs 14 euros."})
    assert "There are none." in page.http.get("/answers/conflicts").text


def test_what_is_a_chats_own_stays_there(page, context):
    own = (Passage("p", "own.md", "Own", "The pool opens at seven.", scope="chat"),)
    turn = answered(context.turns, POOL, "At seven.", chat="c1", passages=own)
    context.reviews.decide(turn.id, "approve", "bob", "chat")
    assert "for that chat only" in page.http.get(f"/answers/{turn.id}").text
    told = page.send(f"/answers/{turn.id}", **form_of(page, turn.id) | {"scope": "everyone"})
    assert told.status_code == 400 and "this chat only" in told.text


def test_long_lists_have_pages(page, context):
    for n in range(60):
        approve(context, f"What is rule {n}?", f"Rule {n}: <b>nobody</b> is late.")
    first = page.http.get("/answers").text
    assert first.count("<h3>") == 50 and "&lt;b&gt;nobody" in first
    then = page.http.get(re.search(r'href="(/answers\?[^"]+)"', first)[1].replace("&amp;", "&")).text
    assert then.count("<h3>") == 10 and "More answers" not in then
    held = page.http.get("/answers?text=nobody").text
    assert page.http.get("/answers?text=nobody&first=50").text.count("<h3>") == 10 and held.count("<h3>") == 50


def test_a_viewer_reads_and_a_reviewer_decides(address, page, context, store):
    turn, accounts = approve(context, POOL, "At seven."), Accounts(store)
    sent = form_of(page, turn) | {"text": "At nine."}
    with joined(address, accounts.invite("admin"), "ann"), joined(address, accounts.invite("viewer"), "eve") as eve:
        assert "At seven." in (text := eve.http.get(f"/answers/{turn}").text) and "<textarea" not in text
        assert eve.send(f"/answers/{turn}", **sent).status_code == 403
        with joined(address, accounts.invite("reviewer"), "kim") as kim:
            assert "edited by kim" in kim.send(f"/answers/{turn}", **sent).text


def test_without_serving_answers_are_listed_and_edited(settings, context):
    alone = settings.model_copy(update={"serving_port": free_port(), "console_port": free_port()})
    turn = approve(context, POOL, "At seven.")
    with console(alone) as address, opened(address) as page:
        assert "At seven." in page.http.get("/answers").text
        assert "At nine." in page.send(f"/answers/{turn}", **form_of(page, turn) | {"text": "At nine."}).text
        told = page.http.get("/answers/contradictions")
        assert told.status_code == 503 and "ask again in a moment" in told.text
        assert page.http.get("/answers/conflicts").status_code == 503
        assert "not known while serving is away" in page.http.get("/answers/conflicts", headers=HX).text
