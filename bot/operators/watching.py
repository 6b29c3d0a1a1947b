"""Alerts: operators are told once when a trial was taken back, the queue grows long, or the worker falls silent."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiogram import Bot
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message

from bot.beside import again_and_again
from bot.buttons import say_instead
from bot.operators import choices, phrases
from bot.operators.cards import short
from bot.operators.choices import WantAlerts
from bot.operators.telling import tell_operators
from bot.parts import Contact, Parts, outside
from core import keys
from core.store import durable

WAIT_S = 2.0
TAKEN_BACK = "canary rollback"
"""What the audit log calls the end of a trial that operators are told of."""
TICKS = 3
"""So many times the schedule may miss its turn, however short a silence is asked for."""
QUEUE, WORKER = "queue", "worker"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that operators are to be told; `event` is the same for every bot."""

    event: str
    text: Callable[[], str]


class Watch:
    """What happens, seen by one bot."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._sign: str | None = None
        self._seen_at = time.monotonic()

    def look(self) -> tuple[list[Alert], str]:
        """What is to be told now, and the entry of the audit log until which that is all.

        Raises: StoreUnavailable.
        """
        position = self._parts.alerts.position()
        entries = self._parts.registry.audit_after(position)
        live = self._parts.registry.route()
        ended = [(entry, fields) for entry, fields in entries if fields["what"] == TAKEN_BACK]
        found = [
            Alert(
                f"audit:{entry}",
                partial(phrases.trial_taken_back, short(fields["subject"]), short(live), fields["why"]),
            )
            for entry, fields in ended
        ]
        return [*found, *self._queue(), *self._worker()], entries[-1][0] if entries else position

    def _queue(self) -> list[Alert]:
        """A long queue is told of once, until it has been half as long."""
        waiting, limit = self._parts.reviews.waiting(), self._parts.settings.alert_queue
        if waiting > limit:
            return [Alert(QUEUE, partial(phrases.queue_is_long, waiting))]
        if waiting <= limit // 2:
            self._parts.alerts.over(QUEUE)
        return []

    def _worker(self) -> list[Alert]:
        """The schedule's worker is silent where this bot was awake that long without a new sign of life.

        A laptop that slept, or clocks that differ, are no reason to worry anybody.
        """
        with durable():
            sign = self._parts.store.hget(keys.WORKERS, "tick")
        now = time.monotonic()
        if sign != self._sign:
            if self._sign is not None:
                self._parts.alerts.over(WORKER)
            self._sign, self._seen_at = sign, now
        silent_s = now - self._seen_at
        settings = self._parts.settings
        if sign is None or silent_s <= max(settings.alert_silent_s, TICKS * settings.tick_s):
            return []
        return [Alert(WORKER, partial(phrases.worker_is_silent, max(1, int(silent_s // 60))))]


async def keep_alerting(bot: Bot, parts: Parts) -> None:
    """Watch, and tell operators, until cancelled. Several bots may watch side by side."""
    watch = Watch(parts)

    async def look() -> None:
        alerts, position = await asyncio.to_thread(watch.look)
        wanted = await asyncio.to_thread(parts.people.operators)
        readers = [address for address, wants in wanted.items() if wants]
        told = [await tell_operators(bot, parts, alert.event, readers, lambda _, a=alert: a.text()) for alert in alerts]
        if all(told):
            await asyncio.to_thread(parts.alerts.advance, position)

    late, lost = "whether there is anything to tell operators is not known", "operators may not hear of something"
    await again_and_again(look, WAIT_S, late, lost)


async def show_alerts(message: Message, parts: Parts, contact: Contact) -> None:
    """`/alerts`: whether this operator is told, with the buttons that change it."""
    said, buttons = await asyncio.to_thread(alerts_and_digest, parts, outside(contact.user_id))
    await message.answer(said, reply_markup=buttons)


async def want_alerts(callback: CallbackQuery, callback_data: WantAlerts, parts: Parts, contact: Contact) -> None:
    """An operator wants to be told, or not."""
    address = outside(contact.user_id)
    await asyncio.to_thread(parts.people.want_alerts, address, callback_data.answer == "yes")
    await callback.answer()
    await say_instead(callback, *await asyncio.to_thread(alerts_and_digest, parts, address))


def alerts_and_digest(parts: Parts, address: str) -> tuple[str, InlineKeyboardMarkup]:
    """What an operator is told of by itself, and the buttons that change it.

    Raises: StoreUnavailable.
    """
    wanted = parts.people.operators().get(address, True)
    said = phrases.ALERTS_ON if wanted else phrases.ALERTS_OFF
    if parts.settings.digest_hour is None:
        return said, choices.alerts(wanted)
    daily = address in parts.people.digest_readers()
    return f"{said} {phrases.DIGEST_ON if daily else phrases.DIGEST_OFF}", choices.alerts(wanted, daily)
