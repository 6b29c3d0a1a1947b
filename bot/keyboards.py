"""The buttons, and what each carries."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from pydantic import Field

from bot import texts
from core.library import SharedDocument
from core.records import Choice, Reason

Action = Literal["up", "down", "correct", "again", "undo"]
Keyboard = InlineKeyboardMarkup
TurnId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
IN_A_ROW = 5
MAX_CHOICES, MAX_CHOICE = 3, 24
"""Labels that have a button under an answer, and characters of theirs that it shows."""
MAX_CITED = 8
"""Passages that have a button under an answer."""
_SIGNS: dict[Action, str] = {"up": "👍", "down": "👎", "correct": "✏️", "again": "🔄"}


class AboutAnswer(CallbackData, prefix="f"):
    """Feedback about a turn. People's programs can send anything, so it is checked."""

    action: Action
    turn: TurnId


class AboutReason(CallbackData, prefix="r"):
    """Why an answer was not right."""

    reason: Reason
    turn: TurnId


class AboutChoice(CallbackData, prefix="l"):
    """One of the labels that an answer was chosen from is the right one, the likeliest first."""

    number: Annotated[int, Field(ge=0)]
    turn: TurnId


class Cited(CallbackData, prefix="s"):
    """The passage that a mark in an answer leads to."""

    number: int
    turn: TurnId


class AboutDraft(CallbackData, prefix="w"):
    """What becomes of a correction that was shown to its author."""

    action: Literal["send", "drop", "ask"]
    draft: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class TakeBack(CallbackData, prefix="b"):
    """A correction that was sent is to be taken back."""

    turn: TurnId


class AboutDocument(CallbackData, prefix="o"):
    """A document of the index is to be shared with everyone, or removed from the chat's or everyone's."""

    action: Literal["share", "remove", "remove_shared"]
    document: TurnId


class AboutHandover(CallbackData, prefix="h"):
    """A chat that wants a person is taken over, or handed back."""

    action: Literal["take", "back"]
    handover: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


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


class Withdraw(CallbackData, prefix="inv"):
    """The link with this code is to work no longer."""

    code: str


def feedback(turn_id: str, cited: Sequence[int] = (), choices: Sequence[Choice] = (), chosen: str = "") -> Keyboard:
    """The buttons under an answer, one for each passage it cites, and the likeliest labels with what was `chosen`."""
    about = _about(turn_id, "up", "down", "correct", "again")
    return _rows(*_choices(turn_id, choices, chosen), about, _cited(turn_id, cited))


def voted(turn_id: str, good: bool, cited: Sequence[int], choices: Sequence[Choice] = ()) -> Keyboard:
    """The buttons under an answer that its only reader has rated."""
    undo: dict[str, CallbackData] = {
        texts.NOTED_GOOD if good else texts.NOTED_BAD: AboutAnswer(action="undo", turn=turn_id)
    }
    about = undo if good else undo | _about(turn_id, "correct", "again")
    return _rows(*([] if good else _choices(turn_id, choices)), about, _cited(turn_id, cited))


def reasons(turn_id: str, above: Keyboard) -> Keyboard:
    """The reasons for a 👎, below other buttons."""
    buttons: list[tuple[str, CallbackData]] = [
        (text, AboutReason(reason=reason, turn=turn_id)) for reason, text in texts.reasons().items()
    ]
    rows = _rows(dict(buttons[:3]), dict(buttons[3:]))
    return Keyboard(inline_keyboard=[*above.inline_keyboard, *rows.inline_keyboard])


def stop() -> Keyboard:
    """The button under an answer that is running."""
    return _rows({"⏹": Stop()})


def again(turn_id: str) -> Keyboard:
    """The button where nothing was answered."""
    return _rows(_about(turn_id, "again"))


