"""What a refresh reads of a record that grows without end."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.reservoir import NEW, SLICES, Item, samples, slice_of


def of(count, name, answer=""):
    return [Item(f"{name}-{answer}-{n}", name, f"{n}?", answer or f"{name}-{n}") for n in range(count)]


def sampled(items, most, embed=None):
    (chosen,) = samples(items, most, 1, embed)
    return [item for item in items if item.id in chosen]


def test_slices_are_named_by_age():
    bounds = [100, 200, 300]
    assert [slice_of(at, bounds) for at in (301, 300, 201, 200, 100, 5)] == [
        NEW, "older 1", "older 1", "older 2", "older 3", "older 3",
    ]  # fmt: skip
    assert slice_of(5, []) == NEW
    assert slice_of(5, range(10, 500, 10)) == f"older {SLICES}"


def test_what_fits_is_read_whole():
    items = [*of(30, "older 1"), *of(20, NEW)]
    assert sampled(items, 50) == items


def test_every_age_has_the_same_room_and_what_one_does_not_need_goes_to_the_others():
    items = [*of(10, "older 3"), *of(200, "older 2"), *of(500, "older 1"), *of(300, NEW)]
    found = Counter(item.slice for item in sampled(items, 190))
    assert found == {"older 3": 10, "older 2": 60, "older 1": 60, NEW: 60}
    few = Counter(item.slice for item in sampled([*of(500, "older 1"), *of(20, NEW)], 200))
    assert few == {"older 1": 180, NEW: 20}
    assert len(sampled(of(500, NEW), 200)) == 200


def test_rare_answers_stay_beside_common_ones_and_equal_ones_stay_alike():
    answers = {"a": 100, "b": 100, "c": 4, "d": 1}
    items = [item for answer, count in answers.items() for item in of(count, NEW, answer)]
    found = Counter(item.answer for item in sampled(items, 46))
    assert set(found) == set(answers) and abs(found["a"] - found["b"]) <= 1 and found["c"] == 4
    alike = [item for n in range(30) for item in of(8, NEW, f"label {n}")]
    assert set(Counter(item.answer for item in sampled(alike, 90)).values()) <= {2, 3, 4}
    said_once = [*of(400, NEW), *of(400, NEW, "common")]
    assert 3 < Counter(item.answer for item in sampled(said_once, 100))["common"] < 7


def test_of_one_answer_those_stay_that_represent_the_others():
    """Three of a kind, two of another and one apart: one of each kind, before a second of any."""
    angles = {"a1": 0.0, "a2": 0.05, "a3": 0.1, "b1": 1.0, "b2": 1.05, "c": 2.5}
    items = [Item(name, NEW, name, "one answer") for name in angles]

    def embed(questions):
        return np.array([[np.cos(angles[q]), np.sin(angles[q])] for q in questions], dtype=np.float32)

    assert {item.id[0] for item in sampled(items, 3, embed)} == {"a", "b", "c"}
    assert {item.id for item in sampled(items, 1, embed)} <= {item.id for item in sampled(items, 4, embed)}
    apart = [Item(f"i{n}", NEW, "", f"answer {n}") for n in range(10)]
    assert len(sampled(apart, 4, None)) == 4


def test_a_pass_goes_on_where_the_one_before_ended():
    items = [*of(12, "older 1"), *of(30, NEW), *of(2, "older 2")]
    passes = samples(items, 14, 5)
    assert [len(read) for read in passes] == [14] * 5 and len(set(passes)) > 2
    often = Counter(item.id for read in passes for item in items if item.id in read)
    assert {often[item.id] for item in items[:12]} == {2, 3}, "6 of 12 each time"
    assert {often[item.id] for item in items[12:42]} == {1}, "6 of 30 each time"
    assert {often[item.id] for item in items[42:]} == {5}, "what a slice has room for is read in each pass"
    assert samples(items, 44, 3) == [frozenset(item.id for item in items)] * 3
    assert samples(items, 14, 2) == passes[:2]


@given(
    st.lists(st.tuples(st.sampled_from([NEW, "older 1", "older 2", "older 3"]), st.integers(1, 60))), st.integers(1, 99)
)
def test_no_room_is_wasted_and_a_smaller_sample_is_part_of_a_larger_one(sizes, most):
    items = [
        Item(f"{name}-{n}-{m}", name, "", f"{m % 7}") for n, (name, count) in enumerate(sizes) for m in range(count)
    ]
    found = sampled(items, most)
    assert len(found) == min(most, len(items))
    assert set(found) <= set(sampled(items, most + 40))
