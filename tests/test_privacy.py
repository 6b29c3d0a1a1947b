"""Personal data: what is found, what looks alike and stays, and that an answer sees what the record does not keep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import load_tokenizer
from core.privacy import holds_personal_data, scrub
from core.prompt import Renderer
from feedback.turns import messages
from tests.serving_process import ask

FOUND = {
    "email": ["ann@example.org", "Ann.Lee+list@mail.example.co.uk", "jörg@büro.example"],
    "iban": [
        "DE89 3704 0044 0532 0130 00",
        "de89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "NO93 8601 1117 947",
        "FR14 2004 1010 0505 0001 3M02 606",
    ],
    "card": ["4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "5555555555554444"],
    "phone": [
        "+44 20 7946 0958",
        "+49 (0)30 1234567",
        "+1 (555) 123-4567",
        "0049 30 12345678",
        "(030) 1234567",
        "030 / 1234567",
        "0171-123 45 67",
        "06 12 34 56 78",
        "01711234567",
        "(212) 555-0100",
        "212-555-0100",
    ],
}
ALIKE = [
    "ann@example",
    "@ann",
    "version a@b.1",
    "DE89 3704 0044 0532 0130 01",
    "GB82 WEST 1234 5698 7654 33",
    "DE89 and 3704 others",
    "4111 1111 1111 1112",
    "order 1732499037000",
    "ISBN 978-0-306-40615-7",
    "ISBN 0306406152",
    "on 01/02/2024 at 10:30",
    "01.02.2024",
    "2024-01-05 10:30",
    "+100 000 000 euros",
    "order 0012345678",
    "room 0815",
    "from 2001-2024",
    "10.0.0.1 and 192.168.100.200",
    "3.14159265358979",
    "order 100-200-3000",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_personal_data_is_found(kind, text):
    assert scrub(f"Mine is {text}, thanks.") == f"Mine is [{kind}], thanks."
    assert holds_personal_data(text) and holds_personal_data(scrub(text))


@pytest.mark.parametrize("text", ALIKE)
def test_what_only_looks_like_it_stays(text):
    assert scrub(f"It is {text}, thanks.") == f"It is {text}, thanks."
    assert not holds_personal_data(text)


def test_what_is_public_stays():
    told = "Call +44 20 7946 0958, or ann@example.org."
    assert scrub(told, public="Our desk: +44 20 7946 0958.") == "Call +44 20 7946 0958, or [email]."


@given(st.text(alphabet="0123456789+() -/.@aDE8[]", max_size=60))
def test_scrubbing_twice_changes_nothing(text):
    assert scrub(scrub(text)) == scrub(text)


def test_an_answer_sees_what_was_said_and_the_record_reproduces_its_prompt_without(http, context, base):
    """Also where the client sends its own history, with the data in it."""
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, context.settings.prompt_tokens)
    extra = {"chat": "c1", "author": "ann", "retrieval": False}
    said = [{"role": "system", "content": "Support: desk@example.org"}]
    said.append({"role": "user", "content": "I am ann@example.org, +44 20 7946 0958."})
    parent = None
    for follow_up in ("And who am I?", None):
        answer = ask(http, said, max_tokens=8, apprentice=extra | ({"parent": parent} if parent else {}))
        turn = context.turns.get(answer["apprentice"]["turn_id"])
        recorded = [*messages(context.turns.conversation(turn.parent)), *turn.messages]
        assert recorded[0].content == "Support: desk@example.org", "what the client set up is nobody's secret"
        assert recorded[1].content == "I am [email], [phone]."
        prompt = renderer.render(recorded)
        assert prompt.hash == turn.prompt_hash
        assert answer["usage"]["prompt_tokens"] > len(prompt.ids), "digits and names are more than a placeholder"
        parent = turn.id
        said.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"]})
        said.append({"role": "user", "content": follow_up})
