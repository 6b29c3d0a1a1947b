"""Thumbs alone: who votes how, and what counts as a significant rise."""

import pytest

from bench import thumbs


def test_an_answer_is_right_where_it_names_its_topic_alone():
    assert thumbs.is_right("This message is about food.", "food")
    assert thumbs.is_right("It is about cars.", "car")
    assert not thumbs.is_right("This message is about food.", "car")
    assert not thumbs.is_right("Rather cars than food.", "car")
    assert not thumbs.is_right("About a scar.", "car")


def test_only_messages_that_changed_speak_for_a_rise():
    found = thumbs.compared([False] * 5 + [True] * 5, [True] * 5 + [True] * 5)
    assert (found["won"], found["lost"], found["p"]) == (5, 0, pytest.approx(1 / 32))
    assert found["significant"] and found["right_after"] - found["right_before"] == 0.5
    assert not thumbs.compared([False] * 4, [True] * 4)["significant"]
    assert not thumbs.compared([True, False], [True, False])["significant"]
