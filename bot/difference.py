"""What changed between two texts as a message: struck out what goes, underlined what comes."""

from aiogram.utils.formatting import Strikethrough, Text, Underline, sizeof

from bot.splitting import LIMIT
from feedback.changes import changes


def difference(heading: str, before: str, after: str) -> Text:
    """A heading, then the new text with its changes marked; where that is too long to show, the new text alone."""
    shown = Text(heading, "\n\n", *_marked(before, after))
    if sizeof(shown.render()[0]) <= LIMIT:
        return shown
    room = LIMIT - sizeof(heading) - 3
    cut = after if sizeof(after) <= room else after.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore") + "…"
    return Text(heading, "\n\n", Underline(cut))


def _marked(before: str, after: str) -> list[Text | str]:
    parts: list[Text | str] = []
    gone = ""
    for what, piece in changes(before, after):
        if what == "same":
            parts.append(piece)
        elif what == "gone":
            parts.append(Strikethrough(piece))
        else:
            parts += [" "] if gone and not gone[-1].isspace() else []
            parts.append(Underline(piece))
        gone = piece if what == "gone" else ""
    return parts
