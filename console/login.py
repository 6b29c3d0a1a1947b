"""Logging in and out, the page behind an invitation, and an operator's own password."""

import asyncio

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.accounts import Account, Accounts
from console.guard import COOKIE, cookie
from console.pages import failure, show
from console.sessions import Sessions
from console.who import needs, operator, visit
from core.errors import Busy, InvalidInput
from feedback.audit import AuditLog

HOME = "/"


class Login:
    """The pages."""

    def __init__(self, accounts: Accounts, sessions: Sessions, audit: AuditLog):
        self._accounts, self._sessions, self._audit = accounts, sessions, audit

    def routes(self) -> list[Route]:
        """The first four are open to all."""
        return [
            Route("/login", self._page, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/invitation/{code}", self._invitation, methods=["GET"]),
            Route("/invitation/{code}", self._join, methods=["POST"]),
            Route("/logout", needs("viewer", self._log_out), methods=["POST"]),
            Route("/account", needs("viewer", self._account), methods=["GET"]),
            Route("/account", needs("viewer", self._change), methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        return show(request, "login.html", {"next": request.query_params.get("next", HOME)})

    async def _log_in(self, request: Request) -> Response:
        fields = await request.form()
        name, leads_to = _text(fields, "name").strip().lower(), _text(fields, "next")
        address = request.client.host if request.client else ""
        told = {"next": leads_to, "name": name}
        try:
            account = await asyncio.to_thread(self._verified, name, _text(fields, "password"), address)
        except Busy as error:
            response = show(request, "login.html", told | {"problem": str(error)}, 429)
            response.headers["Retry-After"] = str(error.retry_after_s)
            return response
        if account is None:
            return show(request, "login.html", told | {"problem": "name or password is not right."}, 401)
        return await self._begin(request, account, leads_to)

    def _verified(self, name: str, password: str, address: str) -> Account | None:
        self._sessions.count_try(name, address)
        account = self._accounts.verified(name, password)
        if account is not None:
            self._sessions.forgive(name)
            self._audit.note(name, "log in")
        elif self._accounts.get(name) is not None:
            self._audit.note(name, "fail to log in", why="the password was not right")
        return account

    async def _invitation(self, request: Request) -> Response:
        role = await asyncio.to_thread(self._accounts.invited, request.path_params["code"])
        return show(request, "invitation.html", {"role": role})

    async def _join(self, request: Request) -> Response:
        code, fields = request.path_params["code"], await request.form()
        role = await asyncio.to_thread(self._accounts.invited, code)
        name = _text(fields, "name").strip().lower()
        try:
            account = await asyncio.to_thread(self._accounts.join, code, name, _twice(fields))
        except InvalidInput as error:
            return show(request, "invitation.html", {"role": role, "name": name, "problem": str(error)}, 400)
        await asyncio.to_thread(self._audit.note, name, "join", name, f"invited as {role}")
        return await self._begin(request, account, HOME)

    async def _log_out(self, request: Request) -> Response:
        await asyncio.to_thread(self._sessions.end, visit(request).id)
        await asyncio.to_thread(self._audit.note, operator(request).name, "log out")
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=visit(request).secure)
        return response

    async def _account(self, request: Request) -> Response:
        return show(request, "account.html")

    async def _change(self, request: Request) -> Response:
        fields, name = await request.form(), operator(request).name
        address = request.client.host if request.client else ""
        try:
            await asyncio.to_thread(self._sessions.count_try, name, address)
            account = await asyncio.to_thread(
                self._accounts.change_password, name, _text(fields, "old"), _twice(fields)
            )
        except (InvalidInput, Busy) as error:
            return show(request, "account.html", {"problem": str(error)}, failure(request, error).status_code)
        await asyncio.to_thread(self._sessions.forgive, name)
        await asyncio.to_thread(self._audit.note, name, "change password")
        return await self._begin(request, account, "/account")

    async def _begin(self, request: Request, account: Account, leads_to: str) -> Response:
        """Under a new id, so that nobody knows it who knew the browser's earlier one."""
        await asyncio.to_thread(self._sessions.end, visit(request).id)
        session = await asyncio.to_thread(self._sessions.begin, account)
        response = RedirectResponse(_ours(leads_to), 303)
        response.headers["Set-Cookie"] = cookie(session, visit(request).secure)
        return response


def _text(fields: FormData, name: str) -> str:
    """A field of a form; empty where there is none."""
    return str(fields.get(name, ""))


def _twice(fields: FormData) -> str:
    """A new password that was typed twice.

    Raises: InvalidInput where the two differ.
    """
    if _text(fields, "password") != _text(fields, "again"):
        raise InvalidInput("the two passwords differ; type the same one twice.")
    return _text(fields, "password")


def _ours(path: str) -> str:
    """A path of this console; home, where a link names another site."""
    return path if path.startswith("/") and path[1:2] not in ("/", "\\") else HOME
