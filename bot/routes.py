"""Which handler gets what, and what is said when one fails."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import Dispatcher, F
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError, TelegramNetworkError, TelegramServerError
from aiogram.filters import Command, CommandStart
from aiogram.types import ErrorEvent, TelegramObject

from bot import (
    access,
    buttons,
    commands,
    corrections,
    edits,
    instructing,
    late,
    media,
    questions,
    rights,
    shelf,
    texts,
    votes,
    why,
)
from bot.handover import desk, relay
from bot.keyboards import (
    AboutAnswer,
    AboutChoice,
    AboutDocument,
    AboutDraft,
    AboutHandover,
    AboutReason,
    AskAccess,
    Cited,
    ConsentGiven,
    Decide,
    Forget,
    Stop,
    TakeBack,
    Withdraw,
)
from bot.limits import bans, inline, invitations
from bot.limits.usage import usage
from bot.operators import entry
from bot.parts import Parts
from bot.tongue import speaking
from core.errors import ApprenticeError, StoreUnavailable

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]

log = logging.getLogger(__name__)


def make_dispatcher(parts: Parts) -> Dispatcher:
    """Every route; the first that fits is taken."""
    dispatcher = Dispatcher(disable_fsm=True, parts=parts)
    dispatcher.update.outer_middleware(in_their_language)
    dispatcher.message.outer_middleware(access.admit)
    dispatcher.edited_message.outer_middleware(access.admit)
    dispatcher.edited_message.register(relay.pass_on, F.text, relay.is_silent)
    dispatcher.edited_message.register(edits.edited, access.is_member)
    dispatcher.callback_query.outer_middleware(access.admit)
    dispatcher.message_reaction.register(votes.react)
    dispatcher.inline_query.register(inline.asked)
    dispatcher.errors.register(explain)
    _route_messages(dispatcher)
    _route_buttons(dispatcher)
    return dispatcher


def _route_messages(dispatcher: Dispatcher) -> None:
    message, is_content = dispatcher.message.register, F.content_type.in_(media.CONTENT)
    from_inline = CommandStart(deep_link=True, magic=F.args == inline.START)
    message(access.refuse_stranger, from_inline, access.is_stranger)
    message(commands.start, from_inline)
    message(access.redeem, CommandStart(deep_link=True))
    message(commands.forget, Command("forget"))
    message(rights.privacy, Command("privacy"))
    message(rights.export, Command("export"))
    message(relay.answer, relay.is_from_operator)
    message(relay.pass_on, is_content, relay.is_said, relay.is_silent)
    message(late.apologise, late.is_late)
    message(access.refuse_stranger, access.is_stranger, is_content)
    entry.route_messages(dispatcher)
    message(questions.written, F.text, F.forward_origin)
    message(commands.start, CommandStart())
    message(commands.show_help, Command("help"))
    message(commands.reset, Command("reset"))
    message(relay.human, Command("human"))
    message(desk.inbox, Command("inbox"), access.is_operator_in_private)
    message(desk.back, Command("back"), access.is_operator_in_private)
    message(relay.keep_silent, Command("retry"), relay.is_silent)
    message(commands.retry, Command("retry"))
    message(commands.stop, Command("stop"))
    message(relay.keep_silent, Command(*texts.TASKS), relay.is_silent)
    message(instructing.asked, Command(*texts.TASKS))
    message(shelf.sources, Command("sources"))
    message(why.why, Command("why"))
    message(usage, Command("usage"))
    message(invitations.invite, Command("invite"), access.is_operator)
    message(bans.ban, Command("ban"), access.is_operator)
    message(bans.unban, Command("unban"), access.is_operator)
    message(commands.unknown, F.text.startswith("/"))
    message(questions.written, F.text)
    message(shelf.received, F.document, ~F.animation)
    message(media.album, F.media_group_id)
    message(media.voice, F.voice | F.audio | F.video | F.video_note)
    message(media.picture, F.photo)
    message(commands.not_text, is_content)


def _route_buttons(dispatcher: Dispatcher) -> None:
    button = dispatcher.callback_query.register
    button(access.ask_access, AskAccess.filter())
    button(buttons.forget, Forget.filter())
    button(access.refuse_strangers_button, access.is_stranger)
    button(access.decide, Decide.filter())
    button(desk.take, AboutHandover.filter(F.action == "take"))
    button(desk.hand_back, AboutHandover.filter())
    button(relay.keep_silent_about, AboutAnswer.filter(F.action == "again"), relay.is_silent)
    button(relay.keep_silent_about, AboutDraft.filter(F.action == "ask"), relay.is_silent)
    button(votes.vote, AboutAnswer.filter(F.action.in_({"up", "down", "undo"})))
    button(votes.give_reason, AboutReason.filter())
    button(instructing.choose, AboutChoice.filter())
    button(corrections.correct, AboutAnswer.filter(F.action == "correct"))
    button(corrections.send, AboutDraft.filter(F.action == "send"))
    button(corrections.drop, AboutDraft.filter(F.action == "drop"))
    button(corrections.ask_instead, AboutDraft.filter(F.action == "ask"))
    button(corrections.take_back, TakeBack.filter())
    button(buttons.again, AboutAnswer.filter(F.action == "again"))
    button(why.cited, Cited.filter())
    button(shelf.share, AboutDocument.filter(F.action == "share"))
    button(shelf.remove, AboutDocument.filter())
    button(invitations.withdraw, Withdraw.filter(), access.is_operator)
    button(buttons.consent, ConsentGiven.filter())
    button(buttons.stop, Stop.filter())
    entry.route_buttons(dispatcher)
    button(buttons.unknown)
    dispatcher.stopped_message_generation.register(buttons.draft_stopped)


async def in_their_language(handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
    """A middleware: whoever is heard is answered in their language."""
    user = data.get("event_from_user")
    with speaking(user.language_code if user else None):
        return await handler(event, data)


async def explain(event: ErrorEvent) -> None:
    """Tell the person what went wrong; the log gets what only an operator can judge."""
    error, button = event.exception, event.update.callback_query
    message = event.update.message or event.update.edited_message
    if isinstance(error, TelegramNetworkError | TelegramServerError):
        raise error
    if isinstance(error, TelegramForbiddenError):
        log.info("somebody has blocked the bot, or put it out of a group")
        return
    if isinstance(error, TelegramBadRequest) and "query is too old" in error.message:
        return
    if not isinstance(error, ApprenticeError):
        log.error("a handler failed", exc_info=error)
    asker = button or message
    with speaking(asker.from_user.language_code if asker and asker.from_user else None):
        said = texts.sentence(error) if isinstance(error, ApprenticeError) else texts.BROKEN
        if button is not None:
            is_lost = isinstance(error, StoreUnavailable)
            await button.answer(texts.not_stored(error) if is_lost else said, show_alert=True)
        elif message is not None:
            await message.answer(said)
