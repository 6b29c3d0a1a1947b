"""What an answer took and what it rests on, in words, for every page that shows one."""

from collections.abc import Sequence
from typing import Any

from core.client import Consulted, Details, Ended
from core.records import BASE, Citation, Turn

NOBODYS = ("import", "operator")
"""Origins of answers that no version of this installation had a part in."""


def of_turn(turn: Turn) -> dict[str, Any]:
    """The details of an answer in the record."""
    passages = tuple(Consulted(p.id, p.source, p.title, p.score) for p in turn.passages)
    details = Details(
        turn.prompt_tokens, turn.reply_tokens, turn.first_token_ms, turn.total_ms, turn.prompt_identity, passages
    )
    return _told(None if turn.origin in NOBODYS else turn.adapter, details, turn.citations)


def of_answer(ended: Ended) -> dict[str, Any] | None:
    """The details of an answer that has just ended; None where serving did not tell them."""
    return _told(ended.adapter, ended.details, ended.citations) if ended.details else None


def _told(version: str | None, details: Details, citations: Sequence[Citation]) -> dict[str, Any]:
    """Rows of a name and what is to be said of it, the version, and the passages with their marks in the answer."""
    marks = {citation.passage_id: citation.number for citation in citations}
    return {
        "rows": _rows(details),
        "version": version,
        "page": None if version in (None, BASE) else f"/adapters/{version}",
        "sources": [
            {
                "name": " › ".join(filter(None, (passage.source, passage.title))) or "an approved answer",
                "score": f"{passage.score:.2f}",
                "mark": marks.get(passage.id),
            }
            for passage in details.passages
        ],
    }


def _rows(details: Details) -> list[tuple[str, str]]:
    rows = []
    if details.prompt_tokens is not None:
        rows.append(("prompt", f"{details.prompt_tokens} tokens"))
    if details.reply_tokens:
        rows.append(("reply", f"{details.reply_tokens} tokens"))
    if details.first_token_ms is not None:
        rows.append(("first token after", f"{details.first_token_ms / 1000:.2f} s"))
    if details.total_ms is not None:
        rows.append(("complete after", f"{details.total_ms / 1000:.2f} s"))
    if details.reply_tokens and details.total_ms:
        rows.append(("speed", f"{1000 * details.reply_tokens / details.total_ms:.1f} tokens/s"))
    if details.prompt_identity:
        rows.append(("prompt identity", details.prompt_identity))
    return rows
