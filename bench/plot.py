"""The figures of `bench serve` as a picture: tokens/s of every server, grouped by the number of streams."""

from collections.abc import Iterator
from html import escape
from typing import Any

WIDTH, LEFT, RIGHT, TOP = 880, 250, 90, 64
BAR, GAP, GROUP = 18, 5, 34
OURS = ("#2f9e6e", "#7cc4a4", "#bfe3d2")
THEIRS = ("#3d5a80", "#8aa3c2", "#c3d0e0", "#98a2ad")
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
STYLE = """text { font-size: 13px; fill: #1b2a3a } .title { font-size: 17px; font-weight: 600 }
    .what { fill: #44566b } .group { font-weight: 600 } .axis { stroke: #b8c2cc; stroke-width: 1 }"""


def draw(result: dict[str, Any], ours: str = "apprentice") -> str:
    """An SVG with one horizontal bar for each server and number of streams; waves, as in the ratios."""
    rows = [row for row in result["figures"] if row["mode"] == "wave"]
    colours = _colours(rows, ours)
    groups = sorted({row["streams"] for row in rows})
    longest = max(row["tokens_per_s"] for row in rows)
    height = TOP + sum(GROUP + (BAR + GAP) * len([r for r in rows if r["streams"] == g]) for g in groups) + 20
    machine = result["machine"]
    about = f"{result['new_tokens']} new tokens an answer over HTTP, all streams at once; {machine['cores']} cores"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="title about" font-family="{FONT}">',
        '  <title id="title">Tokens a second</title>',
        f'  <desc id="about">{escape(_said(rows))}</desc>',
        f"  <style>\n    {STYLE}\n  </style>",
        f'  <rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        '  <text class="title" x="20" y="28">Tokens a second</text>',
        f'  <text class="what" x="20" y="48">{escape(about)}</text>',
        *_groups(rows, groups, longest, colours),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _groups(rows: list[dict[str, Any]], groups: list[int], longest: float, colours: dict[str, str]) -> Iterator[str]:
    y = TOP
    for group in groups:
        y += GROUP
        label = "1 stream" if group == 1 else f"{group} streams"
        yield f'  <text class="group" x="20" y="{y - 9}">{label}</text>'
        top = y
        for row in (r for r in rows if r["streams"] == group):
            yield from _bar(row, y, longest, colours[row["subject"]])
            y += BAR + GAP
        yield f'  <line class="axis" x1="{LEFT}" y1="{top - 3}" x2="{LEFT}" y2="{y}"/>'


def _bar(row: dict[str, Any], y: int, longest: float, colour: str) -> Iterator[str]:
    width = round((WIDTH - LEFT - RIGHT) * row["tokens_per_s"] / longest, 1)
    middle = y + BAR - 5
    yield f'  <text class="what" x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(row["subject"])}</text>'
    yield f'  <rect x="{LEFT}" y="{y}" width="{width}" height="{BAR}" rx="2" fill="{colour}"/>'
    yield f'  <text x="{LEFT + width + 7:.1f}" y="{middle}">{row["tokens_per_s"]:.0f}</text>'


def _colours(rows: list[dict[str, Any]], ours: str) -> dict[str, str]:
    """One colour for each server: greens for ours, blues for others."""
    names = list(dict.fromkeys((row["subject"], row["engine"] == ours) for row in rows))
    found: dict[str, str] = {}
    for palette, mine in ((OURS, True), (THEIRS, False)):
        for n, (name, _) in enumerate(name for name in names if name[1] == mine):
            found[name] = palette[min(n, len(palette) - 1)]
    return found


def _said(rows: list[dict[str, Any]]) -> str:
    return "; ".join(f"{r['subject']}, streams {r['streams']}: {r['tokens_per_s']:.0f} tokens/s" for r in rows) + "."
