"""What a refresh reads of a record that grows without end."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from training.reservoir import NEW, SLICES, sample, slice_of


def of(count, name):
    return [(name, f"{name}-{n}") for n in range(count)]


def sampled(items, most):
    return sample(items, most, lambda item: item[0], lambda item: item[1])


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


def test_new_ones_take_half_and_the_ages_share_the_rest():
    items = [*of(10, "older 3"), *of(200, "older 2"), *of(500, "older 1"), *of(300, NEW)]
    found = Counter(name for name, _ in sampled(items, 200))
    assert found == {"older 3": 10, "older 2": 45, "older 1": 45, NEW: 100}
    few = Counter(name for name, _ in sampled([*of(500, "older 1"), *of(20, NEW)], 200))
    assert few == {"older 1": 180, NEW: 20}, "what one slice does not need goes to the others"
    assert len(sampled(of(500, NEW), 200)) == 200


@given(
    st.lists(st.tuples(st.sampled_from([NEW, "older 1", "older 2", "older 3"]), st.integers(1, 60))), st.integers(1, 99)
)
def test_no_room_is_wasted_and_a_smaller_sample_is_part_of_a_larger_one(sizes, most):
    items = [(name, f"{name}-{n}-{m}") for n, (name, count) in enumerate(sizes) for m in range(count)]
    found = sampled(items, most)
    assert len(found) == min(most, len(items)) and found == [item for item in items if item in set(found)]
    assert set(found) <= set(sampled(items, most + 40))
