"""The page of what everyone's answers rest on: documents and their passages, a search as the assistant sees it."""

import asyncio

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.pages import number, show
from console.who import needs, operator
from core.errors import IndexDamaged, InvalidInput, ServingUnavailable
from core.library import LibraryClient, SharedDocument
from core.records import EmbedderVersion
from core.settings import Settings
from feedback.audit import AuditLog
from feedback.embedders import Embedders
from retrieval.generations import current_learned

LISTED, SHOWN = 100, 50
"""Documents on a page, and passages on one."""
VERSIONS = 5
"""Versions of what the search learned, the newest."""
LONGEST = 8000
"""Characters of a question."""


class Collection:
    """Pages over serving's index, for the documents that everyone sees."""

    def __init__(self, library: LibraryClient, audit: AuditLog, embedders: Embedders, settings: Settings):
        self._library, self._audit, self._embedders = library, audit, embedders
        self._data_dir = settings.data_dir
        self._facts = {"max_mb": settings.document_max_mb, "least": settings.min_similarity}

    def routes(self) -> list[Route]:
        """The list with its search, each document, and what changes them."""
        return [
            Route("/knowledge", needs("viewer", self._page), methods=["GET"]),
            Route("/knowledge/upload", needs("reviewer", self._upload), methods=["POST"]),
            Route("/knowledge/renew", needs("admin", self._renew), methods=["POST"]),
            Route("/knowledge/{document}", needs("viewer", self._document), methods=["GET"]),
            Route("/knowledge/{document}/remove", needs("admin", self._before_removal), methods=["GET"]),
            Route("/knowledge/{document}/remove", needs("admin", self._remove), methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        asked = request.query_params
        question, name = asked.get("question", "").strip(), asked.get("name", "").strip()
        if len(question) > LONGEST:
            raise InvalidInput(f"a question has at most {LONGEST} characters; ask a shorter one.")
        found = await self._library.search(question) if question else None
        documents = await self._library.documents(None)
        listed = [document for document in documents if name.lower() in document.name.lower()]
        first, total = number(request, "first"), sum(document.passages for document in documents)
        facts = {"documents": listed[first : first + LISTED], "count": len(documents), "passages": total, "name": name}
        facts |= {"question": question, "found": found, "matching": len(listed), "first": first, "next": first + LISTED}
        facts["learned"] = await asyncio.to_thread(self._learned)
        return show(request, "knowledge.html", self._facts | facts)

    def _learned(self) -> list[tuple[EmbedderVersion, bool]]:
        """The newest versions of what the search learned, and whether each is in use."""
        try:
            used = current_learned(self._data_dir)
        except IndexDamaged:
            used = None
        return [(version, version.id == used) for version in self._embedders.all()[:VERSIONS]]

    async def _document(self, request: Request) -> Response:
        document, passages = await self._library.document(request.path_params["document"], None)
        first = number(request, "first")
        facts = {"document": document, "passages": passages[first : first + SHOWN], "first": first}
        return show(request, "knowledge_document.html", facts | {"next": first + SHOWN})

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename:
                raise InvalidInput("choose a file first.")
            who, content = operator(request).name, await file.read()
            added = None
            async for event in self._library.add(file.filename, content, None, f"console:{who}"):
                added = event
        if not isinstance(added, SharedDocument):
            raise ServingUnavailable("reading the document broke off; upload it again.")
        await asyncio.to_thread(self._audit.note, who, "upload", added.id, added.name)
        return RedirectResponse(f"/knowledge/{added.id}", 303)

    async def _renew(self, request: Request) -> Response:
        renewed = await self._library.renew()
        why = f"{renewed.changed} of {renewed.read} files had changed"
        await asyncio.to_thread(self._audit.note, operator(request).name, "re-index", "", why)
        return show(request, "knowledge_renewed.html", {"renewed": renewed})

    async def _before_removal(self, request: Request) -> Response:
        document, _ = await self._library.document(request.path_params["document"], None)
        return show(request, "knowledge_remove.html", {"document": document})

    async def _remove(self, request: Request) -> Response:
        document = request.path_params["document"]
        name = await self._library.take_out(document, None)
        await asyncio.to_thread(self._audit.note, operator(request).name, "remove document", document, name)
        return RedirectResponse("/knowledge", 303)
