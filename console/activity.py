"""The page of the audit log: who did what, newest first."""

import asyncio
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.pages import show
from console.who import needs
from feedback.audit import AuditLog

SHOWN = 50
"""Entries on a page."""


class Activity:
    """The page."""

    def __init__(self, audit: AuditLog):
        self._audit = audit

    def routes(self) -> list[Route]:
        """It alone."""
        return [Route("/activity", needs("viewer", self._page), methods=["GET"])]

    async def _page(self, request: Request) -> Response:
        before = request.query_params.get("before", "")
        found = await asyncio.to_thread(
            self._audit.page, before if re.fullmatch(r"\d+-\d+", before) else None, SHOWN + 1
        )
        return show(request, "activity.html", {"entries": found[:SHOWN], "more": len(found) > SHOWN})
