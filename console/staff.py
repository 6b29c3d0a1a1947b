"""The operators' page: who has an account here, who decides in Telegram, and one-time links that make more of both."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.accounts import Account, Accounts
from console.pages import show
from console.who import ROLES, needs, operator, visit
from feedback.audit import AuditLog
from feedback.people import People


class Staff:
    """The page, and what its buttons do."""

    def __init__(self, accounts: Accounts, people: People, audit: AuditLog, public: str | None):
        """`public`: the origin under which others reach the console."""
        self._accounts, self._people, self._audit, self._public = accounts, people, audit, public

    def routes(self) -> list[Route]:
        """The page, links, and the end of an account."""
        return [
            Route("/operators", needs("viewer", self._page), methods=["GET"]),
            Route("/operators/invite", needs("admin", self._invite), methods=["POST"]),
            Route("/operators/telegram", needs("admin", self._invite_to_telegram), methods=["POST"]),
            Route("/operators/{name}/remove", needs("admin", self._before_removal), methods=["GET"]),
            Route("/operators/{name}/remove", needs("admin", self._remove), methods=["POST"]),
        ]

    async def _page(self, request: Request, link: str | None = None) -> Response:
        accounts, addresses = await asyncio.to_thread(self._read)
        numbers = [address.removeprefix("telegram:") for address in addresses]
        facts = {"accounts": accounts, "numbers": numbers, "roles": ROLES, "link": link}
        return show(request, "operators.html", facts)

    def _read(self) -> tuple[Sequence[Account], Sequence[str]]:
        return self._accounts.all(), list(self._people.operators())

    async def _invite(self, request: Request) -> Response:
        role = str((await request.form()).get("role", ""))
        code = await asyncio.to_thread(self._accounts.invite, role)
        await asyncio.to_thread(self._audit.note, operator(request).name, "invite", role)
        return await self._page(request, f"{self._public or visit(request).origin}/invitation/{code}")

    async def _invite_to_telegram(self, request: Request) -> Response:
        link = await asyncio.to_thread(self._people.link, "operator")
        await asyncio.to_thread(self._audit.note, operator(request).name, "invite", "operator in Telegram")
        return await self._page(request, link)

    async def _before_removal(self, request: Request) -> Response:
        return show(request, "remove.html", {"name": request.path_params["name"]})

    async def _remove(self, request: Request) -> Response:
        name = request.path_params["name"]
        await asyncio.to_thread(self._accounts.remove, name)
        await asyncio.to_thread(self._audit.note, operator(request).name, "remove", name)
        return RedirectResponse("/operators", 303)
