"""Whom a message is for, and where it belongs: a chat, a topic of it, or the buttons of a chat."""

import re

from aiogram.enums import ChatType, MessageEntityType
from aiogram.types import CallbackQuery, Message, Update, User

_INLINE_ENDS = ("?", "？", "؟", "!", "！")
"""How an inline query ends that is complete; the others are sent while somebody writes."""
_STOP = re.compile(r"/stop(@\w+)?(\s|$)")


def wanted(update: Update, me: User, trigger: str | None, is_inline: bool = False) -> bool:
    """Whether an update is the bot's business; nothing else is kept, not even for a moment."""
    if update.inline_query is not None:
        return is_inline and update.inline_query.query.rstrip().endswith(_INLINE_ENDS)
    message = update.message or update.edited_message
    if message is None:
        return True
    return message.from_user is not None and not message.from_user.is_bot and addressed(message, me, trigger)


def addressed(message: Message, me: User, trigger: str | None = None) -> bool:
    """Whether a message is for the bot: everything in private, else commands, mentions, replies, and the trigger."""
    if message.chat.type == ChatType.PRIVATE or _replies_to(message, me):
        return True
    text, entities = message.text or message.caption or "", message.entities or message.caption_entities or ()
    if trigger and _begins_with(trigger).match(text):
        return True
    for entity in entities:
        if entity.type == MessageEntityType.BOT_COMMAND and entity.offset == 0:
            _, _, other = entity.extract_from(text).partition("@")
            return not other or other.lower() == (me.username or "").lower()
        if entity.type == MessageEntityType.MENTION and entity.extract_from(text).lower() == f"@{me.username}".lower():
            return True
        if entity.type == MessageEntityType.TEXT_MENTION and entity.user and entity.user.id == me.id:
            return True
    return False


def without_address(text: str, me: User, trigger: str | None = None) -> str:
    """A text without the bot's name, and without the word that a message to it may begin with."""
    text = re.sub(rf"@{me.username}\b", "", text, flags=re.IGNORECASE).strip()
    return _begins_with(trigger).sub("", text) if trigger else text


def topic_of(message: object) -> int | None:
    """The topic that a message stands in; a thread of replies is none."""
    return message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None


def chat_lane(chat_id: int, topic: int | None) -> str:
    """The lane in which a chat's messages, or a topic's, are handled one after the other."""
    return f"chat:{chat_id}:{topic or 0}"


def lane_of(update: Update) -> str:
    """The lane of an update. A /stop overtakes what it stops."""
    message = update.message or update.edited_message
    if message is not None and not _STOP.match(message.text or ""):
        return chat_lane(message.chat.id, topic_of(message))
    pressed: CallbackQuery | None = update.callback_query
    about = pressed.message if pressed else update.message_reaction or update.stopped_message_generation
    return f"buttons:{about.chat.id}" if about else f"update:{update.update_id}"


def _replies_to(message: Message, me: User) -> bool:
    """Whether it is a reply to the bot; every message of a topic replies to the topic's beginning, which is none."""
    reply = message.reply_to_message
    return bool(reply and reply.from_user and reply.from_user.id == me.id and not reply.forum_topic_created)


def _begins_with(trigger: str) -> re.Pattern[str]:
    return re.compile(rf"\s*{re.escape(trigger)}(?!\w)[\s,:;.!?-]*", re.IGNORECASE)
