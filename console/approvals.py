"""The pages of approved answers: found by their words, edited, given an end, and what contradicts them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.pages import number, show
from console.who import needs, operator
from core.errors import InvalidInput, NotFound, ServingUnavailable
from core.library import Dispute, LibraryClient, Pair
from core.records import Review, Turn
from feedback.archive import Archive
from feedback.ratings import MAX_CORRECTION
from feedback.turns import question, stays_in_chat

SHOWN = 50
"""Answers on a page."""


@dataclass(frozen=True, slots=True)
class Approved:
    """An approved answer with the question that it was approved for."""

    review: Review
    turn: Turn

    @property
    def question(self) -> str:
        """What was asked."""
        return question(self.turn)

    @property
    def last_day(self) -> date | None:
        """The last day (UTC) on which it is said, where it has one."""
        until = self.review.until
        return None if until is None else datetime.fromtimestamp((until - 1) / 1000, UTC).date()

    def holds(self, text: str) -> bool:
        """Whether question or answer hold a text, in whatever case."""
        return text.lower() in self.question.lower() or text.lower() in self.review.text.lower()


class Approvals:
    """Pages over the decisions in force; every change is a new decision."""

    def __init__(self, archive: Archive, library: LibraryClient):
        self._turns, self._reviews, self._library = archive.turns, archive.reviews, library

    def routes(self) -> list[Route]:
        """The list with its search, what contradicts answers, and each answer with its form."""
        return [
            Route("/answers", needs("viewer", self._list), methods=["GET"]),
            Route("/answers/contradictions", needs("viewer", self._contradictions), methods=["GET"]),
            Route("/answers/conflicts", needs("viewer", self._conflicts), methods=["GET"]),
            Route("/answers/flags", needs("viewer", self._flags), methods=["GET"]),
            Route("/answers/{turn}", needs("viewer", self._answer), methods=["GET"]),
            Route("/answers/{turn}", needs("reviewer", self._decide), methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        text, first = request.query_params.get("text", "").strip(), number(request, "first")
        found, more = await asyncio.to_thread(self._found, text, first)
        facts = {"answers": found, "more": more, "text": text, "next": first + SHOWN}
        return show(request, "answers.html", facts)

    def _found(self, text: str, first: int) -> tuple[list[Approved], bool]:
        """The newest from a place on, of those that hold a text, and whether there are more."""
        if not text:
            found = self._with_turns(self._reviews.newest_approved(first, SHOWN + 1))
            return found[:SHOWN], len(found) > SHOWN
        found = [a for a in self._with_turns(self._reviews.approved()[::-1]) if a.holds(text)]
        return found[first : first + SHOWN], len(found) > first + SHOWN

    def _with_turns(self, reviews: Sequence[Review]) -> list[Approved]:
        turns = self._turns.get_many([review.turn for review in reviews])
        return [Approved(review, turns[review.turn]) for review in reviews if review.turn in turns]

    async def _contradictions(self, request: Request) -> Response:
        pairs = await self._library.contradictions()
        found = await asyncio.to_thread(self._in_pairs, pairs)
        part = "hx-request" in request.headers
        return show(request, "answers_count.html" if part else "answers_contradictions.html", {"pairs": found})

    def _in_pairs(self, pairs: Sequence[Pair]) -> list[tuple[Approved, Approved]]:
        """Both answers of each pair, where both are in force still."""
        turns = list(dict.fromkeys(turn for pair in pairs for turn in (pair.newer, pair.older)))
        known = {found.turn.id: found for found in self._with_turns(self._reviews.approved_of(turns))}
        return [(known[p.newer], known[p.older]) for p in pairs if p.newer in known and p.older in known]

    async def _conflicts(self, request: Request) -> Response:
        """Those that a document disputes: their number as a part of another page, or all of them."""
        part = "hx-request" in request.headers
        try:
            known = await self._library.disputes()
        except ServingUnavailable:
            if not part:
                raise
            return show(request, "answers_conflicts_count.html", {"away": True})
        facts = {"disputed": await asyncio.to_thread(self._disputed, known.disputes), "left": known.left}
        return show(request, "answers_conflicts_count.html" if part else "answers_conflicts.html", facts)

    def _disputed(self, disputes: Sequence[Dispute]) -> list[tuple[Approved, Dispute]]:
        """The answers in force with what disputes them, the newest first."""
        of_turn = {dispute.turn: dispute for dispute in disputes}
        found = self._with_turns(self._reviews.approved_of(list(of_turn)))
        return [(a, of_turn[a.turn.id]) for a in sorted(found, key=lambda answer: -answer.review.created_at)]

    async def _flags(self, request: Request) -> Response:
        """The flags of some answers, each for its place in the page; the page asks again while some are left."""
        turns = request.query_params.getlist("turn")
        known = await self._library.disputes()
        found = [dispute for dispute in known.disputes if dispute.turn in turns]
        return show(request, "answers_flags.html", {"disputes": found, "left": known.left, "asked": request.url.query})

    async def _answer(self, request: Request) -> Response:
        found = await asyncio.to_thread(self._known, request.path_params["turn"])
        facts = {"answer": found, "today": datetime.now(UTC).date(), "done": "done" in request.query_params}
        return show(request, "answers_one.html", facts | {"stays": await asyncio.to_thread(self._stays, found.turn)})

    def _stays(self, turn: Turn) -> bool:
        return stays_in_chat([*self._turns.conversation(turn.parent), turn])

    def _known(self, turn_id: str) -> Approved:
        """The answer that an address names.

        Raises: NotFound.
        """
        for found in self._with_turns(self._reviews.approved_of([turn_id])):
            return found
        raise NotFound("this answer is not approved, or not any more; the list of answers shows those that are.")

    async def _decide(self, request: Request) -> Response:
        form = await request.form()
        fields = {name: str(form.get(name, "")).strip() for name in ("text", "scope", "last_day", "seen")}
        who, turn_id = operator(request).name, request.path_params["turn"]
        await asyncio.to_thread(self._edit, turn_id, fields, who)
        return RedirectResponse(f"/answers/{turn_id}?done=1", 303)

    def _edit(self, turn_id: str, fields: dict[str, str], who: str) -> None:
        """Decide anew: an edit, or as before where only the audience or the end is another.

        Raises: InvalidInput, NotFound, StoreUnavailable.
        """
        known, text, scope = self._known(turn_id).review, fields["text"].replace("\r\n", "\n"), fields["scope"]
        if fields["seen"] != str(known.created_at):
            raise InvalidInput("this answer was decided anew meanwhile; load the page again to see how.")
        if scope not in ("chat", "everyone"):
            raise InvalidInput("choose who is to hear the answer: everyone, or the chat that it was given in.")
        if len(text) > MAX_CORRECTION:
            raise InvalidInput(f"an answer has at most {MAX_CORRECTION} characters; write a shorter one.")
        decision = known.decision if text == known.text else "edit"
        until = _end_of(fields["last_day"])
        self._reviews.decide(turn_id, decision, who, scope, text, known.why, until)  # type: ignore[arg-type]


def _end_of(day: str) -> int | None:
    """The instant (ms) at which a day (UTC) ends; None where none is given.

    Raises: InvalidInput.
    """
    if not day:
        return None
    try:
        after = date.fromisoformat(day) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidInput("write the last day as year-month-day, such as 2030-12-31, or leave it empty.") from None
    return int(datetime(after.year, after.month, after.day, tzinfo=UTC).timestamp() * 1000)
