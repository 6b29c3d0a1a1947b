"""What changed between two texts, word by word: struck out what goes, underlined what comes."""

import re
from difflib import SequenceMatcher

from aiogram.utils.formatting import Strikethrough, Text, Underline, sizeof

from bot.splitting import LIMIT

MAX_WORDS = 2000
"""More words are not compared: that takes longer than a person waits."""


def difference(heading: str, before: str, after: str) -> Text:
    """A heading, then the new text with its changes marked; where that is too long to show, the new text alone."""
    old, new = _words(before), _words(after)
    if len(old) + len(new) <= MAX_WORDS:
        shown = Text(heading, "\n\n", *_marked(old, new))
        if sizeof(shown.render()[0]) <= LIMIT:
            return shown
    room = LIMIT - sizeof(heading) - 3
    cut = after if sizeof(after) <= room else after.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore") + "…"
    return Text(heading, "\n\n", Underline(cut))


def _marked(old: list[str], new: list[str]) -> list[Text | str]:
    parts: list[Text | str] = []
    for what, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            parts.append("".join(new[k:m]))
            continue
        gone, come = "".join(old[i:j]), "".join(new[k:m])
        parts += [Strikethrough(gone)] if gone else []
        parts += [" "] if gone and come and not gone[-1].isspace() else []
        parts += [Underline(come)] if come else []
    return parts


def _words(text: str) -> list[str]:
    """Words, each with the space after it; scripts without spaces by character."""
    return re.findall(r"[\u3040-\u9fff\uac00-\ud7a3]\s*|[^\s\u3040-\u9fff\uac00-\ud7a3]+\s*|\s+", text)
