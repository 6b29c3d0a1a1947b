"""What was sent already for an update, or of what is said by itself: who begins anew after a crash repeats nothing."""

import hashlib

from aiogram import Bot
from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.methods import DeleteMessage, Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Chat, Message

from bot.addressing import topic_of
from bot.arrival import HANDLED, Handled
from bot.outgoing import PassingMessage
from core.records import now_ms


class Once(BaseRequestMiddleware):
    """Remembers each message that is sent while something is handled, and sends it into the topic the update is from.

    Between Telegram's taking a message and its number's being stored there is a moment in which a kill leaves a message
    that nobody knows of. The Bot API has no means to ask for it.
    """

    async def __call__(
        self, make_request: NextRequestMiddlewareType[TelegramType], bot: Bot, method: TelegramMethod[TelegramType]
    ) -> Response[TelegramType]:
        """The call's result, or that of the same call of an earlier attempt. Raises: what the call raises."""
        arrival = HANDLED.get()
        if arrival is not None and isinstance(method, DeleteMessage):
            await _forget(arrival, method.message_id)
        if arrival is None or not method.__api_method__.startswith("send"):
            return await make_request(bot, method)
        method = _in_topic(method, arrival)
        if method.__returning__ is not Message or isinstance(method, PassingMessage):
            return await make_request(bot, method)
        name = _name(method, arrival)
        if arrival.notes.get(name):
            return _as_sent(method, int(arrival.notes[name])).as_(bot)
        sent = await make_request(bot, method)
        if isinstance(sent, Message):
            await arrival.note(**{name: str(sent.message_id)})
        return sent


def _name(method: TelegramMethod, arrival: Handled) -> str:
    """The same for the same words in the same chat, the n-th time they are sent."""
    said = getattr(method, "text", None) or getattr(method, "caption", None)
    about = repr((method.__api_method__, method.chat_id, said))
    digest = hashlib.sha256(about.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    arrival.counts[digest] = count = arrival.counts.get(digest, 0) + 1
    return f"sent:{digest}:{count}"


async def _forget(arrival: Handled, message_id: int) -> None:
    """A message that is deleted may be sent again."""
    names = [name for name, sent in arrival.notes.items() if name.startswith("sent:") and sent == str(message_id)]
    if names:
        await arrival.note(**dict.fromkeys(names, ""))


def _in_topic(method: TelegramMethod, arrival: Handled) -> TelegramMethod:
    update = arrival.update
    if update is None:
        return method
    message = update.message or update.edited_message or (update.callback_query and update.callback_query.message)
    topic = topic_of(message)
    if topic is None or method.chat_id != message.chat.id or getattr(method, "message_thread_id", topic) is not None:
        return method
    return method.model_copy(update={"message_thread_id": topic})


def _as_sent(method: TelegramMethod, message_id: int) -> Message:
    chat = Chat(id=method.chat_id, type="private" if method.chat_id > 0 else "group")
    return Message(message_id=message_id, date=now_ms() // 1000, chat=chat, text=getattr(method, "text", None))
