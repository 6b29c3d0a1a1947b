"""A stream of refreshes as a picture: the mean accuracy on everything, after each refresh, for every arm."""

from collections.abc import Sequence
from html import escape
from typing import Any

from bench.plot import FONT

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 60, 180, 64, 48
COLOURS = {"apprentice": "#2f9e6e", "naive": "#c2543d", "joint": "#3d5a80", "none": "#98a2ad"}
STYLE = """text { font-size: 13px; fill: #1b2a3a } .title { font-size: 17px; font-weight: 600 }
    .what { fill: #44566b } .grid { stroke: #e3e8ec; stroke-width: 1 } .line { fill: none; stroke-width: 2.5 }"""


def draw(result: dict[str, Any]) -> str:
    """An SVG of means over the seeds; joint training and no tuning, which have no steps, are level lines."""
    lines = {name: _mean([_line(run, name) for run in result["runs"]]) for name in COLOURS}
    count = len(lines["apprentice"])
    about = f"messages of all domains answered exactly; {count} refreshes, reservoir of {result['reservoir']} items"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="title about" font-family="{FONT}">',
        '  <title id="title">Accuracy after each refresh</title>',
        f'  <desc id="about">{escape(_said(lines))}</desc>',
        f"  <style>\n    {STYLE}\n  </style>",
        f'  <rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        '  <text class="title" x="20" y="28">Accuracy after each refresh</text>',
        f'  <text class="what" x="20" y="48">{escape(about)}</text>',
        *(
            f'  <line class="grid" x1="{LEFT}" y1="{_y(share):.1f}" x2="{WIDTH - RIGHT}" y2="{_y(share):.1f}"/>\n'
            f'  <text class="what" x="{LEFT - 8}" y="{_y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
            for share in (0, 0.25, 0.5, 0.75, 1)
        ),
        *(
            f'  <text class="what" x="{_x(n, count):.1f}" y="{HEIGHT - 28}" text-anchor="middle">{n + 1}</text>'
            for n in range(count)
        ),
        *(_drawn(name, values) for name, values in lines.items()),
        *_labels(lines),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _line(run: dict[str, Any], name: str) -> list[float]:
    steps = [sum(row) / len(row) for row in run["apprentice"]["accuracies"]]
    if name == "apprentice":
        return steps
    if name == "naive":
        return [sum(row) / len(row) for row in run["naive"]["accuracies"]]
    return [run[name]["average"]] * len(steps)


def _mean(lines: Sequence[Sequence[float]]) -> list[float]:
    return [sum(values) / len(values) for values in zip(*lines, strict=True)]


def _drawn(name: str, values: Sequence[float]) -> str:
    points = " ".join(f"{_x(n, len(values)):.1f},{_y(value):.1f}" for n, value in enumerate(values))
    dashes = ' stroke-dasharray="6 5"' if name in ("joint", "none") else ""
    return f'  <polyline class="line" stroke="{COLOURS[name]}"{dashes} points="{points}"/>'


def _labels(lines: dict[str, list[float]]) -> list[str]:
    """Each arm's name beside its end, moved down where it would lie on another."""
    found, free = [], 0.0
    for name, values in sorted(lines.items(), key=lambda each: -each[1][-1]):
        y = max(_y(values[-1]) + 4, free)
        free = y + 17
        text = f"{name} {values[-1]:.0%}"
        found.append(f'  <text x="{WIDTH - RIGHT + 10}" y="{y:.1f}" style="fill: {COLOURS[name]}">{text}</text>')
    return found


def _said(lines: dict[str, list[float]]) -> str:
    return "; ".join(f"{name}: {', '.join(f'{value:.0%}' for value in values)}" for name, values in lines.items()) + "."


def _x(number: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (number / (count - 1) if count > 1 else 0.5)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
