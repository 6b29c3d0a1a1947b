"""The buttons that operators have, and what each carries."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal

from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from pydantic import Field

from bot.keyboards import TurnId
from bot.operators import phrases
from core.records import Review, Scope
from feedback.reviews import QueueItem
from feedback.turns import stays_in_chat

Row = Sequence[tuple[str, CallbackData]]
Verdict = Literal["approve", "reject"]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{8}$")]


class AboutItem(CallbackData, prefix="oi"):
    """What becomes of a turn in the queue. `seen` is the digest of what the operator was shown as the suggestion."""

    action: Literal["ask_approve", "ask_reject", "edit", "skip", "back"]
    turn: TurnId
    seen: Digest


class Decided(CallbackData, prefix="od"):
    """A decision about a turn, and for whom."""

    decision: Verdict
    scope: Scope
    turn: TurnId
    seen: Digest


class Undo(CallbackData, prefix="ou"):
    """The decision that was made at an instant (ms) is to be taken back."""

    turn: TurnId
    made_at: int


class SendEdited(CallbackData, prefix="os"):
    """The edited answer is to be sent to whoever asked."""

    turn: TurnId


class AboutRewritten(CallbackData, prefix="or"):
    """What becomes of an answer that the operator wrote."""

    action: Literal["everyone", "chat", "drop"]
    draft: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class MoveLive(CallbackData, prefix="ol"):
    """A promotion or a rollback is wanted, if the names still point where they were seen."""

    action: Literal["promote", "rollback", "leave"]
    version: Annotated[str, Field(pattern="^([0-9a-f]{16}|base|)$")]
    seen: Digest


class WantAlerts(CallbackData, prefix="oa"):
    """Whether the presser wants alerts."""

    answer: Literal["yes", "no"]


class WantDigest(CallbackData, prefix="og"):
    """Whether the presser wants the daily digest; `under` which message the button stands."""

    answer: Literal["yes", "no"]
    under: Literal["digest", "alerts"]


SCOPES: tuple[Scope, ...] = ("everyone", "chat")
OURS = (AboutItem, Decided, Undo, SendEdited, AboutRewritten, MoveLive, WantAlerts, WantDigest)


def item(about: QueueItem) -> InlineKeyboardMarkup:
    """The buttons under an answer that waits for a decision."""
    turn, seen = about.turn.id, digest(about.suggestion)
    return _keyboard(
        [
            (phrases.APPROVE, AboutItem(action="ask_approve", turn=turn, seen=seen)),
            (phrases.EDIT, AboutItem(action="edit", turn=turn, seen=seen)),
        ],
        [
            (phrases.REJECT, AboutItem(action="ask_reject", turn=turn, seen=seen)),
            (phrases.SKIP, AboutItem(action="skip", turn=turn, seen=seen)),
        ],
    )


def for_whom(about: QueueItem, seen: str, decision: Verdict) -> InlineKeyboardMarkup:
    """The buttons that ask for whom a decision holds."""
    said = phrases.approve_for if decision == "approve" else phrases.reject_for
    scopes = _scopes(about) if decision == "approve" else SCOPES
    turn = about.turn.id
    return _keyboard(
        [(said(scope), Decided(decision=decision, scope=scope, turn=turn, seen=seen)) for scope in scopes],
        [(phrases.BACK, AboutItem(action="back", turn=turn, seen=seen))],
    )


def rewritten(about: QueueItem, draft: str) -> InlineKeyboardMarkup:
    """The buttons under an answer that the operator wrote."""
    return _keyboard(
        [(phrases.approve_for(scope), AboutRewritten(action=scope, draft=draft)) for scope in _scopes(about)],
        [(phrases.CANCEL, AboutRewritten(action="drop", draft=draft))],
    )


def decided(review: Review, sendable: bool) -> InlineKeyboardMarkup:
    """The buttons under what was decided; an edit may be `sendable` to whoever asked."""
    said = phrases.rejected if review.decision == "reject" else phrases.approved
    undo = [(said(review.scope), Undo(turn=review.turn, made_at=review.created_at))]
    return _keyboard(undo, [(phrases.SEND_EDITED, SendEdited(turn=review.turn))]) if sendable else _keyboard(undo)


def move_live(action: Literal["promote", "rollback"], version: str, seen: str) -> InlineKeyboardMarkup:
    """The buttons under what a promotion or a rollback will do."""
    said = phrases.PROMOTE if action == "promote" else phrases.ROLL_BACK
    return _keyboard(
        [
            (said, MoveLive(action=action, version=version, seen=seen)),
            (phrases.CANCEL, MoveLive(action="leave", version="", seen=seen)),
        ]
    )


def alerts(wanted: bool, daily_wanted: bool | None = None) -> InlineKeyboardMarkup:
    """The button that mutes alerts, or asks for them again; and that of the digest, where there are any."""
    mute = (phrases.MUTE, WantAlerts(answer="no")) if wanted else (phrases.UNMUTE, WantAlerts(answer="yes"))
    return _keyboard([mute]) if daily_wanted is None else _keyboard([mute], [_daily(daily_wanted, "alerts")])


def daily(wanted: bool) -> InlineKeyboardMarkup:
    """The button under the daily digest, which ends it or asks for it again."""
    return _keyboard([_daily(wanted, "digest")])


def digest(text: str) -> str:
    """Eight digits by which a button knows again what was shown above it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _scopes(about: QueueItem) -> tuple[Scope, ...]:
    """For whom an answer may be approved."""
    return ("chat",) if stays_in_chat([*about.conversation, about.turn]) else SCOPES


def _daily(wanted: bool, under: Literal["digest", "alerts"]) -> tuple[str, CallbackData]:
    if wanted:
        return phrases.DIGEST_STOP, WantDigest(answer="no", under=under)
    return phrases.DIGEST_START, WantDigest(answer="yes", under=under)


def _keyboard(*rows: Row) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        inline_keyboard=[
            [InlineKeyboardButton(text=text, callback_data=carried.pack()) for text, carried in row] for row in rows
        ]
    )
