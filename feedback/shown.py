"""What an operator may approve of an answer: the words that the person was shown, without marks, heading and notice."""

import re

from core.records import NOTICE, QUOTES_HEADING, Turn


def approvable(turn: Turn) -> str:
    """The answer as it was shown, in plain words: what approving it stores."""
    if turn.generated is None or turn.origin not in ("model", "quote"):
        return turn.reply
    shown = turn.reply
    if shown.startswith(NOTICE):
        shown = shown.partition("\n\n")[2]
    own, _, quotes = _without_marks(shown, [c.number for c in turn.citations]).partition(f"{QUOTES_HEADING}\n")
    quoted = re.sub(r"^“|”$", "", quotes, flags=re.MULTILINE).splitlines()
    return "\n".join([own.strip(), *(line for line in quoted if line not in own)]).strip()


def _without_marks(text: str, numbers: list[int]) -> str:
    if not numbers:
        return text
    mark = "|".join(map(str, numbers))
    return re.sub(rf" (?:\[(?:{mark})\])+(?=\s|$)", "", text)
