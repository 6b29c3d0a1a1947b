"""The console process: the operators' pages over HTTP until told to stop."""

from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from console.conversation import Conversations
from console.guard import Guard
from console.pages import failure
from console.playground import Playground
from console.staff import Staff
from console.versions import Versions
from core.errors import ApprenticeError
from core.identity import Pseudonyms
from core.settings import LOOPBACK, Settings


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
    versions, staff = Versions.open(settings), Staff.open(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette):
        yield
        await conversations.close()
        versions.close()
        staff.close()

    return Starlette(
        routes=[
            *Playground(conversations, settings.turn_retention_days).routes(),
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
