"""Plots: drawn to a scale of round values, said in words, and free of anything that the content policy forbids."""

import re
from xml.etree import ElementTree

import pytest

from console.plots import HEIGHT, LEFT, MOST, RIGHT, WIDTH, Dot, Line, plot


def labels(picture: str) -> list[str]:
    return [text.text for text in ElementTree.fromstring(picture).iter("text")]


def test_what_is_drawn_stands_where_its_value_says():
    picture = plot("it rises", [Line([(1, 0.0), (3, 1.0)])], [Dot(2, 0.5, 0.25, 0.75, 0.0, "promote")], ("1", "3"))
    drawn = ElementTree.fromstring(picture)
    assert drawn.get("aria-label") == "it rises" and drawn.get("role") == "img"
    assert labels(picture) == ["0", "0.5", "1", "1", "3"]
    (line,) = drawn.iter("polyline")
    first, last = (tuple(map(float, pair.split(","))) for pair in line.get("points").split())
    assert (first[0], last[0]) == (LEFT, WIDTH - RIGHT) and first[1] > last[1] > 0
    before, dot = drawn.iter("circle")
    assert float(dot.get("cx")) == (first[0] + last[0]) / 2
    assert float(dot.get("cy")) == pytest.approx((first[1] + last[1]) / 2) and float(before.get("cy")) == first[1]
    assert "style" not in picture


@pytest.mark.parametrize(
    ("low", "high"), [(0.3, 0.3), (0, 0), (-2.2503, -2.2401), (1e-7, 3e-7), (-5, 12_000), (0.1, 0.1000001)]
)
def test_the_scale_is_round_and_holds_every_value(low, high):
    picture = plot("", [Line([(0, low), (1, high)])])
    ticks = [float(text) for text in labels(picture)]
    assert ticks == sorted(set(ticks)) and 2 <= len(ticks) <= 5
    heights = [
        float(y) for y in re.findall(r",([\d.]+)", ElementTree.fromstring(picture).find("polyline").get("points"))
    ]
    assert all(0 <= y <= HEIGHT for y in heights)


def test_words_are_escaped_and_nothing_is_drawn_of_nothing():
    picture = plot('<b>"&', dots=[Dot(0, 1)], ends=("<i>", ""))
    assert ElementTree.fromstring(picture).get("aria-label") == '<b>"&' and labels(picture)[-1] == "<i>"
    assert plot("nothing") == "" == plot("nothing", [Line([])])


def test_a_long_training_is_drawn_with_the_means_of_neighbours():
    picture = plot("", [Line([(step, step % 2) for step in range(4000)])])
    points = ElementTree.fromstring(picture).find("polyline").get("points").split()
    assert MOST / 2 < len(points) <= MOST and len(picture) < 6000
