"""What comes of carrying answers out: kept with the turn, told to who asks for their data, and forgotten with them."""

from dataclasses import replace

import pytest

from core import keys
from core.errors import NotFound
from core.records import Message, Turn, new_id, now_ms
from feedback.observations import Observations


@pytest.fixture
def turn(turns):
    asked = (Message("user", "add two numbers", "a" * 32),)
    said = Turn(new_id(), asked, chat="c" * 32, author="a" * 32, kind="code", created_at=now_ms())
    turns.open(said)
    turns.close(replace(said, reply="1 +", status="complete"))
    return said


def test_the_newest_observation_stands_and_lives_as_long_as_its_turn(store, turns, turn):
    observations = Observations(store, turns)
    observations.record(turn.id, 0.0, "syntax", "SyntaxError: write to ann@example.org", 12)
    again = observations.record(turn.id, 1.0, "ran", "ran in 0.1 s", 100)
    assert observations.of([turn.id, new_id()]) == {turn.id: again} and observations.of([]) == {}
    left_ms = store.pttl(keys.turn(turn.id))
    assert 0 < store.pttl(keys.observation(turn.id)) <= left_ms
    told = store.xrange(keys.EVENTS)
    assert [fields["type"] for _, fields in told] == ["Observation", "Observation"]
    assert "ann@example.org" not in str(told)


def test_nothing_is_observed_of_a_turn_that_is_gone(store, turns):
    with pytest.raises(NotFound):
        Observations(store, turns).record(new_id(), 1.0, "ran")
