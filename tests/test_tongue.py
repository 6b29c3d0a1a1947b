"""Everything the bot says, in every language that it speaks."""

import ast as python
import re
from collections.abc import Iterator
from typing import get_args

import pytest
from fluent.syntax import FluentParser, ast
from fluent.syntax.visitor import Visitor

from adapters.registry import Status
from bot import texts
from bot.operators import phrases
from bot.tongue import LANGUAGES, known, say, slug, speaking
from core import errors
from core.records import Outcome, Reason, Scope
from feedback.order import REASONS
from feedback.people import Consent
from kinds import KINDS
from tests.conftest import ROOT
from tests.telegram_api import Person, buttons
from tests.telegram_world import a_world, ids
from tests.waiting import until

SAMPLES = (1, 2, 5, 21, 1000)
CONSTANTS = ("PLACEHOLDER", "EVERYONE", "COMMANDS", "TASKS")


class Variables(Visitor):
    def __init__(self):
        self.found = set()

    def visit_VariableReference(self, node):
        self.found.add(node.id.name)


def messages(language: str) -> dict[str, set[str]]:
    """The variables of each message."""
    text = (ROOT / "bot" / "locales" / f"{language}.ftl").read_text()
    found = {}
    for entry in FluentParser().parse(text).body:
        assert not isinstance(entry, ast.Junk), entry.content
        if isinstance(entry, ast.Message):
            assert entry.id.name not in found, entry.id.name
            (variables := Variables()).visit(entry)
            found[entry.id.name] = variables.found
    return found


def named() -> Iterator[str]:
    """The messages that the bot's modules name."""
    for path in (ROOT / "bot").rglob("*.py"):
        code = path.read_text()
        yield from re.findall(r'say\(\s*"([a-z-]+)"', code)
        yield from (
            re.findall(r'"([a-z-]+)" if \w+ else "[a-z-]+"(?=[,)])', code) if path.stem in ("texts", "wording") else ()
        )
        yield from (slug(name) for name in re.findall(r"\btexts\.([A-Z_]+)\b", code) if name not in CONSTANTS)
        yield from (
            f"operators-{slug(name)}" for name in re.findall(r"\bphrases\.([A-Z_]+)\b", code) if name != "COMMANDS"
        )
    yield from (f"command-{name}" for name in texts.COMMANDS)
    yield from (f"operators-command-{name}" for name in phrases.COMMANDS)
    yield from (f"outcome-{slug(why)}" for kind in KINDS.values() for why in kind.whys)
    yield from (f"reason-{slug(reason)}" for reason in get_args(Reason))
    yield from (f"operators-why-{slug(why)}" for why in REASONS)
    for prefix, kind in (("gate", Outcome), ("operators-gate", Outcome), ("operators-status", Status)):
        yield from (f"{prefix}-{slug(each)}" for each in get_args(kind))
    yield from (f"consent-{each}" for each in get_args(Consent))
    for prefix in ("approve-for", "reject-for", "approved", "rejected"):
        yield from (f"operators-{prefix}-{scope}" for scope in get_args(Scope))


PACKAGES = ("core", "kinds", "feedback", "retrieval", "adapters", "serving", "bot")
FOR_PROGRAMS = {"failed", "invalid_request", "not_allowed", "document_refused"}
"""Failures without a sentence in each language: only a program, or an operator's terminal, causes them."""


def codes() -> Iterator[str]:
    """The codes of failures: each kind's own, and those that are given where one is raised."""
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    yield from (kind.code for kind in vars(errors).values() if isinstance(kind, type))
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for call in python.walk(python.parse(path.read_text())):
            match call:
                case python.Call(python.Name(name), [_, python.Constant(str(code)), *_]) if name in kinds:
                    yield code
                case python.Tuple([python.Constant(str()), python.Constant(str(code))]) if path.stem == "senses":
                    yield code


def test_every_failure_that_people_meet_has_its_sentence():
    found = set(codes()) - FOR_PROGRAMS
    assert {"busy", "document_empty", "not_heard"} <= found
    assert {f"failure-{slug(code)}" for code in found} == {m for m in messages("en") if m.startswith("failure-")}


