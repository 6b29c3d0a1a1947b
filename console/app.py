"""The console process: the operators' pages over HTTP until told to stop."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from console.bulk import BulkPages
from console.conversation import Conversations
from console.guard import Guard
from console.item import ItemPages
from console.pages import failure
from console.playground import Playground
from console.queue import QueuePages
from console.second import SecondPages
from console.staff import Staff
from console.versions import Versions
from console.worklist import Worklist
from core.errors import ApprenticeError
from core.identity import Pseudonyms
from core.settings import LOOPBACK, Settings

REVIEW = (QueuePages, SecondPages, BulkPages, ItemPages)


def run(settings: Settings) -> None:
    """Serve the pages until SIGTERM or SIGINT."""
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
    conversations = Conversations.open(settings)
    versions, staff, work = Versions.open(settings), Staff.open(settings), Worklist.open(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette):
        warming = asyncio.create_task(asyncio.to_thread(work.warm))
        yield
        await warming
        await conversations.close()
        await work.close()
        versions.close()
        staff.close()

    return Starlette(
        routes=[
            *Playground(conversations, settings.turn_retention_days).routes(),
            *(route for pages in REVIEW for route in pages(work).routes()),
            *versions.routes(),
            *staff.routes(),
            Route("/healthz", _healthz, methods=["GET"]),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(Guard, LOOPBACK, Pseudonyms.of_installation(settings.data_dir))],
        exception_handlers={ApprenticeError: failure},
        lifespan=lifespan,
    )


async def _healthz(request: Request) -> Response:
    return JSONResponse({"status": "alive"})
