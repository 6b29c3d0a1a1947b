"""The people's pages: who uses the assistant, how much today, whose words count; and banning and forgetting them."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from adapters.marks import Marks
from console.pages import show
from console.who import needs, operator
from core.errors import NotFound
from feedback.archive import Archive
from feedback.audit import AuditLog
from feedback.budgets import Budgets, Used
from feedback.forget import Forgetting
from feedback.people import People, Person
from feedback.traces import find_traces
from feedback.trust import Trust
from retrieval.sent import take_out_all

SHOWN = 50
"""People on a page."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person as an operator sees them."""

    author: str
    person: Person
    quarantined: bool
    used: Used


class Members:
    """Pages over the record of people; only admins change anything."""

    def __init__(self, archive: Archive, audit: AuditLog):
        store, turns, reviews = archive.store, archive.turns, archive.reviews
        self._store, self._settings, self._audit = store, archive.settings, audit
        self._people, self._budgets = People(store), Budgets(store, archive.settings)
        self._trust = Trust(store, turns, archive.ratings, reviews, self._people)
        data_dir = archive.settings.data_dir
        self._forgetting = Forgetting(store, turns, reviews, archive.pseudonyms, Marks(store), data_dir)

    def routes(self) -> list[Route]:
        """The list, and what is done about one of them."""
        return [
            Route("/people", needs("viewer", self._list), methods=["GET"]),
            Route("/people/{author}/ban", needs("admin", self._ban), methods=["POST"]),
            Route("/people/{author}/unban", needs("admin", self._unban), methods=["POST"]),
            Route("/people/{author}/forget", needs("admin", self._before_forgetting), methods=["GET"]),
            Route("/people/{author}/forget", needs("admin", self._forget), methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        user, after = request.query_params.get("user", "").strip(), request.query_params.get("after", "")
        found, more = await asyncio.to_thread(self._found, user, after)
        facts = {"members": found, "more": more, "user": user, "limits": self._settings}
        return show(request, "people.html", facts | {"together": await asyncio.to_thread(self._budgets.used)})

    def _found(self, user: str, after: str) -> tuple[list[Member], bool]:
        """People by pseudonym, those behind one, and whether there are more; or the one who is named."""
        authors = self._people.authors()
        if user:
            authors = [author for author in authors if author == self._forgetting.author_of(user)]
        rest = [author for author in authors if author > after]
        return [self._member(author) for author in rest[:SHOWN]], len(rest) > SHOWN

    def _member(self, author: str) -> Member:
        person, waits = self._people.person(author), self._trust.quarantined(author)
        return Member(author, person, waits, self._budgets.used(author))

    async def _ban(self, request: Request) -> Response:
        return await self._done(request, "ban", self._people.ban)

    async def _unban(self, request: Request) -> Response:
        def unban(author: str) -> None:
            if not self._people.unban(author):
                raise NotFound("this person is not banned; load the page again to see who is.")

        return await self._done(request, "unban", unban)

    async def _done(self, request: Request, what: str, do: Callable[[str], None]) -> Response:
        author = self._known(request)
        await asyncio.to_thread(do, author)
        await asyncio.to_thread(self._audit.note, operator(request).name, what, author)
        return RedirectResponse("/people", 303)

    async def _before_forgetting(self, request: Request) -> Response:
        author = self._known(request)
        traces = await asyncio.to_thread(find_traces, self._store, author)
        member = await asyncio.to_thread(self._member, author)
        return show(request, "forget.html", {"member": member, "traces": traces})

    async def _forget(self, request: Request) -> Response:
        author = self._known(request)
        documents = await asyncio.to_thread(take_out_all, self._settings.data_dir, author)
        forgotten = await asyncio.to_thread(self._forgetting.forget, author, operator(request).name)
        return show(request, "forgotten.html", {"forgotten": forgotten, "documents": documents})

    def _known(self, request: Request) -> str:
        """The person that an address names.

        Raises: NotFound.
        """
        author = request.path_params["author"]
        if not re.fullmatch("[0-9a-f]{32}", author) or author not in self._people.authors():
            raise NotFound("there is no such person, or they were forgotten; the list of people shows who is known.")
        return author
