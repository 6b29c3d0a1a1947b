"""Thumbs on each day as a small picture. It has no words, so that it needs no translation; its caption has them."""

from collections.abc import Mapping
from datetime import date
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from feedback.tallies import Thumbs

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 420, 56, 16, 24, 48
PAPER, INK, LINE, UP, DOWN = "#ffffff", "#44566b", "#dfe5eb", "#2b6cb0", "#e07a2f"
GRIDS = 4
FONT_SIZE = 18


def draw(days: Mapping[date, Thumbs]) -> bytes:
    """A PNG with two bars for each day: thumbs up, and thumbs down."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE)
    step = max(1, -(-max((max(t.up, t.down) for t in days.values()), default=0) // GRIDS))
    floor, unit = HEIGHT - BOTTOM, (HEIGHT - BOTTOM - TOP) / (GRIDS * step)
    for count in range(0, GRIDS * step + 1, step):
        y = floor - count * unit
        pen.line((LEFT, y, WIDTH - RIGHT, y), fill=LINE)
        pen.text((LEFT - 8, y), str(count), fill=INK, font=font, anchor="rm")
    room = (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    for number, (day, thumbs) in enumerate(days.items()):
        middle = LEFT + (number + 0.5) * room
        _bar(pen, middle - 0.36 * room, middle - 1, floor, thumbs.up * unit, UP)
        _bar(pen, middle + 1, middle + 0.36 * room, floor, thumbs.down * unit, DOWN)
        pen.text((middle, floor + 10), f"{day:%m-%d}", fill=INK, font=font, anchor="mt")
    content = BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _bar(pen: ImageDraw.ImageDraw, left: float, right: float, floor: float, height: float, colour: str) -> None:
    if height:
        pen.rectangle((left, floor - height, right, floor - 1), fill=colour)
