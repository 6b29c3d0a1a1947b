"""A question is answered wrong, corrected, reviewed in the console, and answered right at once; over the real model."""

import re
from html import unescape

import pytest
from conftest import free_port
from test_console import PRICE, console, opened

from core.settings import Settings

RIGHT = "It costs 15 cents per gram since May."


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=tmp_path_factory.mktemp("story"), redis_url=valkey_url, reply_tokens=24, **ports)


@pytest.fixture(scope="module")
def address(api, settings):
    with console(settings) as address:
        yield address


def hidden(text: str, name: str) -> str:
    return unescape(re.search(f'name="{name}" value="([^"]*)"', text)[1])


def test_an_edit_approved_in_the_console_answers_in_the_playground(address, context):
    with opened(address) as page:
        wrong = page.ask(PRICE)
        page.post("/correct", turn_id=wrong["turn_id"], text="15 cents since May.")
        page.open("/review")
        shown = page.http.get("/review/next", follow_redirects=True)
        assert shown.url.path == f"/review/{wrong['turn_id']}"
        fields = {"decision": "approve", "text": RIGHT, "scope": "everyone", "seen": hidden(shown.text, "seen")}
        assert "Approved for everyone" in page.send(f"{shown.url.path}/decide", **fields).text
        page.post("/reset")
        answer = page.ask(PRICE)
        assert (answer["origin"], answer["text"]) == ("approved", RIGHT)
        undo = page.send(
            f"/review/{wrong['turn_id']}/undo", made_at=str(context.reviews.get(wrong["turn_id"]).created_at)
        )
        assert undo.status_code == 200
        page.post("/reset")
        assert page.ask(PRICE)["text"] != RIGHT, "undone, it answers no more"


def test_similar_questions_are_found_and_get_one_answer(address, context):
    with opened(address) as page:
        questions = (PRICE, "How much does a print on the 3D printer cost for each gram?", "Who wrote the play Hamlet?")
        first, near, far = (page.ask(question)["turn_id"] for question in questions)
        for turn in (first, near, far):
            page.post("/rate", turn_id=turn, value=-1)
        page.open("/review")
        shown = page.http.get(f"/review/{first}/similar", headers={"hx-request": "true"}).text
        assert re.findall(r'name="turn" value="(\w+)"', shown) == [near] and "<html" not in shown
        told = page.send(f"/review/{first}/similar", turn=near, decision="edit", text=RIGHT, scope="everyone")
        assert "Decided together: 2." in told.text and told.url.path == f"/review/{far}"
        assert {context.reviews.get(turn).text for turn in (first, near)} == {RIGHT}
        batch = re.search(r"/review/bulk/(\w+)/undo", told.text)[1]
        page.send(f"/review/bulk/{batch}/undo", total="2")
        assert context.reviews.waiting() == 3
        empty = page.send(f"/review/{first}/similar", turn=near, decision="edit", text=" ")
        assert empty.status_code == 400 and "cannot be empty" in empty.text
