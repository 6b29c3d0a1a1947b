"""What nobody waits for: apologies where no operator came, better answers, and what is said from the console."""

import asyncio

from aiogram import Bot

from bot import texts
from bot.beside import about_to_say, again_and_again, tell
from bot.formatting import formatted
from bot.handover.desk import show_taken
from bot.handover.relay import send_answer
from bot.handover.sending import send_all, tell_asker
from bot.parts import Parts, speaking_to
from bot.splitting import Formatted
from core.records import Errand
from feedback.amends import Amend
from feedback.handovers import Case

WAIT_S = 1.0


async def keep_rounds(bot: Bot, parts: Parts) -> None:
    """Look every second, until cancelled. Several bots may look side by side."""

    async def look() -> None:
        for case in await asyncio.to_thread(parts.handovers.overdue, parts.settings.handover_max_s):
            await _apologise(bot, parts, case)
        await _run_errands(bot, parts)
        for turn in await asyncio.to_thread(parts.amends.waiting):
            await _make_amends(bot, parts, turn)

    who = "who waits for a person or a better answer"
    await again_and_again(look, WAIT_S, f"{who} hears of it later", f"{who} may not hear of it")


async def _apologise(bot: Bot, parts: Parts, case: Case) -> None:
    """Say that nobody came; the question stays in the inbox."""
    async with about_to_say(parts, f"missed:{case.handover.id}") as telling:
        if telling is None or case not in await asyncio.to_thread(
            parts.handovers.overdue, parts.settings.handover_max_s
        ):
            return
        saying = tell_asker(bot, parts, case.handover, lambda: texts.HUMAN_MISSED)
        match await tell(saying, "somebody who asked for a person"):
            case "told":
                await asyncio.to_thread(parts.handovers.apologised, case)
                await telling.done()
            case "gone":
                await asyncio.to_thread(parts.handovers.end, case)


async def _run_errands(bot: Bot, parts: Parts) -> None:
    """Say what operators at the console have to say, in order; where Telegram is away, later."""
    while (errand := await asyncio.to_thread(parts.errands.next)) is not None:
        async with about_to_say(parts, f"errand:{errand.id}") as telling:
            if telling is None:
                return
            if errand != await asyncio.to_thread(parts.errands.next):
                continue
            told = await tell(_run(bot, parts, errand), "somebody whom an operator at the console has")
            if told == "later":
                return
            if told == "gone" and (case := await asyncio.to_thread(parts.handovers.get, errand.handover.id)):
                await asyncio.to_thread(parts.handovers.end, case)
            await asyncio.to_thread(parts.errands.done, errand)
            await telling.done()


async def _run(bot: Bot, parts: Parts, errand: Errand) -> None:
    handover = errand.handover
    match errand.what:
        case "taken":
            await tell_asker(bot, parts, handover, lambda: texts.HUMAN_HERE)
            case = await asyncio.to_thread(parts.handovers.get, handover.id)
            if case is not None and case.holder is not None:
                await show_taken(bot, parts, case, case.holder)
        case "answer":
            await send_answer(bot, parts, handover, errand.turn, errand.text, errand.question)
        case "back":
            await tell_asker(bot, parts, handover, lambda: texts.HUMAN_OVER)


async def _make_amends(bot: Bot, parts: Parts, turn_id: str) -> None:
    """Send an edited answer under the question it is about; where Telegram is away, later."""
    async with about_to_say(parts, f"amends:{turn_id}") as telling:
        amend = await asyncio.to_thread(parts.amends.due, turn_id) if telling else None
        if telling is None or amend is None:
            return
        if await tell(_send(bot, parts, amend), "somebody who did not like an answer") != "later":
            await asyncio.to_thread(parts.amends.sent, amend)
            await telling.done()


async def _send(bot: Bot, parts: Parts, amend: Amend) -> None:
    async with speaking_to(parts, amend.author):
        text = await asyncio.to_thread(_text, amend)
    for number in await send_all(bot, amend.address, text, None, amend.question, amend.topic):
        await asyncio.to_thread(parts.turns.note_posted, amend.chat, number, amend.turn)


def _text(amend: Amend) -> Formatted:
    heading = texts.AMENDED_AFTER_CORRECTION if amend.corrected else texts.AMENDED_AFTER_DOWN
    return Formatted(f"{heading}\n\n") + formatted(amend.text)
