"""Updates on their way to the handlers: in order within a chat, chats side by side."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from aiogram.types import Update

KEEP_S = 1.0
"""How long Telegram is left unconfirmed while an update is not yet kept; it would deliver it again after a crash."""
FINISH_S, CLOSE_S = 8.0, 6.0
"""At the end, how long running answers may go on, and how long they may then take to be closed."""
_STOP = re.compile(r"/stop(@\w+)?(\s|$)")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An update being handled. `kept` is set once its loss would lose nothing; `stop` when its answer is to end."""

    kept: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)


Work = Callable[[Arrival], Awaitable[object]]


class Inbox:
    """Starts handlers. What comes before a /stop in a chat can be stopped by it; buttons have a lane of their own."""

    def __init__(self, handle: Callable[[Update, Arrival], Awaitable[object]]):
        self._handle = handle
        self._lanes: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._stops: WeakValueDictionary[int, asyncio.Event] = WeakValueDictionary()
        self._running: set[asyncio.Task[None]] = set()

    async def take(self, updates: Sequence[Update]) -> None:
        """Begin to handle updates, and return when all are kept, or after a second."""
        arrivals = [self._begin(update) for update in updates]
        with suppress(TimeoutError):
            async with asyncio.timeout(KEEP_S):
                for arrival in arrivals:
                    await arrival.kept.wait()

    def in_chat(self, chat_id: int, work: Work) -> Arrival:
        """Start work in a chat, after what runs there; a /stop ends it."""
        stop = self._stops.setdefault(chat_id, asyncio.Event())
        return self._start(chat_id, work, Arrival(stop=stop))

    def stop(self, chat_id: int) -> bool:
        """End the answers asked for in a chat so far. False: there were none."""
        stop = self._stops.pop(chat_id, None)
        if stop is not None:
            stop.set()
        return stop is not None

    async def close(self) -> None:
        """Let what runs finish for some seconds, then end it so that what was said is kept."""
        await self._drain(FINISH_S)
        for chat_id in list(self._stops):
            self.stop(chat_id)
        await self._drain(CLOSE_S)
        for task in self._running:
            task.cancel()
        await self._drain(1)

    async def _drain(self, seconds: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def _begin(self, update: Update) -> Arrival:
        def work(arrival: Arrival) -> Awaitable[object]:
            return self._handle(update, arrival)

        if update.message and not _STOP.match(update.message.text or ""):
            return self.in_chat(update.message.chat.id, work)
        button, reaction = update.callback_query, update.message_reaction
        pressed = button.message if button else reaction
        lane = ("buttons", pressed.chat.id) if pressed else update.update_id
        return self._start(lane, work, Arrival())

    def _start(self, lane: Hashable, work: Work, arrival: Arrival) -> Arrival:
        lock = self._lanes.setdefault(lane, asyncio.Lock())
        task = asyncio.create_task(_run(lock, work, arrival))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return arrival


async def _run(lane: asyncio.Lock, work: Work, arrival: Arrival) -> None:
    try:
        async with lane:
            await work(arrival)
    except Exception:
        log.exception("an update could not be handled")
    finally:
        arrival.kept.set()
