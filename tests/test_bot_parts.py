"""What the bot's stories rest on: who is spoken to, and what buttons carry."""

import pytest
from aiogram.types import Chat, Message, MessageEntity, User

from bot import keyboards, texts
from bot.addressing import addressed, without_address
from core.errors import NotFound
from core.library import SharedDocument

ME = User(id=1, is_bot=True, first_name="A", username="apprentice_bot")


def test_every_button_fits():
    markups = [
        keyboards.feedback("f" * 32, range(1, 30)),
        keyboards.reasons("f" * 32, keyboards.voted("e" * 32, False, ())),
        keyboards.draft("f" * 16),
        keyboards.take_back("f" * 32),
        keyboards.share("f" * 32),
        keyboards.documents([(1, SharedDocument("f" * 32, "a.md", 1, False))]),
        keyboards.waiting("f" * 16),
        keyboards.again("f" * 32),
        keyboards.stop(),
        keyboards.consent(),
        keyboards.ask_access(),
        keyboards.decide(2**52),
        keyboards.withdraw("x" * 32),
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


def test_failures_are_sentences():
    assert texts.sentence(NotFound("there is no turn 0")) == texts.TOO_OLD
    assert all(
        len(text) <= 200
        for name, text in vars(texts).items()
        if name.isupper() and isinstance(text, str) and name not in ("HELP", "PRIVACY", "FORGET")
    )
