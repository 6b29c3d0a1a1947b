"""What Telegram demands of a message's text and entities, by the Bot API's documentation and TDLib's checks."""

import unicodedata
from collections.abc import Sequence
from itertools import combinations
from typing import Any

LIMIT, MOST, RICH_BYTES, CAPTION, ALERT = 4096, 100, 32_768, 1024, 200
STYLES = {"bold", "italic", "underline", "strikethrough", "spoiler"}
QUOTES = {"blockquote", "expandable_blockquote"}
ALONE = {"pre", "code"}
TYPES = STYLES | QUOTES | ALONE | {"text_link", "date_time"}
REMOVED = {chr(c) for c in (*range(0x00, 0x0A), *range(0x0B, 0x20), 0x7F, *range(0x2028, 0x202F))} - {"\t"}


class Invalid(ValueError):
    """A message that Telegram would refuse or show otherwise than it was sent."""


def units(text: str) -> int:
    """A text's length as Telegram counts it; a half of a surrogate pair cannot be sent."""
    return len(text.encode("utf-16-le")) // 2


def letters(text: str) -> str:
    """What must not be lost."""
    return "".join(filter(str.isalnum, text))


def accept(text: str, entities: Sequence[dict[str, Any]]) -> str:
    """The text as it is shown. Raises: Invalid."""
    first = min((e["offset"] for e in entities), default=len(text))
    lead = len(text) - len(text.lstrip())
    text = text[min(lead, first) :].rstrip()
    _demand(_is_seen(text), "message text is empty")
    _demand(units(text) <= LIMIT, "message is too long")
    _demand(len(entities) <= MOST, "ENTITIES_TOO_LONG")
    raw = text.encode("utf-16-le")
    for entity in entities:
        _demand(entity["type"] in TYPES, "unknown type of entity")
        start, end = entity["offset"], entity["offset"] + entity["length"]
        _demand(0 <= start < end <= units(text), "ENTITY_BOUNDS_INVALID")
        _demand(_is_whole(raw, start) and _is_whole(raw, end), "ENTITY_BOUNDS_INVALID: within a pair")
        _demand(raw[2 * start : 2 * end].decode("utf-16-le").strip(), "an entity of nothing")
        _demand(entity["type"] != "text_link" or entity.get("url", "").startswith(("http", "tg:", "mailto:")), "link")
    for one, other in combinations(entities, 2):
        _demand(_may_meet(one, other), f"{one} and {other} cannot be together")
    return text


def accept_call(method: str, params: dict[str, Any]) -> None:
    """What Telegram demands of a call, whatever there is in its chats. Raises: Invalid."""
    if "rich_message" in params:
        markdown = params["rich_message"].get("markdown", "")
        _demand(_is_seen(markdown), "rich message is empty")
        _demand(len(markdown.encode()) <= RICH_BYTES, "rich message is too long")
    elif method in ("sendMessage", "editMessageText"):
        accept(params.get("text", ""), params.get("entities") or [])
    elif method == "sendMessageDraft":
        _demand(params["chat_id"] > 0 and params["draft_id"], "DRAFT_INVALID")
        if params.get("text"):
            accept(params["text"], params.get("entities") or [])
    elif method == "answerInlineQuery":
        _accept_offer(params["results"], params.get("button"))
    elif method == "answerCallbackQuery":
        _demand(units(params.get("text") or "") <= ALERT, "MESSAGE_TOO_LONG")
    elif method == "setMyCommands":
        for command in params["commands"]:
            _demand(1 <= len(command["command"]) <= 32, "BOT_COMMAND_INVALID")
            _demand(1 <= len(command["description"]) <= 256, "BOT_COMMAND_DESCRIPTION_INVALID")
    _demand(units(params.get("caption") or "") <= CAPTION, "message caption is too long")
    for button in (b for row in (params.get("reply_markup") or {}).get("inline_keyboard", []) for b in row):
        _demand(button.get("text"), "inline keyboard button text can't be empty")
        _demand(1 <= len(button.get("callback_data", "").encode()) <= 64, "BUTTON_DATA_INVALID")


def _accept_offer(results: Sequence[dict[str, Any]], button: dict[str, Any] | None) -> None:
    """What is offered above an inline query."""
    _demand(len(results) <= 50, "RESULTS_TOO_MUCH")
    for result in results:
        _demand(1 <= len(result["id"]) <= 64 and result["title"], "RESULT_ID_INVALID")
        content = result["input_message_content"]
        accept(content["message_text"], content.get("entities") or [])
    if button:
        _demand(1 <= len(button["text"]) <= 64 and button["start_parameter"].isidentifier(), "BUTTON_INVALID")


def _is_seen(text: str) -> bool:
    return any(unicodedata.category(c)[0] in "LNPS" for c in text)


def _is_whole(raw: bytes, at: int) -> bool:
    return at * 2 >= len(raw) or not 0xDC <= raw[at * 2 + 1] <= 0xDF


def _may_meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    outer, inner = sorted((one, other), key=lambda e: (e["offset"], -e["length"]))
    if inner["offset"] >= outer["offset"] + outer["length"]:
        return True
    if inner["offset"] + inner["length"] > outer["offset"] + outer["length"]:
        return False
    kinds = {one["type"], other["type"]}
    return len(kinds) == 2 and not kinds & ALONE and bool(kinds & (STYLES | QUOTES))


def _demand(holds: Any, description: str) -> None:
    if not holds:
        raise Invalid(description)
