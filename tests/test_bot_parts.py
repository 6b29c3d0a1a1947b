"""What the bot's stories rest on: splitting, and what buttons carry."""

import pytest
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest, TelegramRetryAfter, TelegramServerError
from aiogram.methods import SendMessage
from aiogram.types import Chat, Message, MessageEntity, User
from hypothesis import given
from hypothesis import strategies as st

from bot import keyboards, texts
from bot.addressing import addressed, without_address
from bot.patience import Patience
from bot.splitting import split, units
from core.errors import NotFound
from core.library import SharedDocument

ME = User(id=1, is_bot=True, first_name="A", username="apprentice_bot")
WORDS = st.text(st.sampled_from("ab .\n🚢é"), max_size=400)


@given(WORDS, st.integers(4, 40))
def test_pieces_are_the_text_and_fit(text, limit):
    pieces = split(text, limit)
    assert "".join(pieces) == text and all(0 < units(piece) <= limit for piece in pieces)


@given(WORDS, WORDS, st.integers(4, 40))
def test_a_longer_text_begins_with_the_same_pieces(text, more, limit):
    kept = split(text, limit)[:-1]
    assert split(text + more, limit)[: len(kept)] == kept


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One two.\n\nThree four. Five\nsix", "One two.\n\n"),
        ("One two three.\nFour five six seven", "One two three.\n"),
        ("One two three. Four five six seven", "One two three. "),
        ("One, two, three, four, five, six", "One, two, three, "),
        ("🚢" * 20, "🚢" * 9),
    ],
)
def test_pieces_end_where_a_reader_pauses(text, first):
    assert split(text, 19)[0] == first


def test_every_button_fits():
    markups = [
        keyboards.feedback("f" * 32, range(1, 30)),
        keyboards.reasons("f" * 32, keyboards.voted("e" * 32, False, ())),
        keyboards.draft("f" * 16),
        keyboards.take_back("f" * 32),
        keyboards.share("f" * 32),
        keyboards.documents([(1, SharedDocument("f" * 32, "a.md", 1, False))]),
        keyboards.again("f" * 32),
        keyboards.consent(),
        keyboards.ask_access(),
        keyboards.decide(2**52),
    ]
    carried = [b.callback_data for markup in markups for row in markup.inline_keyboard for b in row]
    assert all(1 <= len(data.encode()) <= 64 for data in carried) and len(set(carried)) == len(carried) - 1


def group_message(text: str, **extra) -> Message:
    entities = [MessageEntity(type=kind, offset=text.index(part), length=len(part)) for kind, part in extra.items()]
    return Message(message_id=1, date=0, chat=Chat(id=-1, type="group"), text=text, entities=entities)


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        (group_message("hello"), False),
        (group_message("hello @Apprentice_Bot, you", mention="@Apprentice_Bot"), True),
        (group_message("hello @other", mention="@other"), False),
        (group_message("/help", bot_command="/help"), True),
        (group_message("/help@other", bot_command="/help@other"), False),
        (group_message("/help@apprentice_bot", bot_command="/help@apprentice_bot"), True),
        (group_message("see /help", bot_command="/help"), False),
    ],
)
def test_who_is_spoken_to(message, heard):
    assert addressed(message, ME) is heard


def test_the_name_is_no_part_of_the_question():
    assert without_address("@Apprentice_bot what is @apprentice_bottle?", ME) == "what is @apprentice_bottle?"


METHOD = SendMessage(chat_id=1, text="x")
WAIT = TelegramRetryAfter(METHOD, "Too Many Requests", 7)
UNNAMED = TelegramAPIError(METHOD, "Too Many Requests")
FAILED = TelegramServerError(METHOD, "Bad Gateway")
REFUSED = TelegramBadRequest(METHOD, "Bad Request")


@pytest.mark.parametrize(
    ("outcomes", "pauses"),
    [
        ([WAIT] * 9 + [True], [7] * 9),
        ([UNNAMED, True], [1]),
        ([FAILED, WAIT, FAILED, True], [0.5, 7, 1]),
        ([FAILED] * 5, [0.5, 1, 2, 4]),
        ([REFUSED], []),
    ],
)
async def test_a_call_waits_as_long_as_it_is_asked_to(monkeypatch, outcomes, pauses):
    left, waited = list(outcomes), []

    async def pause(seconds):
        waited.append(seconds)

    async def make_request(bot, method):
        outcome = left.pop(0)
        if outcome is True:
            return True
        raise outcome

    monkeypatch.setattr("bot.patience.asyncio.sleep", pause)
    if outcomes[-1] is True:
        assert await Patience()(make_request, None, METHOD)
    else:
        with pytest.raises(type(outcomes[-1])):
            await Patience()(make_request, None, METHOD)
    assert (waited, left) == (pauses, [])


def test_failures_are_sentences():
    assert texts.sentence(NotFound("there is no turn 0")) == texts.TOO_OLD
    assert all(
        len(text) <= 200
        for name, text in vars(texts).items()
        if name.isupper() and isinstance(text, str) and name not in ("HELP", "PRIVACY", "FORGET")
    )
