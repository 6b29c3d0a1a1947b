"""Plots as SVG, drawn on the server: coloured by the style sheet, and said in words for who cannot see them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 170, 46, 12, 12, 24
MOST = 240
"""Points that a line is drawn with; of more, neighbours are drawn as their mean."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A measured value at `x`. `low` and `high` bound it, `from_y` is what it is compared with, `look` a CSS class."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    from_y: float | None = None
    look: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Values joined by a line."""

    points: Sequence[tuple[float, float]]
    look: str = ""


def plot(said: str, lines: Sequence[Line] = (), dots: Sequence[Dot] = (), ends: tuple[str, str] = ("", "")) -> Markup:
    """An SVG of lines and dots over one scale. `said` is its text alternative, `ends` what stands below its sides."""
    lines = [Line(_fewer(line.points), line.look) for line in lines if line.points]
    xs = [x for line in lines for x, _ in line.points] + [dot.x for dot in dots]
    ys = [y for line in lines for _, y in line.points]
    ys += [y for dot in dots for y in (dot.y, dot.low, dot.high, dot.from_y) if y is not None]
    if not xs:
        return Markup("")
    ticks = _ticks(min(ys), max(ys))
    scale = _Scale(min(xs), max(xs), ticks[0], ticks[-1])
    parts = [*_frame(scale, ticks, ends), *map(scale.line, lines), *(part for dot in dots for part in scale.dot(dot))]
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">'
    return Markup("\n").join([Markup(head), *parts, Markup("</svg>")])


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where values stand in the picture."""

    left: float
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        share = (value - self.left) / (self.right - self.left) if self.right > self.left else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - BOTTOM - TOP), 1)

    def line(self, line: Line) -> Markup:
        points = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in line.points)
        return Markup('<polyline class="line {}" points="{}"/>').format(line.look, points)

    def dot(self, dot: Dot) -> Iterator[Markup]:
        x = self.x(dot.x)
        if dot.low is not None and dot.high is not None:
            look = Markup('<line class="interval {}" x1="{}" y1="{}" x2="{}" y2="{}"/>')
            yield look.format(dot.look, x, self.y(dot.low), x, self.y(dot.high))
        if dot.from_y is not None:
            yield Markup('<circle class="before" cx="{}" cy="{}" r="3"/>').format(x, self.y(dot.from_y))
        yield Markup('<circle class="dot {}" cx="{}" cy="{}" r="4"/>').format(dot.look, x, self.y(dot.y))


def _frame(scale: _Scale, ticks: Sequence[float], ends: tuple[str, str]) -> Iterator[Markup]:
    label = Markup('<text class="label" x="{}" y="{}" text-anchor="{}">{}</text>')
    for value in ticks:
        y = scale.y(value)
        yield Markup('<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(LEFT, y, WIDTH - RIGHT, y)
        yield label.format(LEFT - 6, y + 4, "end", f"{value:g}")
    first, last = ends
    if first:
        yield label.format(LEFT, HEIGHT - 6, "start", first)
    if last and last != first:
        yield label.format(WIDTH - RIGHT, HEIGHT - 6, "end", last)


def _ticks(low: float, high: float) -> list[float]:
    """Round values, 1, 2 or 5 times a power of ten apart, from below the lowest to above the highest."""
    largest = max(abs(low), abs(high))
    room = high - low if high - low > largest / 1000 else largest / 10 or 0.01
    power = 10 ** math.floor(math.log10(room / 2))
    step = next(power * times for times in (1, 2, 5, 10) if room <= 3 * power * times)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(step * n, 10) for n in range(first, max(last, first + 1) + 1)]


def _fewer(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST points: the means of as many neighbours each."""
    size = -(-len(points) // MOST)
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]