def test_every_message_that_is_said_is_there():
    assert not set(named()) - set(messages("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language):
    assert messages(language) == messages("en")
    with speaking(language):
        for name, variables in messages(language).items():
            for sample in SAMPLES:
                text = say(name, **dict.fromkeys(variables, sample))
                assert text.strip() == text and "{" not in text and "�" not in text, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_that_people_type_or_press_is_translated_away(language):
    english = messages("en")
    with speaking(language):
        said = {name: say(name, **dict.fromkeys(variables, 1)) for name, variables in english.items()}
        assert all(len(text) <= 256 for text in (*texts.commands().values(), *phrases.commands().values()))
    with speaking("en"):
        for name, variables in english.items():
            commands = set(re.findall(r"(?<!\w)/[a-z]+", say(name, **dict.fromkeys(variables, 1))))
            assert commands == set(re.findall(r"(?<!\w)/[a-z]+", said[name])), name
    assert texts.EVERYONE in said["send-again"]


def test_no_language_is_left_in_english():
    english = {name: say(name, **dict.fromkeys(v, 1)) for name, v in messages("en").items()}
    for language in LANGUAGES[1:]:
        with speaking(language):
            same = [n for n, v in messages(language).items() if say(n, **dict.fromkeys(v, 1)) == english[n]]
        assert len(same) < 15, (language, same)


def test_codes_as_telegram_gives_them():
    assert [known(code) for code in ("de", "zh-hans", "pt-BR", "EN-us", "", None)] == [
        "de",
        "zh",
        "en",
        "en",
        "en",
        "en",
    ]


@pytest.fixture(scope="module")
def world(valkey_url, base, tmp_path_factory):
    with a_world(valkey_url, base, tmp_path_factory.mktemp("tongue")) as found:
        yield found


def test_everybody_is_spoken_to_in_their_language(world):
    owner, people = world.owner, world.context.people
    owner.language = "ru"
    with speaking("ru"):
        owner.wait_text(texts.OWNER, owner.send(f"/start {people.invite('owner')}"))
        owner.wait_text(phrases.HELP, owner.send("/help"))

    anna = Person(world.api, next(ids), "Anna", language="de")
    anna.send("Hallo")
    with speaking("de"):
        anna.press(anna.wait_text(texts.STRANGER), texts.ASK)
    with speaking("ru"):
        asked = owner.wait_text(texts.asks("Anna"))
        owner.press(asked, texts.ALLOW)
    with speaking("de"):
        anna.wait_text(texts.MEMBER)
        assert say("trial-model") in anna.wait_text(texts.MEMBER)["text"]
        notice = anna.wait_text(say("consent-ask"))
        assert buttons(notice) == [texts.YES, texts.NO]
        answer = anna.wait_answer(anna.send("script:short bitte?"), 60)
        anna.press(answer, "👎")
        until(lambda: list(texts.reasons().values()) == buttons(world.now(answer))[3:], "the reasons")
        shown = anna.wait_text(texts.SHALL_I_SEND, anna.send("Sehr kurz.", reply_to=answer))
        anna.press(shown, texts.SEND)
        anna.wait_text(say("thanks"))
        world.context.reviews.decide(world.turn(answer).id, "edit", "operator", "everyone", "Sehr kurz.")
        anna.wait_text(
            texts.live("{time}").partition("{time}")[0].strip() or texts.live("{time}").partition("{time}")[2]
        )

    anna.wait_text("Schick sie in Teilen oder als Dokument.", anna.send("Wort " * 20_000))

    li = Person(world.api, next(ids), "Li", language="zh-hans")
    people.grant(world.author(li), "member")
    with speaking("zh"):
        li.wait_text(texts.RESET, li.send("/reset"))
        li.send("/human")
        li.wait_text(texts.HUMAN)
    with speaking("ru"):
        called = owner.wait_text(texts.called(world.chat(li)[:6]))
        owner.press(called, texts.TAKE)
    with speaking("zh"):
        li.wait_text(texts.HUMAN_HERE)

    lists = {
        (c.params.get("scope", {}).get("type"), c.params.get("language_code")): {
            each["command"] for each in c.params["commands"]
        }
        for c in world.api.calls("setMyCommands")
    }
    for language in (None, *LANGUAGES[1:]):
        assert lists[None, language] - lists["all_group_chats", language] == {"human", "export", "forget"}
    with speaking("ru"):
        mine = until(
            lambda: [
                c for c in world.api.calls("setMyCommands") if c.params.get("scope", {}).get("chat_id") == owner.id
            ],
            "the owner's commands",
        )
        assert {"command": "review", "description": phrases.commands()["review"]} in mine[-1].params["commands"]
