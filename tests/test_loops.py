"""A reply that goes round in circles ends, and nothing else is touched."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from serving.engine import Delta
from serving.loops import Loops, without_loops

CHORUS = "I am here to help you. "
TABLE = "| Country | Capital |\n|---------|---------|\n| Italy | Rome |\n| Spain | Madrid |\n"


def shown(pieces):
    async def read():
        async def deltas():
            for n, piece in enumerate(pieces):
                yield Delta(piece, 1, "length" if n == len(pieces) - 1 else None)

        return [delta async for delta in without_loops(deltas())]

    read_deltas = asyncio.run(read())
    return "".join(delta.text for delta in read_deltas), read_deltas[-1].finish_reason


def test_a_loop_ends_the_reply_with_its_sentence():
    text, why = shown(list("Well. " + CHORUS * 30))
    assert (text, why) == ("Well. " + (CHORUS * 2).rstrip(), "stop")
    text, why = shown([f"{word} " for word in ("in the place where" + " the streets are wide and where" * 9).split()])
    assert why == "stop" and 1 <= text.count("streets are wide") <= 3
    assert shown(["我在这里。" * 4] * 9)[1] == shown(["ha"] * 200)[1] == "stop"


def test_what_is_said_a_few_times_or_looks_alike_is_shown_whole():
    for text in (CHORUS * 3 + "And so on.", "-" * 100 + "\nEnd", TABLE, "0.3333333333333333", "very very very good"):
        assert shown(list(text)) == (text, "length")
    numbered = "".join(f"{n}. The next one is better.\n" for n in range(40))
    assert shown(list(numbered)) == (numbered, "length")


@given(st.lists(st.text(alphabet="ab \n", max_size=9), min_size=1, max_size=60))
def test_nothing_is_lost_where_no_loop_is_found(pieces):
    loops = Loops()
    text = "".join(map(loops.read, pieces)) + loops.rest()
    assert "".join(pieces).startswith(text)
    assert loops.found or text == "".join(pieces)
