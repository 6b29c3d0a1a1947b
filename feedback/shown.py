"""What an operator may approve of an answer: the words that the person was shown, without marks, heading and notice."""

import re

from core.records import NOTICE, QUOTES_HEADING, Turn
from kinds import KINDS
from kinds.kind import UNSURE, Task


def approvable(turn: Turn) -> str:
    """The answer as it was shown, in plain words: what approving it stores.

    Of one that was unsure it is what was likeliest, if anything.
    """
    if is_unsure(turn):
        return turn.choices[0].text if turn.choices else ""
    if turn.generated is None or turn.origin not in ("model", "quote"):
        return turn.reply
    shown = turn.reply
    if shown.startswith(NOTICE):
        shown = shown.partition("\n\n")[2]
    own, _, quotes = _without_marks(shown, [c.number for c in turn.citations]).partition(f"{QUOTES_HEADING}\n")
    quoted = re.sub(r"^“|”$", "", quotes, flags=re.MULTILINE).splitlines()
    return "\n".join([own.strip(), *(line for line in quoted if line not in own)]).strip()


def is_unsure(turn: Turn) -> bool:
    """Whether an answer was to be chosen, and was not."""
    return turn.reply == UNSURE and turn.kind in KINDS and KINDS[turn.kind].choices(Task.of(turn)) is not None


def _without_marks(text: str, numbers: list[int]) -> str:
    if not numbers:
        return text
    mark = "|".join(map(str, numbers))
    return re.sub(rf" (?:\[(?:{mark})\])+(?=\s|$)", "", text)
