"""The buttons, and what each carries."""

from typing import Annotated, Literal

from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from pydantic import Field

from bot import texts

Action = Literal["up", "down", "correct", "again"]
_ACTIONS: dict[Action, str] = {"up": "👍", "down": "👎", "correct": "✏️", "again": "🔄"}


class AboutAnswer(CallbackData, prefix="f"):
    """Feedback about a turn. People's programs can send anything, so it is checked."""

    action: Action
    turn: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class ConsentGiven(CallbackData, prefix="c"):
    """Whether the presser's words may be learned from."""

    answer: Literal["yes", "no"]


class Forget(CallbackData, prefix="x"):
    """Whether everything of the presser is to be removed."""

    answer: Literal["yes", "no"]


class Stop(CallbackData, prefix="s"):
    """The answer that grows above the button is to end."""


class AskAccess(CallbackData, prefix="a"):
    """A stranger asks for access."""


class Decide(CallbackData, prefix="d"):
    """The owner's decision about the person with this Telegram id."""

    verdict: Literal["allow", "refuse"]
    user: int


def feedback(turn_id: str) -> InlineKeyboardMarkup:
    """The buttons under an answer."""
    return _row({sign: AboutAnswer(action=action, turn=turn_id) for action, sign in _ACTIONS.items()})


def stop() -> InlineKeyboardMarkup:
    """The button under an answer that is running."""
    return _row({"⏹": Stop()})


def again(turn_id: str) -> InlineKeyboardMarkup:
    """The button where nothing was answered."""
    return _row({_ACTIONS["again"]: AboutAnswer(action="again", turn=turn_id)})


def consent() -> InlineKeyboardMarkup:
    """The buttons under the notice."""
    return _row({texts.YES: ConsentGiven(answer="yes"), texts.NO: ConsentGiven(answer="no")})


def forget() -> InlineKeyboardMarkup:
    """The buttons under what forgetting means."""
    return _row({texts.FORGET_ME: Forget(answer="yes"), texts.KEEP: Forget(answer="no")})


def ask_access() -> InlineKeyboardMarkup:
    """The button a stranger sees."""
    return _row({texts.ASK: AskAccess()})


def decide(user: int) -> InlineKeyboardMarkup:
    """The buttons under a request for access."""
    return _row({texts.ALLOW: Decide(verdict="allow", user=user), texts.REFUSE: Decide(verdict="refuse", user=user)})


def _row(buttons: dict[str, CallbackData]) -> InlineKeyboardMarkup:
    row = [InlineKeyboardButton(text=text, callback_data=data.pack()) for text, data in buttons.items()]
    return InlineKeyboardMarkup(inline_keyboard=[row])
