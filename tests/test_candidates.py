"""Which versions an operator may ask, who keeps a slot, and what picks amount to, without a server that joins in."""

import json

import pytest

from console.candidates import Candidates
from console.compare import Score, score
from core import keys
from core.errors import Busy, InvalidInput, NotFound, ServingUnavailable
from core.records import BASE, Comparison, Message, Rating, Turn, from_json, new_id, now_ms, to_json
from core.settings import Settings
from feedback.comparisons import Comparisons, Preferences
from tests.adapter_files import publish_peft
from workers.context import open_context


@pytest.fixture
def registry(valkey_url, store, tmp_path):
    return open_context(Settings(data_dir=tmp_path, redis_url=valkey_url)).registry


async def made_ready(registry, *wanted: str, slots: int = 2) -> list[dict]:
    return [line async for line in Candidates(registry, slots).ready(wanted)]


async def test_there_is_a_clear_word_where_serving_has_no_room_or_refused(registry):
    live, previous, other = (publish_peft(registry, seed) for seed in range(3))
    for version in (previous, live):
        registry.promote(version, "ann", "")
    with pytest.raises(ServingUnavailable, match="starting or busy"):
        await made_ready(registry, live)
    registry.heartbeat("one", [live, previous], {})
    assert await made_ready(registry, live, previous, BASE) == []
    with pytest.raises(Busy, match="no room for .* its 2 adapter slots"):
        await made_ready(registry, other)
    assert registry.wanted(2) == [live, previous], "what answers is never pushed out"
    assert registry.wanted(3) == [live, previous, other]
    registry.refuse(other, "serving", "its file is truncated.")
    with pytest.raises(InvalidInput, match="refused it, as its file is truncated"):
        await made_ready(registry, other, slots=3)
    assert other not in {choice.id for choice in Candidates(registry, 3).choices()}


def test_a_guest_stays_before_newer_versions_and_goes_with_time(registry, store):
    for seed in range(4):
        publish_peft(registry, seed)
    *newer, old = registry.wanted(4)
    registry.lend([old])
    assert registry.wanted(3) == [old, *newer[:2]]
    store.zadd(keys.GUESTS, {old: now_ms() - 1})
    assert registry.wanted(3) == newer


def test_picks_are_counted_whichever_was_shown_first(store, ratings, turns):
    comparisons = Comparisons(store, ratings)
    for shown, pick in ((("x", "y"), "a"), (("y", "x"), "a"), (("y", "x"), "b"), (("x", "y"), "neither")):
        both = tuple(Turn(new_id(), (Message("user", "Who?"),), reply=r) for r in ("Me.", "You."))
        turns.add_closed(both)
        comparison = Comparison(new_id(), (both[0].id, both[1].id), shown)
        comparisons.wait_for(comparison)
        comparisons.pick(comparison.id, pick, "ann")
    (row,) = comparisons.preferences()
    assert row == Preferences("x", "y", {"a": 2, "b": 1, "neither": 1})
    assert (row.seen_from("y").won, row.seen_from("y").lost, row.seen_from("y").other) == (1, 2, "x")
    assert score(row).p == 1.0 and score(Preferences("x", "y", {"a": 9})).p == pytest.approx(2 / 2**9)
    assert score(Preferences("x", "y", {"both": 3})) == Score(Preferences("x", "y", {"both": 3}), None, None)
    with pytest.raises(NotFound):
        comparisons.pick(comparison.id, "a", "ann")


def test_records_of_before_are_read():
    turn = json.loads(to_json(Turn("t", (Message("user", "Who?"),))))
    old = {name: value for name, value in turn.items() if name not in ("prompt_tokens", "beside")}
    assert from_json(Turn, json.dumps(old)) == Turn("t", (Message("user", "Who?"),))
    assert from_json(Rating, '{"turn": "t", "author": "ann", "value": 1}').against is None
