"""What a message says: its words without the bot's name, under those that it quotes."""

from aiogram.types import Message, User

from bot.addressing import without_address


def said(message: Message, me: User, trigger: str | None) -> str:
    """A message as a question. What it replies to is part of it, unless the bot said it: that is in the history."""
    text, quoted = without_address(message.text or message.caption or "", me, trigger), _quoted(message, me)
    if not quoted:
        return text
    lines = "\n".join(f"> {line}" for line in quoted.splitlines())
    return f"{lines}\n\n{text}" if text else lines


def is_about_others_words(message: Message) -> bool:
    """Whether a message brings words that it asks about: a part that it quotes, or one that is passed on."""
    return message.quote is not None or message.forward_origin is not None


def _quoted(message: Message, me: User) -> str:
    if message.quote is not None:
        return message.quote.text.strip()
    replied = message.reply_to_message
    if replied is None or replied.forum_topic_created or (replied.from_user and replied.from_user.id == me.id):
        return ""
    return (replied.text or replied.caption or "").strip()
