"""Which of the operators' handlers gets what; whoever is no operator hears that it is not for them."""

from aiogram import Dispatcher, F
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from bot import access, texts
from bot.operators import choices, digest, phrases, promoting, reviewing, stats, watching
from bot.parts import Contact

COMMANDS = {
    "review": reviewing.review,
    "adapters": promoting.adapters,
    "promote": promoting.promote,
    "rollback": promoting.rollback,
    "stats": stats.stats,
    "alerts": watching.show_alerts,
}


def route_messages(dispatcher: Dispatcher) -> None:
    """The commands, and replies to an answer that waits for a decision."""
    message = dispatcher.message.register
    for name, handler in COMMANDS.items():
        message(handler, Command(name), access.is_operator_in_private)
    message(refuse, Command(*COMMANDS))
    message(reviewing.rewritten, F.text, ~F.text.startswith("/"), reviewing.is_rewriting)


def route_buttons(dispatcher: Dispatcher) -> None:
    """The buttons."""
    button = dispatcher.callback_query.register
    for ours in choices.OURS:
        button(refuse_button, ours.filter(), lambda _, contact: not contact.person.is_operator)
    button(reviewing.consider, choices.AboutItem.filter())
    button(reviewing.decide, choices.Decided.filter())
    button(reviewing.undo, choices.Undo.filter())
    button(reviewing.send_edited, choices.SendEdited.filter())
    button(reviewing.approve_rewritten, choices.AboutRewritten.filter())
    button(promoting.move, choices.MoveLive.filter())
    button(watching.want_alerts, choices.WantAlerts.filter())
    button(digest.want_digest, choices.WantDigest.filter())


async def refuse(message: Message, contact: Contact) -> None:
    """A member types an operator's command, or an operator does so where others read along."""
    if contact.person.is_operator:
        await message.reply(phrases.IN_PRIVATE)
    else:
        await message.answer(texts.ONLY_OPERATORS)


async def refuse_button(callback: CallbackQuery) -> None:
    """Somebody presses an operator's button who is none, or none any more."""
    await callback.answer(texts.ONLY_OPERATORS, show_alert=True)
