"""Models' Markdown as Telegram shows it: what is formatted, where it is split, and 2,000 outputs gone wrong."""

import random
import re
from collections import Counter

import pytest
from aiogram.types import MessageEntity
from hypothesis import given
from hypothesis import strategies as st

from bot.formatting import formatted, shown
from bot.splitting import Formatted, pieces, split, visible
from tests.model_outputs import output
from tests.telegram_rules import REMOVED, Invalid, accept, letters, units

WORDS = st.text(st.sampled_from("ab .\n🚢é"), max_size=400)
PROSE = st.text(st.sampled_from("ab .\n🚢é"), min_size=1, max_size=90).map(lambda text: f"a{text}b")
ANSWER = """# The **ferry** to `Norderney`

It *usually* takes ~~50~~ **55 minutes, see [the *timetable*](https://ferry.example/times)**.

1. Buy a ticket,
2. board:
   - by car
   - on foot

> Bring warm clothes.
> ```sh
> ferry --book
> ```

| Day | Boats | 船 |
|---|--:|---|
| Mon | 12 | 两 |
| Sunday | 4 | <none> |
"""

BLOCKS = {
    "code": ("```\n", "x = [n for n in numbers if n]\n", "```"),
    "table": ("| a | b |\n|---|---|\n", "| a word or two, or three | 2 |\n", ""),
    "quote": ("", "> Said. Quoted. Said again.\n", ""),
}
"""How a block begins, a line of it, and how it ends."""


def covered(whole: Formatted) -> list[tuple[str, str]]:
    """Each entity's type and text."""
    raw = whole.text.encode("utf-16-le")
    texts = [raw[2 * e.offset : 2 * (e.offset + e.length)].decode("utf-16-le") for e in whole.entities]
    return [(e.type, text) for e, text in zip(whole.entities, texts, strict=True)]


def check(found: list[Formatted]) -> None:
    """Each piece is a message that Telegram takes, and shows as it was sent."""
    for piece in found:
        assert accept(piece.text, [e.model_dump(exclude_none=True) for e in piece.entities]) == piece.text
        assert not set(piece.text) & REMOVED


def test_an_answer_reads_as_it_was_meant():
    whole = formatted(ANSWER)
    assert covered(whole) == [
        ("bold", "The ferry to "),
        ("code", "Norderney"),
        ("italic", "usually"),
        ("strikethrough", "50"),
        ("bold", "55 minutes, see the timetable"),
        ("text_link", "the timetable"),
        ("italic", "timetable"),
        ("blockquote", "Bring warm clothes."),
        ("pre", "ferry --book"),
        ("pre", "Day    │ Boats │ 船\n───────┼───────┼───────\nMon    │ 12    │ 两\nSunday │ 4     │ <none>"),
    ]
    assert "1. Buy a ticket,\n2. board:\n  • by car\n  • on foot\n\nBring" in whole.text
    assert next(e.language for e in whole.entities if e.type == "pre") == "sh"
    check(pieces(whole))


@pytest.mark.parametrize(
    ("markdown", "text", "kinds"),
    [
        ("half **bold", "half **bold", []),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4", []),
        ("<b>no</b> &amp; List<int>", "<b>no</b> &amp; List<int>", []),
        ("```python\nx = 1", "x = 1", ["pre"]),
        ("```python title=a.py\nx = 1\n```", "python title=a.py\nx = 1", ["pre"]),
        ("[read](javascript:alert) and [this](page)", "[read](javascript:alert) and this (page)", []),
        ("[a]: https://x.example", "[a]: https://x.example", []),
        ("![a ship](https://x.example/s.png)", "a ship (https://x.example/s.png)", []),
        ("**a **b** c**", "a b c", ["bold"]),
        ("[`code`](https://x.example)", "code", ["text_link"]),
        ("|a|b|\n|-|-|\n|1|2|3|", "|a|b|\n|-|-|\n|1|2|3|", ["pre"]),
        (">" * 60 + " deep", ">" * 60 + " deep", []),
        ("1) one\n1) two", "1) one\n1) two", []),
        ("a\x00b\x1b[0m\u202ec\r\nd\ud800", "ab[0mc\nd\ufffd", []),
        ("", "", []),
        ("```\n\n```", "```\n\n```", []),
        ("```", "```", []),
        ("# ", "# ", []),
        ("> >", "> >", []),
    ],
)
def test_what_is_no_markdown_stays_as_it_is_written(markdown, text, kinds):
    whole = formatted(markdown)
    assert (whole.text, [e.type for e in whole.entities]) == (text, kinds)