def draft(draft_id: str) -> Keyboard:
    """The buttons under a correction that its author is shown."""
    return _rows(
        {
            texts.SEND: AboutDraft(action="send", draft=draft_id),
            texts.CANCEL: AboutDraft(action="drop", draft=draft_id),
        },
        {texts.IT_IS_A_QUESTION: AboutDraft(action="ask", draft=draft_id)},
    )


def take_back(turn_id: str) -> Keyboard:
    """The button under the thanks for a correction."""
    return _rows({texts.TAKE_BACK: TakeBack(turn=turn_id)})


def share(document: str) -> Keyboard:
    """The button that an operator has under a document that was read."""
    return _rows({texts.SHARE: AboutDocument(action="share", document=document)})


def documents(listed: Sequence[tuple[int, SharedDocument]]) -> Keyboard | None:
    """A button for each document that may be removed, with its number in the list."""
    buttons: list[tuple[str, CallbackData]] = [
        (f"🗑 {n}", AboutDocument(action="remove_shared" if d.everyone else "remove", document=d.id)) for n, d in listed
    ]
    return _rows(*(dict(buttons[at : at + IN_A_ROW]) for at in range(0, len(buttons), IN_A_ROW))) if buttons else None


def waiting(handover: str) -> Keyboard:
    """The buttons under a chat that waits for a person."""
    return _rows(
        {
            texts.TAKE: AboutHandover(action="take", handover=handover),
            texts.HAND_BACK: AboutHandover(action="back", handover=handover),
        }
    )


def taken(handover: str) -> Keyboard:
    """The button that an operator has under what comes from a chat of theirs."""
    return _rows({texts.HAND_BACK: AboutHandover(action="back", handover=handover)})


def consent() -> Keyboard:
    """The buttons under the notice."""
    return _rows({texts.YES: ConsentGiven(answer="yes"), texts.NO: ConsentGiven(answer="no")})


def forget() -> Keyboard:
    """The buttons under what forgetting means."""
    return _rows({texts.FORGET_ME: Forget(answer="yes"), texts.KEEP: Forget(answer="no")})


def ask_access() -> Keyboard:
    """The button a stranger sees."""
    return _rows({texts.ASK: AskAccess()})


def decide(user: int) -> Keyboard:
    """The buttons under a request for access."""
    return _rows({texts.ALLOW: Decide(verdict="allow", user=user), texts.REFUSE: Decide(verdict="refuse", user=user)})


def withdraw(code: str) -> Keyboard:
    """The button under a link for new members."""
    return _rows({texts.WITHDRAW: Withdraw(code=code)})


def _about(turn_id: str, *actions: Action) -> dict[str, CallbackData]:
    return {_SIGNS[action]: AboutAnswer(action=action, turn=turn_id) for action in actions}


def _choices(turn_id: str, choices: Sequence[Choice], chosen: str = "") -> list[dict[str, CallbackData]]:
    """A row for each of the likeliest labels, with its probability, or that it was chosen."""
    return [
        {_choice(choice, chosen): AboutChoice(number=number, turn=turn_id)}
        for number, choice in enumerate(choices[:MAX_CHOICES])
    ]


def _choice(choice: Choice, chosen: str) -> str:
    text = choice.text if len(choice.text) <= MAX_CHOICE else f"{choice.text[: MAX_CHOICE - 1]}…"
    return f"✓ {text}" if choice.text == chosen else f"{text} · {choice.probability:.0%}"


def _cited(turn_id: str, numbers: Sequence[int]) -> dict[str, CallbackData]:
    return {f"[{number}]": Cited(number=number, turn=turn_id) for number in numbers[:MAX_CITED]}


def _rows(*rows: Mapping[str, CallbackData]) -> Keyboard:
    """A keyboard of the rows that have buttons, each a text and what it carries."""
    found = [
        [InlineKeyboardButton(text=text, callback_data=data.pack()) for text, data in row.items()]
        for row in rows
        if row
    ]
    return Keyboard(inline_keyboard=found)
