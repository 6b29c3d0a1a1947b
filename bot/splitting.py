"""Messages have a limit, counted in UTF-16 code units: longer texts are cut where a reader would pause."""

import re

LIMIT = 4096
_PAUSES = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…。！？])\s+"))
_WORD = re.compile(r"\s+")


def units(text: str) -> int:
    """How long Telegram takes a text to be."""
    return len(text.encode("utf-16-le")) // 2


def split(text: str, limit: int = LIMIT) -> list[str]:
    """Pieces that together are the text, each within the limit. A longer text begins with the same pieces.

    A piece ends after the last paragraph, line or sentence that fills at least half of it, else after a word.
    """
    pieces = []
    while units(text) > limit:
        window = text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
        cut = _cut(window)
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text] if text else pieces


def _cut(window: str) -> int:
    for pause in _PAUSES:
        ends = [match.end() for match in pause.finditer(window)]
        if ends and ends[-1] >= len(window) // 2:
            return ends[-1]
    return max((match.end() for match in _WORD.finditer(window)), default=len(window))
