"""Random updates of every type that aiogram knows, made from its models: valid, and otherwise as wild as they come."""

import random
import re
import time
import types
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from aiogram.client.default import Default
from aiogram.filters.callback_data import CallbackData
from aiogram.types import CallbackQuery, Chat, InlineQuery, Message, MessageEntity, Update, User
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot import texts
from bot.operators import phrases
from bot.tongue import LANGUAGES
from tests.telegram_api import BOT

KINDS = sorted(set(Update.model_fields) - {"update_id"})
PEOPLE = (7, 8, 9, 10)
"""An owner, a member, a stranger, and somebody who was never told."""
QUESTION = "What is the capital of France?"
WILD = (
    "/start " + "x" * 60,
    "/start inline",
    "/promote base",
    "/ban 8",
    "/invite 3 2",
    "/fly me",
    "/",
    "//",
    f"@{BOT['username']}",
    f"/help@{BOT['username']}",
    "",
    " ",
    "\x00\x07\u200b\u202e right to left \u05e9\u05dc\u05d5\u05dd",
    "👩‍👩‍👧‍👦🇺🇳" * 40,
    "half *bold and [a link](http://",
    "<b>not closed & <i>",
    "x" * 4096,
    "half a character \ud83d",
)
COMMANDS = (*texts.COMMANDS, *phrases.COMMANDS)
TEXTS = (*WILD, *[QUESTION] * 25, *(f"/{name}{rest}" for name in COMMANDS for rest in ("", " 7 words")))
BUTTONS = sorted((cls for cls in CallbackData.__subclasses__() if cls.__module__.startswith("bot.")), key=str)
"""What the bot's buttons carry."""
CONTENT_FIELDS = sorted(set(Message.model_fields) - {"message_id", "date", "chat", "from_user", "text"})
MAX_DEPTH, RECENT = 4, 20


