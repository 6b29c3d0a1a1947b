"""Messages have a limit, counted in UTF-16 code units: longer texts are cut where a reader would pause."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from aiogram.types import MessageEntity

LIMIT, ENTITIES = 4096, 100
"""Telegram's limits for a message: code units, and entities."""
_PAUSES = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…。！？])\s+"))
_WORD = re.compile(r"\s+")
_JOINED = re.compile("[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_LONGEST_SIGN = 64
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text and its entities, whose offsets and lengths count UTF-16 code units."""

    text: str
    entities: tuple[MessageEntity, ...] = ()

    def __add__(self, other: "Formatted") -> "Formatted":
        by = units(self.text)
        moved = tuple(e.model_copy(update={"offset": e.offset + by}) for e in other.entities)
        return Formatted(self.text + other.text, self.entities + moved)


@dataclass(frozen=True, slots=True)
class _Span:
    """An entity by the characters it covers."""

    start: int
    end: int
    entity: MessageEntity


def units(text: str) -> int:
    """How long Telegram takes a text to be."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def visible(text: str) -> bool:
    """Whether anything of a text can be seen; Telegram refuses a message of which nothing can."""
    return any(unicodedata.category(c)[0] in "LNPS" and c not in _BLANK for c in text)


def split(text: str, limit: int = LIMIT) -> list[str]:
    """Pieces that together are the text, each within the limit. A longer text begins with the same pieces."""
    found, begin = [], 0
    while begin < len(text):
        end = _end(text, (), begin, limit)
        found.append(text[begin:end])
        begin = end
    return found


def pieces(whole: Formatted, limit: int = LIMIT, most: int = ENTITIES) -> list[Formatted]:
    """Messages that together are the text, without the white space around them, each within Telegram's limits.

    A piece ends after the last paragraph, line or sentence that fills at least half of it, else after a word or before
    an entity, however early. Only an entity that is itself longer than a message, or has more others in it than one may
    have, is cut; it goes on in the next piece, code as code.
    """
    spans, found, begin = _spans(whole), [], 0
    while begin < len(whole.text):
        end = _end(whole.text, spans, begin, limit, most)
        piece = _piece(whole.text, spans, begin, end)
        if visible(piece.text):
            found.append(piece)
        begin = end
    return found


def _spans(whole: Formatted) -> tuple[_Span, ...]:
    """The entities by characters, in their order."""
    at, offset = {}, 0
    for n, character in enumerate(whole.text):
        at[offset] = n
        offset += 2 if character > "\uffff" else 1
    at[offset] = len(whole.text)
    return tuple(_Span(at[e.offset], at[e.offset + e.length], e) for e in whole.entities)


def _end(text: str, spans: Sequence[_Span], begin: int, limit: int, most: int = ENTITIES) -> int:
    """Where the piece ends that begins here."""
    window = text[begin : begin + limit].encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
    near = [s for s in spans if begin < s.end and s.start < begin + len(window)]
    if len(near) > most:
        window = window[: max(near[most].start - begin, 1)]
    elif begin + len(window) == len(text):
        return len(text)
    end = begin + len(window)
    whole = [s for s in near if s.end <= end or (s.start > begin and units(text[s.start : s.end]) <= limit)]
    for uncut in (near, whole):
        cut = _pause(window, begin, uncut)
        if cut:
            return cut
    words = (begin + m.end() for m in _WORD.finditer(window))
    cut = max((at for at in words if _is_between(at, whole)), default=0)
    return cut or _before(begin, begin + _whole_sign(text, begin, len(window)), whole) or end


def _pause(window: str, begin: int, uncut: Sequence[_Span]) -> int | None:
    """The last pause in the second half of a window that cuts none of these spans."""
    for pause in _PAUSES:
        for end in reversed([m.end() for m in pause.finditer(window) if m.end() >= len(window) // 2]):
            if _is_between(begin + end, uncut):
                return begin + end
    return None


def _is_between(at: int, spans: Sequence[_Span]) -> bool:
    return not any(span.start < at < span.end for span in spans)


def _before(begin: int, at: int, spans: Sequence[_Span]) -> int | None:
    """Where to cut instead, so that none of these spans is; None where that would be nothing."""
    cut = min([at, *(span.start for span in spans if span.start < at < span.end)])
    return cut if cut > begin else None


def _whole_sign(text: str, begin: int, length: int) -> int:
    """The length, less what would tear an emoji sequence or an accent from its letter."""
    for at in range(length, max(length - _LONGEST_SIGN, 0), -1):
        before, after = text[begin + at - 1], text[begin + at : begin + at + 1]
        torn = after and (unicodedata.category(after)[0] == "M" or _JOINED.match(after) or before == "\u200d")
        if not torn and not _FLAG.match(before + after):
            return at
    return length


def _piece(text: str, spans: tuple[_Span, ...], begin: int, end: int) -> Formatted:
    within = [s for s in spans if s.start < end and begin < s.end]
    in_code = any(s.entity.type == "pre" and s.start <= begin for s in within)
    body = text[begin:end]
    begin += len(body) - len(body.lstrip("\n" if in_code else None))
    end = begin + len(text[begin:end].rstrip())
    entities = []
    for span in within:
        start, stop = max(span.start, begin), min(span.end, end)
        if span.entity.type != "pre":
            start += len(text[start:stop]) - len(text[start:stop].lstrip())
            stop = start + len(text[start:stop].rstrip())
        if text[start:stop].strip():
            where = {"offset": units(text[begin:start]), "length": units(text[start:stop])}
            entities.append(span.entity.model_copy(update=where))
    return Formatted(text[begin:end], tuple(entities))
