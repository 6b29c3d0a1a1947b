"""Updates on their way to the handlers: stored first, in order within a chat, chats side by side, each handled once."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from aiogram import Bot
from aiogram.exceptions import TelegramNetworkError, TelegramServerError
from aiogram.types import Update
from prometheus_client import Counter
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from bot.addressing import chat_lane, lane_of
from bot.arrival import HANDLED, Arrival
from bot.ledger import LEASE_S, Ledger, Taken
from core.errors import StoreUnavailable
from core.records import now_ms

FINISH_S = 8.0
"""At the end, how long running answers may go on before they are handed on."""
SWEEP_S, WATCH_S = 1.0, 0.3
"""How often a lane without a holder is looked for, and a /stop that another replica took."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0

UPDATES = Counter("apprentice_bot_updates", "Updates that were meant for the bot, by kind.", ["kind"])
log = logging.getLogger(__name__)


Handle = Callable[[Arrival], Awaitable[object]]
LetIn = Callable[[Sequence[Update]], Awaitable[Sequence[Update]]]


class Inbox:
    """Starts handlers. What comes before a /stop in a chat can be stopped by it; buttons have a lane of their own."""

    def __init__(
        self,
        bot: Bot,
        handle: Handle,
        ledger: Ledger,
        wanted: Callable[[Update], bool],
        late_s: int,
        let_in: LetIn | None = None,
    ):
        self._bot, self._handle, self._ledger, self._wanted, self._late_s = bot, handle, ledger, wanted, late_s
        self._let_in = let_in
        self._begun_ms = now_ms()
        self._closing = False
        self._working: dict[str, asyncio.Task[None]] = {}
        self._woken: set[str] = set()
        self._current: dict[str, Arrival] = {}
        self._unstored: set[asyncio.Task[None]] = set()

    async def take(self, updates: Sequence[Update]) -> None:
        """Store what is meant for the bot, and begin to handle it; where nothing can be stored, people are told so."""
        wanted: Sequence[Update] = [update for update in updates if self._wanted(update)]
        if self._let_in is not None and wanted:
            wanted = await self._let_in(wanted)
        for update in wanted:
            UPDATES.labels(update.event_type).inc()
        taken = [one for one in map(_to_take, wanted) if one is not None]
        if not taken:
            return
        try:
            await asyncio.to_thread(self._ledger.take, taken)
        except StoreUnavailable as error:
            log.warning("updates could not be stored, and are handled as they are: %s", error)
            for one in taken:
                task = asyncio.create_task(self._run(Arrival(self._read(one))))
                self._unstored.add(task)
                task.add_done_callback(self._unstored.discard)
            return
        for one in taken:
            self._wake(one.lane)

    async def queue(self, arrival: Arrival, chat_id: int, topic: int | None, **notes: str) -> None:
        """Have an update handled a second time, in its chat's lane, after what runs there.

        Raises: StoreUnavailable.
        """
        lane = chat_lane(chat_id, topic)
        number = arrival.update.update_id
        again = Taken(f"{number}:queued", number, lane, _dumped(arrival.update), notes)
        await asyncio.to_thread(self._ledger.take, [again])
        self._wake(lane)

    async def stop(self, arrival: Arrival, chat_id: int, topic: int | None) -> bool:
        """End the answers asked for in a chat, or a topic of it, before an update came. False: there were none.

        Raises: StoreUnavailable.
        """
        lane, before = chat_lane(chat_id, topic), arrival.update.update_id
        found = await asyncio.to_thread(self._ledger.stop, lane, before)
        self._end(lane, before)
        return found

    async def is_first(self, what: str, lifetime_s: int, arrival: Arrival) -> bool:
        """Whether an update is the first within so long for which something is to be said once.

        Raises: StoreUnavailable.
        """
        return await asyncio.to_thread(self._ledger.is_first, what, lifetime_s, arrival.update.update_id)

    async def work(self) -> None:
        """Take up what others left, and keep what is being handled this replica's own, until cancelled."""
        swept = renewed = 0.0
        while True:
            now = time.monotonic()
            try:
                if now - renewed > LEASE_S / 4:
                    await asyncio.to_thread(self._ledger.renew, list(self._working))
                    renewed = now
                if now - swept > SWEEP_S:
                    for lane in await asyncio.to_thread(self._ledger.waiting):
                        self._wake(lane)
                    swept = now
                if lanes := list(self._current):
                    for lane, before in (await asyncio.to_thread(self._ledger.stopped, lanes)).items():
                        self._end(lane, before)
            except StoreUnavailable:
                log.debug("what others left cannot be seen while the database is away")
            except Exception:
                log.exception("what others left could not be looked for")
            await asyncio.sleep(WATCH_S)

    async def close(self) -> None:
        """Let what runs finish for some seconds; what does not is handed on, as is all that waits."""
        self._closing = True
        running = {*self._working.values(), *self._unstored}
        if running:
            await asyncio.wait(running, timeout=FINISH_S)
        left = {lane: self._current.get(lane) for lane in self._working}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=1)
        begun = {lane: one.taken.id if one and one.taken else None for lane, one in left.items()}
        try:
            await asyncio.to_thread(self._ledger.hand_on, begun)
        except StoreUnavailable as error:
            log.warning("what is not done is taken up a little later: %s", error)

    def _end(self, lane: str, before: int) -> None:
        current = self._current.get(lane)
        if current is not None and current.update.update_id < before:
            current.stop.set()

    def _wake(self, lane: str) -> None:
        if not self._closing:
            self._woken.add(lane)
            if lane not in self._working:
                self._working[lane] = asyncio.create_task(self._empty(lane))

    async def _empty(self, lane: str) -> None:
        """Handle what waits in a lane, one after the other."""
        try:
            while lane in self._woken:
                self._woken.discard(lane)
                taken = await self._next(lane)
                while taken is not None:
                    await self._begin(taken)
                    taken = await self._next(lane, taken.id)
        except StoreUnavailable as error:
            log.warning("what waits is left for a moment: %s", error)
        finally:
            del self._working[lane]

    async def _next(self, lane: str, done: str = "") -> Taken | None:
        """What comes next in a lane. That something is done is stored before anything else."""
        while True:
            try:
                taken = await asyncio.to_thread(self._ledger.next, lane, done)
            except StoreUnavailable as error:
                if not done:
                    raise
                log.warning("that an update is done cannot be stored yet: %s", error)
                await asyncio.sleep(FIRST_WAIT_S)
                continue
            if taken is not None and self._closing:
                await asyncio.to_thread(self._ledger.hand_on, {lane: taken.id})
                return None
            return taken

    async def _begin(self, taken: Taken) -> None:
        try:
            update = self._read(taken)
        except ValidationError as error:
            log.error("a stored update cannot be read, and is left out: %s", error.errors()[0]["msg"])
            return
        arrival = Arrival(update, taken, self._ledger, self._was_late(update, taken), notes=dict(taken.notes))
        if taken.stopped:
            arrival.stop.set()
        self._current[taken.lane] = arrival
        try:
            await self._run(arrival)
        finally:
            del self._current[taken.lane]

    async def _run(self, arrival: Arrival) -> None:
        """Handle an update; where Telegram cannot be reached, again and again."""
        HANDLED.set(arrival)
        wait_s = FIRST_WAIT_S
        while True:
            try:
                await self._handle(arrival)
                return
            except (TelegramNetworkError, TelegramServerError) as error:
                if arrival.taken is None:
                    log.warning("an update could not be handled: %s", type(error).__name__)
                    return
                log.warning("Telegram does not take an answer (%s); it is tried again", type(error).__name__)
            except Exception:
                log.exception("an update could not be handled")
                return
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            arrival.counts.clear()

    def _read(self, taken: Taken) -> Update:
        return Update.model_validate_json(taken.update, context={"bot": self._bot})

    def _was_late(self, update: Update, taken: Taken) -> bool:
        message = update.message or update.edited_message
        if message is None:
            return False
        written_ms = 1000 * (message.edit_date or message.date.timestamp())
        seen_ms = taken.taken_at if taken.taken_at > self._begun_ms else now_ms()
        return seen_ms - written_ms > 1000 * self._late_s


def _to_take(update: Update) -> Taken | None:
    try:
        return Taken(str(update.update_id), update.update_id, lane_of(update), _dumped(update))
    except PydanticSerializationError as error:
        log.warning("an update could not be understood: %s", str(error).partition("\n")[0])
        return None


def _dumped(update: Update) -> str:
    """An update as Telegram sent it; what it left out are defaults that no JSON can hold."""
    return update.model_dump_json(by_alias=True, exclude_unset=True)
