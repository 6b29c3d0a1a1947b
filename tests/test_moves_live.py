"""Versions are promoted and taken back on the console's pages while the real model answers a chat in the playground."""

import json

import pytest
from conftest import free_port
from test_console import STORY, console, opened
from test_moves import confirm

from core.records import BASE
from core.settings import Settings
from tests.serving_process import until_live


@pytest.fixture(scope="module")
def settings(valkey_url, tmp_path_factory):
    ports = {"serving_port": free_port(), "console_port": free_port()}
    return Settings(data_dir=tmp_path_factory.mktemp("moves"), redis_url=valkey_url, reply_tokens=120, **ports)


def test_what_is_being_said_goes_on_while_an_operator_promotes_and_rolls_back(http, versions, settings, context):
    letter = versions["a"]
    with console(settings) as address, opened(address) as chat, opened(address) as other, opened(address) as admin:
        with chat.http.stream("POST", "/ask", json={"text": STORY}) as answer:
            lines = answer.iter_lines()
            begun, first = json.loads(next(lines)), json.loads(next(lines))
            confirm(admin, f"/adapters/{letter}/promote")
            until_live(http, letter)
            promoted = other.ask(STORY)
            confirm(admin, "/adapters/rollback")
            until_live(http, BASE)
            ended = json.loads(list(lines)[-1])
        assert promoted["version"] == letter[:12] and promoted["text"].startswith("a a a")
        assert begun["version"] == ended["version"] == BASE and ended["text"].startswith(first["text"])
        assert "a a a" not in ended["text"] and other.ask(STORY)["version"] == BASE
    assert context.registry.get(letter).status == "rejected"
