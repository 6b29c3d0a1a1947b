"""The inbox at the console: chats that wait for a person are taken over, answered and handed back, through the bot."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.pages import show
from console.who import Operator, needs, operator
from core.errors import InvalidInput, NotFound
from core.records import AT_CONSOLE, Errand, Holder, Turn, new_id, now_ms
from feedback.archive import Archive
from feedback.audit import AuditLog
from feedback.errands import Errands, has_left
from feedback.handovers import Case, Handovers
from feedback.people import People

LONGEST = 8000
"""Characters of an answer."""
ENDED = "this chat is not in the inbox any more: it was handed back, begun afresh, or whoever asked has left."


@dataclass(frozen=True, slots=True)
class Talk:
    """A chat of the inbox with what was said in it, the oldest turn first."""

    case: Case
    turns: tuple[Turn, ...] = ()


class Reception:
    """Pages over the inbox; what is done on them goes into the record, and from there to the bot."""

    def __init__(self, archive: Archive, audit: AuditLog):
        store, self._turns, self._pseudonyms = archive.store, archive.turns, archive.pseudonyms
        self._handovers, self._errands = Handovers(store, archive.turns), Errands(store)
        self._people, self._audit = People(store), audit
        self._let_in = archive.settings.allowed_people

    def routes(self) -> list[Route]:
        """The list, each chat, what is new in it, and what is done about it."""
        return [
            Route("/inbox", needs("viewer", self._list), methods=["GET"]),
            Route("/inbox/{handover}", needs("viewer", self._page), methods=["GET"]),
            Route("/inbox/{handover}/take", needs("reviewer", self._take), methods=["POST"]),
            Route("/inbox/{handover}/answer", needs("reviewer", self._answer), methods=["POST"]),
            Route("/inbox/{handover}/back", needs("reviewer", self._back), methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        return show(request, "inbox.html", {"cases": await asyncio.to_thread(self._handovers.inbox)})

    async def _page(self, request: Request) -> Response:
        talk = await asyncio.to_thread(self._talk, request.path_params["handover"])
        holder = talk.case.holder
        mine = holder is not None and holder.address == _address(operator(request))
        template = "inbox_talk.html" if "hx-request" in request.headers else "inbox_chat.html"
        return show(request, template, {"talk": talk, "case": talk.case, "holder": holder, "mine": mine})

    def _talk(self, handover_id: str) -> Talk:
        case = self._known(handover_id)
        head = self._turns.head(case.handover.chat, case.handover.topic)
        return Talk(case, tuple(self._turns.conversation(head)))

    def _known(self, handover_id: str) -> Case:
        """The chat that an address names.

        Raises: NotFound where it is not in the inbox.
        """
        case = self._handovers.get(handover_id)
        if case is None:
            raise NotFound(ENDED)
        return case

    async def _take(self, request: Request) -> Response:
        return await self._done(request, self._take_over, "take chat")

    def _take_over(self, case: Case, who: Operator) -> None:
        address = _address(who)
        holder = Holder(self._pseudonyms.author(address), address, who.name, now_ms())
        taken = self._handovers.take(case.handover.id, holder)
        if taken is None:
            raise NotFound(ENDED)
        _check_mine(taken, who)
        if case.holder is None:
            self._errands.ask(Errand(new_id(), case.handover, "taken"))

    async def _answer(self, request: Request) -> Response:
        text = str((await request.form()).get("text", "")).replace("\r\n", "\n").strip()
        if not text:
            raise InvalidInput("the answer is empty; write what you want to say.")
        if len(text) > LONGEST:
            raise InvalidInput(f"an answer has at most {LONGEST} characters; send it in parts.")

        def answer(case: Case, who: Operator) -> None:
            _check_mine(case, who)
            asked = case.said[-1][0] if case.said else case.handover.message if case.missed else None
            turn = self._handovers.answer(case, new_id(), text)
            self._errands.ask(Errand(new_id(), case.handover, "answer", text, turn.id, asked))

        return await self._done(request, answer, "answer chat")

    async def _back(self, request: Request) -> Response:
        return await self._done(request, self._hand_back, "hand chat back", "/inbox")

    def _hand_back(self, case: Case, who: Operator) -> None:
        if case.holder is not None and not who.may("admin"):
            _check_mine(case, who)
        self._handovers.end(case)
        if case.is_silent:
            self._errands.ask(Errand(new_id(), case.handover, "back"))

    async def _done(
        self, request: Request, do: Callable[[Case, Operator], None], what: str, leads_to: str = ""
    ) -> Response:
        who, handover_id = operator(request), request.path_params["handover"]

        def run() -> None:
            case = self._known(handover_id)
            if has_left(self._people.person(case.handover.author), case.handover, self._let_in):
                self._handovers.end(case)
                raise NotFound(ENDED)
            do(case, who)
            self._audit.note(who.name, what, handover_id)

        await asyncio.to_thread(run)
        return RedirectResponse(leads_to or f"/inbox/{handover_id}", 303)


def _address(who: Operator) -> str:
    return f"{AT_CONSOLE}{who.name}"


def _check_mine(case: Case, who: Operator) -> None:
    """Raises: InvalidInput where another operator, or none, has a chat."""
    if case.holder is None:
        raise InvalidInput("nobody has this chat; take it over first.")
    if case.holder.address != _address(who):
        raise InvalidInput(f"this chat is with {case.holder.name}; nobody else can speak in it meanwhile.")
