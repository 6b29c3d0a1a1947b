"""What changed between two texts, word by word."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal

MAX_WORDS = 2000
"""More words, of both texts together, are not compared: that takes longer than a person waits."""

What = Literal["same", "gone", "come"]


def changes(before: str, after: str) -> list[tuple[What, str]]:
    """The pieces of both texts in order; texts that are too long to compare are replaced as a whole."""
    old, new = _words(before), _words(after)
    if len(old) + len(new) > MAX_WORDS:
        return [("gone", before), ("come", after)]
    return list(_pieces(old, new))


def _pieces(old: list[str], new: list[str]) -> Iterator[tuple[What, str]]:
    for what, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            yield "same", "".join(new[k:m])
            continue
        if i < j:
            yield "gone", "".join(old[i:j])
        if k < m:
            yield "come", "".join(new[k:m])


def _words(text: str) -> list[str]:
    """Words, each with the space after it; scripts without spaces by character."""
    return re.findall(r"[\u3040-\u9fff\uac00-\ud7a3]\s*|[^\s\u3040-\u9fff\uac00-\ud7a3]+\s*|\s+", text)
