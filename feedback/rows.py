"""Rows in and out: existing support logs become turns and decisions, and the record leaves as JSONL."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from core.records import Message, Scope, Turn, new_id, now_ms
from feedback.ratings import Ratings
from feedback.reviews import NewDecision, Reviews
from feedback.shown import approvable
from feedback.turns import Turns, messages

BATCH = 500
IMPORTER = "import"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How many rows became what; `refused` says for each bad line why."""

    approved: int
    corrected: int
    rated: int
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    turn: Turn
    approved: str | None
    corrected: bool
    thumb: bool | None


def import_rows(
    path: Path,
    turns: Turns,
    ratings: Ratings,
    reviews: Reviews,
    scope: Scope = "everyone",
    progress: Callable[[int], None] = lambda done: None,
) -> ImportReport:
    """Import JSONL rows: {prompt|messages, completion}, {.., chosen, rejected} or {.., completion, label}.

    The first two count as reviewed by whoever imports them; the third becomes a thumb in the review queue. A bad line
    is refused with its reason, and the others go in.

    Raises: InvalidInput where the file cannot be read; StoreUnavailable.
    """
    counts = {"approved": 0, "corrected": 0, "rated": 0}
    refused: list[str] = []
    done = 0
    for batch in _batches(path, refused):
        turns.add_closed(row.turn for row in batch)
        decided = [
            NewDecision(row.turn, "edit" if row.corrected else "approve", scope, row.approved)
            for row in batch
            if row.approved is not None
        ]
        reviews.decide_many(decided, IMPORTER)
        for row in batch:
            if row.thumb is not None:
                ratings.rate(row.turn.id, IMPORTER, 1 if row.thumb else -1)
        counts["approved"] += sum(row.approved is not None and not row.corrected for row in batch)
        counts["corrected"] += sum(row.corrected for row in batch)
        counts["rated"] += sum(row.thumb is not None for row in batch)
        done += len(batch)
        progress(done)
    return ImportReport(**counts, refused=tuple(refused))


def export_rows(turns: Turns, reviews: Reviews) -> Iterator[dict[str, Any]]:
    """Every approval in force as a row that `import_rows` reads, with ids, scope and answering version beside it."""
    for review in reviews.approved():
        found = turns.get_many([review.turn])
        if review.turn not in found:
            continue
        turn = found[review.turn]
        chat = [*messages(turns.conversation(turn.parent)), *turn.messages]
        row: dict[str, Any] = {"messages": [{"role": m.role, "content": m.content} for m in chat]}
        if review.decision == "edit" and turn.reply:
            row |= {"chosen": review.text, "rejected": approvable(turn)}
        else:
            row["completion"] = review.text
        yield row | {"turn": turn.id, "scope": review.scope, "adapter": turn.adapter, "reviewed_at": review.created_at}


def _batches(path: Path, refused: list[str]) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    batch.append(_row(line))
                except InvalidInput as error:
                    refused.append(f"line {number}: {error}")
                if len(batch) == BATCH:
                    yield batch
                    batch = []
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text; save it as UTF-8 and import it again.") from error
    if batch:
        yield batch


def _row(line: str) -> _Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"not JSON ({error.msg}).") from error
    if not isinstance(row, dict):
        raise InvalidInput("a row must be a JSON object.")
    chat = _messages(row)
    if "chosen" in row:
        return _Row(_turn(chat, _text(row, "rejected")), _text(row, "chosen"), True, None)
    reply = _text(row, "completion")
    if "label" in row:
        if not isinstance(row["label"], bool):
            raise InvalidInput("label must be true or false.")
        return _Row(_turn(chat, reply), None, False, row["label"])
    return _Row(_turn(chat, reply), reply, False, None)


def _messages(row: dict[str, Any]) -> tuple[Message, ...]:
    given = row.get("messages", row.get("prompt"))
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise InvalidInput("a row needs `prompt` (text) or `messages` (a list).")
    chat = []
    for message in given:
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise InvalidInput("each message needs a role (system, user, assistant) and a text as content.")
        chat.append(Message(role, content))
    if chat[-1].role != "user" or not chat[-1].content.strip():
        raise InvalidInput("the last message must be a user's, and not empty.")
    return tuple(chat)


def _text(row: dict[str, Any], field: str) -> str:
    value = row.get(field)
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        value = value[-1].get("content")
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"a row needs `{field}` as a text that is not empty.")
    return value


def _turn(chat: tuple[Message, ...], reply: str) -> Turn:
    return Turn(
        id=new_id(),
        messages=chat,
        reply=reply,
        origin="import",
        adapter=IMPORTER,
        status="complete",
        created_at=now_ms(),
    )