class Updates:
    """A source of updates that a seed determines, and what the bot has `offered`: chats, messages and their buttons."""

    def __init__(self, seed: int, texts: Sequence[str] = TEXTS, offered: Sequence[tuple[int, int, str]] = ()):
        self._random, self._texts, self._offered = random.Random(seed), texts, offered
        self._number = 0

    def next(self) -> dict[str, Any]:
        """An update, as Telegram would send it; messages and buttons come more often than the rest."""
        self._number += 1
        often = ("message", "message", "edited_message", "callback_query", "message_reaction", "inline_query")
        kind = self._random.choice(often if self._random.random() < 0.6 else KINDS)
        return {"update_id": self._number, kind: self._value(_fields(Update)[kind], 0)}

    def message(self, content: str) -> dict[str, Any]:
        """An update with a member's message that holds one type of content."""
        return self._message(PEOPLE[1], content, self._value(_fields(Message)[content], 1))

    def command(self, name: str) -> dict[str, Any]:
        """An update with a command, of the owner if it is an operator's."""
        whose = PEOPLE[0] if name in phrases.COMMANDS else self._random.choice(PEOPLE[:2])
        return self._message(whose, "text", f"/{name}{self._random.choice(('', '', ' 7 words'))}")

    def _message(self, person: int, content: str, value: Any) -> dict[str, Any]:
        self._number += 1
        chat = {"id": person, "type": "private", "first_name": "A"}
        head = {"message_id": self._number, "date": int(time.time()), "chat": chat, "from": self._user(person)}
        return {"update_id": self._number, "message": head | {content: value}}

    def _value(self, annotation: Any, depth: int) -> Any:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._value(arguments[0], depth)
        if origin in (Union, types.UnionType):
            return self._value(self._random.choice([a for a in arguments if a not in (type(None), Default)]), depth)
        if origin is list:
            return [self._value(arguments[0], depth + 1) for _ in range(self._random.randint(1, 2))]
        if origin is Literal:
            return self._random.choice(arguments)
        if isinstance(annotation, type):
            return self._of_class(annotation, depth)
        return self._random.choice(self._texts)

    def _of_class(self, cls: type, depth: int) -> Any:
        if issubclass(cls, BaseModel):
            return self._model(cls, depth)
        if issubclass(cls, Enum):
            return self._random.choice(list(cls)).value
        if cls is bool:
            return self._random.random() < 0.5
        if cls is datetime:
            return int(time.time()) - self._random.choice((0, 0, 0, 1, 10**6))
        if cls is int:
            return self._random.choice((0, 1, 2, 3, 10**9))
        return self._random.random() if cls is float else self._random.choice(self._texts)

    def _model(self, cls: type[BaseModel], depth: int) -> dict[str, Any]:
        if cls is User:
            return self._user(self._random.choice(PEOPLE)) | {"is_bot": self._random.random() < 0.05}
        if cls is Chat:
            return self._chat()
        wanted = self._wanted(cls, depth)
        made = {_alias(cls, name): self._value(_fields(cls)[name], depth + 1) for name in wanted}
        if cls is CallbackQuery:
            made["data"] = self._pressed()
        if cls in (Message, CallbackQuery) and depth < 2:
            made |= self._fitting(cls, made)
        if cls is InlineQuery:
            made["query"] += self._random.choice(("", "?", "?"))
        if cls is MessageEntity:
            made |= {"offset": 0, "length": 1}
        return made

    def _wanted(self, cls: type[BaseModel], depth: int) -> list[str]:
        required = [name for name, field in cls.model_fields.items() if field.is_required()]
        fixed = [n for n in cls.model_fields if get_origin(_fields(cls)[n]) is Literal]
        if cls is Message:
            many = self._random.choice((0, 1, 1, 2, 5)) if depth < 3 else 0
            text = ["text"] if self._random.random() < 0.6 else []
            return [*required, "from_user", *text, *self._random.sample(CONTENT_FIELDS, many)]
        optional = [name for name in cls.model_fields if name not in required]
        share = 0.3 if depth < MAX_DEPTH else 0.0
        return list(dict.fromkeys([*required, *fixed, *(n for n in optional if self._random.random() < share)]))

    def _chat(self) -> dict[str, Any]:
        kind = self._random.choice((*["private"] * 6, "group", "supergroup", "channel"))
        number = self._random.choice(PEOPLE)
        return {"id": number if kind == "private" else -number, "type": kind, "title": "T", "first_name": "A"}

    def _fitting(self, cls: type, made: dict[str, Any]) -> dict[str, Any]:
        """Mostly, what lets an update mean something: a button that is there, a reply, a chat of one's own."""
        chance = self._random.random()
        if self._offered and chance < (0.7 if cls is CallbackQuery else 0.35):
            kinds = {one[2].partition(":")[0]: None for one in self._offered}
            kind = self._random.choice(list(kinds))
            chat, number, data = self._random.choice([o for o in self._offered if o[2].startswith(kind)][-RECENT:])
            where = (
                {"id": chat, "type": "private", "first_name": "A"} if chat > 0 else {"id": chat, "type": "supergroup"}
            )
            ours = {"message_id": number, "date": int(time.time()), "chat": where, "from": BOT, "text": "x"}
            whose = self._user(chat if chat > 0 else self._random.choice(PEOPLE))
            about = (
                {"data": data, "message": ours} if cls is CallbackQuery else {"reply_to_message": ours, "chat": where}
            )
            return about | {"from": whose}
        if cls is Message and made["chat"]["type"] == "private" and chance < 0.9:
            return {"from": self._user(made["chat"]["id"])}
        return {}

    def _user(self, number: int) -> dict[str, Any]:
        return {"id": number, "is_bot": False, "first_name": "A", "language_code": self._random.choice(LANGUAGES)}

    def _pressed(self) -> str:
        """What a program could send: the right number of parts, of which some may even be right."""
        cls = self._random.choice(BUTTONS)
        parts = [self._carried(field) for field in cls.model_fields.values()]
        return self._random.choice((":".join([cls.__prefix__, *parts])[:64], "z", "f:sideways:x", f"{cls.__prefix__}:"))

    def _carried(self, field: FieldInfo) -> str:
        digits = re.search(r"\{(\d+)\}", str(field.metadata))
        hexadecimal = f"{self._random.randrange(3):0{digits[1] if digits else 1}x}"
        named = get_args(field.annotation) if get_origin(field.annotation) is Literal else (hexadecimal,)
        return str(self._random.choice((*named, *named, "yes", "")))


@cache
def _fields(cls: type[BaseModel]) -> dict[str, Any]:
    """The annotations of a model's fields, with every name in them resolved."""
    cls.model_rebuild()
    return {name: field.annotation for name, field in cls.model_fields.items()}


def _alias(cls: type[BaseModel], name: str) -> str:
    return cls.model_fields[name].alias or name
