"""Two versions answer the same prompt side by side, and an operator picks the better, before knowing which is which."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.registry import Registry
from console.candidates import Candidates
from console.conversation import CONSENT_QUESTION, OPERATOR, Conversations
from console.details import of_turn
from console.pages import show
from console.scripts import Line, sent, streamed
from console.who import needs, operator
from core.client import Asked, Begun, Ended, Said, ServingClient
from core.errors import InvalidInput, StoreUnavailable
from core.records import Comparison, Message, Pick, Turn, new_id, now_ms
from feedback.archive import Archive
from feedback.audit import AuditLog
from feedback.comparisons import Comparisons, Preferences
from feedback.turns import question
from training.statistics import sign_test, win_share

SIDES = ("a", "b")
PICKED: dict[Pick, str] = {"a": "A better", "b": "B better", "both": "both good", "neither": "neither good"}
SAID_FOR_US = (
    "a sentence stands ready for this question (an approved answer, or that its language is not understood), and is "
    "said whichever version is asked; ask something else."
)
LOST = "the answers could not be stored, so they cannot be compared; ask once more."
_lot = random.SystemRandom()

Event = Begun | Said | Ended


class Wanted(BaseModel):
    """POST /compare/ask: a prompt, or the turn whose prompt it is, and two versions."""

    text: str = ""
    turn: str | None = None
    versions: tuple[str, str]


class Picked(BaseModel):
    """POST /compare/pick."""

    id: str = Field(max_length=64)
    pick: Pick


@dataclass(frozen=True, slots=True)
class Score:
    """Two versions as they were compared, with the chance of so uneven a result if neither were better (exact sign
    test, two-sided) and the 95 % interval of the first one's share of wins; None where nobody preferred one.
    """

    row: Preferences
    p: float | None
    share: tuple[float, float] | None


class Compare:
    """The page over the registry, the record and serving."""

    def __init__(
        self, archive: Archive, registry: Registry, client: ServingClient, chats: Conversations, audit: AuditLog
    ):
        self._turns, self._client, self._chats, self._audit = archive.turns, client, chats, audit
        self._author = archive.pseudonyms.author(OPERATOR)
        self._comparisons = Comparisons(archive.store, archive.ratings)
        self._candidates = Candidates(registry, archive.settings.adapter_slots)

    def routes(self) -> list[Route]:
        """The page and what it calls."""
        return [
            Route("/compare", needs("viewer", self._page), methods=["GET"]),
            Route("/compare/scores", needs("viewer", self._table), methods=["GET"]),
            Route("/compare/ask", needs("reviewer", self._ask), methods=["POST"]),
            Route("/compare/pick", needs("reviewer", self._pick), methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        turn_id = request.query_params.get("turn", "")

        def facts() -> dict[str, Any]:
            turn = self._turns.get(turn_id) if turn_id else None
            choices = self._candidates.choices()
            first = request.query_params.get("first") or choices[0].id
            others = [choice.id for choice in choices if choice.id != first]
            return {
                "choices": choices,
                "chosen": (first, *others[:1]),
                "turn": turn,
                "question": question(turn) if turn else "",
                "consent": self._chats.consent(),
                "consent_question": CONSENT_QUESTION,
                "scores": self._scores(),
            }

        return show(request, "compare.html", await asyncio.to_thread(facts))

    async def _table(self, request: Request) -> Response:
        return show(request, "scores.html", {"scores": await asyncio.to_thread(self._scores)})

    def _scores(self) -> list[Score]:
        return [score(row) for row in self._comparisons.preferences()]

    async def _ask(self, request: Request) -> Response:
        wanted = await sent(request, Wanted)
        versions = [await asyncio.to_thread(self._candidates.id_of, version) for version in wanted.versions]
        if versions[0] == versions[1]:
            raise InvalidInput("choose two different versions; one alone says the same twice.")
        asked = await asyncio.to_thread(self._asked, wanted)
        return await streamed(self._compared(asked, _lot.sample(versions, 2)))

    def _asked(self, wanted: Wanted) -> Asked:
        """What each of the two is asked. A prompt that is typed here belongs to no chat.

        Raises: NotFound, InvalidInput.
        """
        if wanted.turn:
            return Asked(self._turns.get(wanted.turn).messages, None, OPERATOR, beside=wanted.turn)
        if not wanted.text.strip():
            raise InvalidInput("the message is empty; write what you want to know.", "message_empty")
        return Asked([Message("user", wanted.text)], None, OPERATOR)

    async def _compared(self, asked: Asked, versions: list[str]) -> AsyncIterator[Line]:
        """What A and B say, as it comes; then the id under which one may be picked, or that both said the same."""
        async with aclosing(self._candidates.ready(versions)) as loading:
            async for line in loading:
                yield line
        ended: dict[str, Ended] = {}
        async with aclosing(self._both(asked, versions)) as events:
            async for side, event in events:
                if isinstance(event, Ended):
                    ended[side] = event
                yield {"side": side} | _shown(event)
        yield await asyncio.to_thread(self._result, [ended[side] for side in SIDES])

    def _result(self, ended: list[Ended]) -> Line:
        turns = (ended[0].turn_id, ended[1].turn_id)
        if turns[0] is None or turns[1] is None:
            raise StoreUnavailable(LOST)
        first, second = self._turns.get(turns[0]), self._turns.get(turns[1])
        if first.reply.split() == second.reply.split():
            return {"type": "same", "sides": _revealed((first, second))}
        comparison = Comparison(new_id(), (first.id, second.id), (first.adapter, second.adapter), now_ms())
        self._comparisons.wait_for(comparison)
        return {"type": "ready", "id": comparison.id}

    async def _both(self, asked: Asked, versions: list[str]) -> AsyncGenerator[tuple[str, Event], None]:
        """The events of both answers. B answers beside A's turn: the same prompt, with the same passages."""
        coming: asyncio.Queue[tuple[str, Event | Exception]] = asyncio.Queue()
        opened: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        async def say(side: str, question: Asked) -> None:
            async with aclosing(self._client.answer(question)) as events:
                async for event in events:
                    if isinstance(event, Begun) and not opened.done():
                        opened.set_result(event.turn_id)
                    if isinstance(event, Ended) and event.origin in ("approved", "declined"):
                        raise InvalidInput(SAID_FOR_US)
                    coming.put_nowait((side, event))

        async def say_first() -> None:
            await say("a", replace(asked, model=versions[0]))

        async def say_second() -> None:
            turn = await opened
            if turn is None:
                raise StoreUnavailable(LOST)
            await say("b", replace(asked, model=versions[1], beside=turn))

        def failed(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and (error := task.exception()):
                coming.put_nowait(("", error))  # type: ignore[arg-type]

        tasks = [asyncio.create_task(say_first()), asyncio.create_task(say_second())]
        for task in tasks:
            task.add_done_callback(failed)
        try:
            left = len(tasks)
            while left:
                side, event = await coming.get()
                if isinstance(event, Exception):
                    raise event
                left -= isinstance(event, Ended)
                yield side, event
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _pick(self, request: Request) -> Response:
        picked, who = await sent(request, Picked), operator(request)

        def store() -> Line:
            comparison = self._comparisons.pick(picked.id, picked.pick, self._author)
            self._audit.note(who.name, "compare", comparison.turns[0], PICKED[picked.pick])
            turns = self._turns.get_many(comparison.turns)
            return {"sides": _revealed([turns[turn] for turn in comparison.turns if turn in turns])}

        return JSONResponse(await asyncio.to_thread(store))


def score(row: Preferences) -> Score:
    """What picks amount to."""
    if not row.won + row.lost:
        return Score(row, None, None)
    p = min(1.0, 2 * sign_test(max(row.won, row.lost), min(row.won, row.lost)))
    return Score(row, p, win_share(row.won, row.lost))


def _shown(event: Event) -> Line:
    """An event as the page may know it: nothing that tells which version speaks."""
    if isinstance(event, Begun):
        return {"type": "begun"}
    if isinstance(event, Said):
        return {"type": "said", "text": event.text}
    citations = [{"number": c.number, "source": c.source, "title": c.title, "text": c.text} for c in event.citations]
    return {"type": "ended", "text": event.text, "origin": event.origin, "citations": citations}


def _revealed(turns: Sequence[Turn]) -> Line:
    """Which side was which, with what each took."""
    return {
        side: {"version": turn.adapter[:12], "turn": turn.id, "details": of_turn(turn)}
        for side, turn in zip(SIDES, turns, strict=False)
    }