def test_long_code_goes_on_as_code_and_what_fits_is_not_cut():
    code = "\n".join(f"    line({n})" for n in range(900))
    found = pieces(formatted(f"Here it is:\n\n```python\n{code}\n```\n\nThat is all."))
    check(found)
    blocks = [text for piece in found for kind, text in covered(piece) if kind == "pre"]
    assert len(found) == len(blocks) > 2 and "\n".join(blocks) == code
    assert {e.language for piece in found for e in piece.entities} == {"python"}
    short = "\n".join(f"line({n})" for n in range(100))
    first, second = pieces(formatted("word " * 700 + f"\n\n```\n{short}\n```"))
    assert (first.entities, covered(second)) == ((), [("pre", short)])


@pytest.mark.parametrize("before", [0, 1, 295, 500, 2000, 2047, 2049, 4000, 4095, 4096, 5000])
@pytest.mark.parametrize("kind", BLOCKS)
def test_what_fits_into_a_message_is_whole_wherever_it_begins(before, kind):
    head, row, foot = BLOCKS[kind]
    whole = formatted(("Some words. " * 500)[:before] + f"\n\n{head}{row * 128}{foot}\n\nThat is all.")
    (entity,) = whole.entities
    assert 3000 < entity.length <= 4096
    found = pieces(whole)
    check(found)
    assert [text for piece in found for _, text in covered(piece)] == [text for _, text in covered(whole)]


@given(
    st.lists(st.tuples(st.sampled_from(["", "bold", "code", "pre", "blockquote", "nested"]), PROSE), max_size=12),
    st.integers(8, 60),
)
def test_only_an_entity_that_is_longer_than_a_message_is_cut(parts, limit):
    whole = Formatted("")
    for kind, text in parts:
        kinds = {"": (), "nested": ("blockquote", "bold")}.get(kind, (kind,))
        whole += Formatted(text, tuple(MessageEntity(type=k, offset=0, length=units(text)) for k in kinds))
        whole += Formatted("\n\n" if kind == "pre" else " ")
    found = pieces(whole, limit)
    assert all(units(piece.text) <= limit for piece in found)
    assert "".join("".join(piece.text for piece in found).split()) == "".join(whole.text.split())
    kept = Counter(one for piece in found for one in covered(piece))
    assert not Counter(one for one in covered(whole) if units(one[1]) <= limit) - kept


def test_a_message_has_no_more_entities_than_telegram_takes():
    found = pieces(formatted(" ".join(f"**w{n}** `c{n}`" for n in range(300))))
    check(found)
    assert len(found) > 5 and sum(len(piece.entities) for piece in found) == 600


@pytest.mark.parametrize("sign", ["👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "e\u0301\u0327", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"])
def test_no_sign_is_torn(sign):
    cut = split("x" + sign * 40, 40)
    assert "".join(cut) == "x" + sign * 40
    assert all(piece.removeprefix("x").count(sign) * len(sign) == len(piece.removeprefix("x")) for piece in cut)


def test_nothing_visible_is_no_message():
    assert not visible("\u200b \u2060\n\u3164") and pieces(Formatted(" \n\u200b\n")) == []
    with pytest.raises(Invalid):
        accept("\u200b", [])


@given(WORDS, st.integers(8, 40))
def test_pieces_are_the_text_and_fit(text, limit):
    cut = split(text, limit)
    assert "".join(cut) == text and all(0 < units(piece) <= limit for piece in cut)


@given(WORDS, WORDS, st.integers(8, 40))
def test_a_longer_text_begins_with_the_same_pieces(text, more, limit):
    kept = split(text, limit)[:-1]
    assert split(text + more, limit)[: len(kept)] == kept


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One two.\n\nThree four. Five\nsix", "One two.\n\n"),
        ("One two three.\nFour five six seven", "One two three.\n"),
        ("One two three. Four five six seven", "One two three. "),
        ("One, two, three, four, five, six", "One, two, three, "),
        ("🚢" * 20, "🚢" * 9),
    ],
)
def test_pieces_end_where_a_reader_pauses(text, first):
    assert split(text, 19)[0] == first


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(n, marks=pytest.mark.long) for n in range(5, 20))])
def test_whatever_a_model_says_can_be_sent_and_is_all_there(seed):
    chance = random.Random(seed)
    for _ in range(100):
        said, words = output(chance)
        whole = formatted(said)
        found = pieces(whole)
        check(found)
        kept = "".join(
            [*(piece.text for piece in found), *(f" {e.url} {e.language}" for p in found for e in p.entities)]
        )
        assert set(re.findall(r"w\d+w", said)) <= set(re.findall(r"w\d+w", kept)) <= set(words)
        assert letters("".join(piece.text for piece in found)) == letters(whole.text)
        growing = pieces(Formatted(shown(said)))
        check(growing)
        assert letters("".join(piece.text for piece in growing)) == letters(shown(said))
