"""/adapters, /promote, /rollback: which versions exist, and which one answers. Nothing moves before it is confirmed."""

import asyncio
from datetime import UTC, datetime

from aiogram.filters import CommandObject
from aiogram.types import CallbackQuery, Message
from aiogram.utils.formatting import Code, Text, as_list

from adapters.aliases import RETIRED, Aliases
from adapters.registry import Version
from bot.arrival import Arrival
from bot.buttons import say_instead
from bot.operators import choices, phrases
from bot.operators.cards import short
from bot.operators.choices import MoveLive
from bot.parts import Contact, Parts
from core.errors import AliasMoved, InvalidInput, NotFound
from core.records import BASE

MAX_LISTED = 15
WHY = "confirmed in Telegram"


async def adapters(message: Message, parts: Parts) -> None:
    """`/adapters`: the newest versions, and what answers."""
    versions = await asyncio.to_thread(parts.registry.versions)
    if not versions:
        await message.answer(phrases.NO_VERSIONS)
        return
    lines: list[Text | str] = [_line(version) for version in versions[:MAX_LISTED]]
    if len(versions) > MAX_LISTED:
        lines.append(phrases.more_versions(len(versions) - MAX_LISTED))
    if all(version.status != "live" for version in versions):
        lines.append(phrases.BASE_LIVE)
    await message.answer(**as_list(*lines, sep="\n\n").as_kwargs())


async def promote(message: Message, command: CommandObject, parts: Parts) -> None:
    """`/promote ID`: say what a promotion would do, with the buttons that decide."""
    prefix = (command.args or "").strip().lower()
    if not prefix:
        await message.answer(phrases.WHICH_VERSION)
        return
    aliases = await asyncio.to_thread(parts.registry.aliases)
    version = None
    if prefix != BASE:
        try:
            version = await asyncio.to_thread(parts.registry.get, prefix)
        except NotFound:
            await message.answer(phrases.NO_SUCH_VERSION)
            return
    wanted = version.id if version else BASE
    if version and version.marked:
        await message.answer(phrases.CANNOT_PROMOTE)
    elif version and version.status == "retired":
        await message.answer(phrases.RETIRED)
    elif aliases.live == wanted and not (aliases.canary or aliases.incoming):
        await message.answer(phrases.LIVE_ALREADY)
    else:
        keyboard = choices.move_live("promote", wanted[:16], _seen(aliases))
        await message.answer(_promotion(wanted, version, aliases), reply_markup=keyboard)


async def rollback(message: Message, parts: Parts) -> None:
    """`/rollback`: say what it would do, with the buttons that decide."""
    aliases = await asyncio.to_thread(parts.registry.aliases)
    if aliases.canary:
        said = phrases.shall_i_end_trial(short(aliases.canary.version), short(aliases.live))
    elif aliases.previous is not None:
        said = phrases.shall_i_roll_back(short(aliases.live), short(aliases.previous))
    else:
        await message.answer(phrases.NOTHING_TO_ROLL_BACK)
        return
    await message.answer(said, reply_markup=choices.move_live("rollback", "", _seen(aliases)))


async def move(
    callback: CallbackQuery, callback_data: MoveLive, parts: Parts, contact: Contact, arrival: Arrival
) -> None:
    """Promote or roll back as confirmed, unless anything moved since it was shown."""
    await callback.answer()
    if callback_data.action == "leave":
        await say_instead(callback, phrases.NOTHING_DONE)
        return
    if "moved" not in arrival.notes:
        carry_out = _promote if callback_data.action == "promote" else _roll_back
        try:
            said = await asyncio.to_thread(carry_out, parts, callback_data, contact.author)
        except AliasMoved:
            said = phrases.MOVED
        except NotFound:
            said = phrases.NO_SUCH_VERSION
        except InvalidInput as error:
            said = phrases.RETIRED if str(error) == RETIRED else phrases.CANNOT_PROMOTE
        await arrival.note(moved=said)
    await say_instead(callback, arrival.notes["moved"])


def _promote(parts: Parts, wanted: MoveLive, who: str) -> str:
    seen = _unmoved(parts, wanted)
    version = BASE if wanted.version == BASE else parts.registry.get(wanted.version).id
    parts.registry.promote(version, who, WHY, against=seen.live)
    aliases = parts.registry.aliases()
    return phrases.is_live(short(version)) if aliases.live == version else phrases.will_be_live(short(version))


def _roll_back(parts: Parts, wanted: MoveLive, who: str) -> str:
    seen = _unmoved(parts, wanted)
    taken_back = seen.canary.version if seen.canary else seen.live
    live = parts.registry.rollback(who, WHY)
    return phrases.rolled_back(short(taken_back), short(live))


def _unmoved(parts: Parts, wanted: MoveLive) -> Aliases:
    """Where the names point, if that is where they pointed when it was shown.

    Raises: AliasMoved.
    """
    aliases = parts.registry.aliases()
    if _seen(aliases) != wanted.seen:
        raise AliasMoved(phrases.MOVED)
    return aliases


def _seen(aliases: Aliases) -> str:
    return choices.digest(repr(aliases))


def _promotion(wanted: str, version: Version | None, aliases: Aliases) -> str:
    """What a promotion does, in sentences of their own."""
    said = [phrases.shall_i_promote(short(wanted), short(aliases.live))]
    if aliases.canary and aliases.canary.version != wanted:
        said.append(phrases.trial_ends(short(aliases.canary.version)))
    if aliases.incoming and aliases.incoming != wanted:
        said.append(phrases.incoming_replaced(short(aliases.incoming)))
    if version and version.status == "rejected":
        said.append(phrases.WAS_REJECTED)
    if version and version.refused:
        said.append(phrases.refused(version.refused))
    if version and version.report is None:
        said.append(phrases.UNJUDGED)
    return "\n".join(said)


def _line(version: Version) -> Text:
    report, date = version.report, f"{datetime.fromtimestamp(version.created_at / 1000, UTC):%Y-%m-%d}"
    judged = phrases.NEVER_JUDGED
    if report:
        judged = phrases.gate(report.outcome, len(report.wins), len(report.losses), len(report.ties))
    said = ["", phrases.standing(version.status), judged]
    if version.canary:
        said.append(phrases.trial(version.canary.share))
    if version.refused:
        said.append(phrases.refused(version.refused))
    if version.marked:
        said.append(phrases.MARKED)
    return Text(Code(short(version.id)), f" · {date}", "\n".join(said))
