"""The console process: the operators' pages over HTTP until told to stop."""

import asyncio
from contextlib import asynccontextmanager, closing
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from adapters.registry import Registry
from console.accounts import Accounts
from console.activity import Activity
from console.approvals import Approvals
from console.bulk import BulkPages
from console.collection import Collection
from console.compare import Compare
from console.conversation import Conversations
from console.guard import Guard
from console.health import Health
from console.item import ItemPages
from console.login import Login
from console.measure import Measure
from console.members import Members
from console.pages import failure, sorry
from console.playground import Playground
from console.queue import QueuePages
from console.reception import Reception
from console.replay import Replay
from console.second import SecondPages
from console.sessions import Sessions
from console.staff import Staff
from console.today import Today
from console.versions import Versions
from console.worklist import Worklist
from core.client import ServingClient
from core.errors import ApprenticeError, SettingsError
from core.exporter import export
from core.library import LibraryClient
from core.settings import LOOPBACK, Settings
from core.store import connect
from feedback.archive import Archive
from feedback.audit import AuditLog
from feedback.embedders import Embedders
from feedback.people import People

NO_ADMIN = (
    "the console has no admin yet, and opens to nobody but this machine before it has: start it without "
    "APPRENTICE_CONSOLE_HOST, open the link that `apprentice console invite admin` prints, and then set it again."
)

REVIEW = (QueuePages, SecondPages, BulkPages, ItemPages)


def run(settings: Settings) -> None:
    """Serve the pages until SIGTERM or SIGINT.

    Raises: SettingsError where others would reach a console without an admin, or the metrics have no port.
    """
    if settings.console_host not in LOOPBACK:
        with closing(connect(settings.store_url)) as store:
            if not Accounts(store).has_admin():
                raise SettingsError(NO_ADMIN)
    export(settings, "console")
    uvicorn.run(
        build(settings),
        host=settings.console_host,
        port=settings.console_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )


def build(settings: Settings) -> Starlette:
    """The console as an ASGI application; its connections close with it."""
    archive = Archive.open(settings)
    store, registry = archive.store, Registry(archive.store, settings.data_dir / "adapters")
    accounts, audit = Accounts(store), AuditLog(store)
    public = settings.console_base if settings.console_url else None
    sessions = Sessions(store, accounts, alone=settings.console_host in LOOPBACK and public is None)
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    serving, library = ServingClient(settings.serving_base, api_key), LibraryClient(settings.serving_base, api_key)
    conversations = Conversations.open(settings)
    work, health = Worklist.over(archive, library, audit), Health(archive, registry, serving)

    @asynccontextmanager
    async def lifespan(_: Starlette):
        warming = asyncio.create_task(asyncio.to_thread(work.warm))
        async with health.watching():
            yield
        await warming
        for opened in (conversations, serving, library):
            await opened.close()
        store.close()

    return Starlette(
        routes=[
            *Login(accounts, sessions, audit).routes(),
            *Playground(conversations, settings, audit).routes(),
            *Compare(archive, registry, serving, conversations, audit).routes(),
            *Replay(archive, registry, serving).routes(),
            *(route for pages in REVIEW for route in pages(work).routes()),
            *Versions(archive, registry).routes(),
            *health.routes(),
            *Today(archive, registry, audit).routes(),
            *Members(archive, audit).routes(),
            *Collection(library, audit, Embedders(archive.store), settings).routes(),
            *Approvals(archive, library).routes(),
            *Reception(archive, audit).routes(),
            *Staff(accounts, People(store), audit, public).routes(),
            *Activity(audit).routes(),
            Route("/healthz", _healthz, methods=["GET"]),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[
            Middleware(Measure),
            Middleware(Guard, public, archive.pseudonyms, sessions, settings.document_max_mb),
        ],
        exception_handlers={ApprenticeError: failure, HTTPException: _lost},
        lifespan=lifespan,
    )


async def _lost(request: Request, error: HTTPException) -> Response:
    unknown = "there is no such page; the list above shows those that there are."
    return sorry(request, error.status_code, unknown if error.status_code in (404, 405) else error.detail)


async def _healthz(request: Request) -> Response:
    return JSONResponse({"status": "alive"})
