"""The serving process: opens the model, the record and the index, and answers over HTTP until told to stop."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette

from adapters.base import Base, renderer_of
from adapters.registry import Registry
from core.errors import InvalidInput, SettingsError, StoreUnavailable
from core.identity import Pseudonyms
from core.records import new_id
from core.settings import Settings
from core.store import connect
from core.threads import compute_with
from feedback.observations import Observations
from feedback.people import People
from feedback.permission import Permission
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.turns import Turns
from feedback.vectors import QuestionVectors
from kinds import check_asked
from kinds.structured import Report, check_schema
from retrieval.embedder import Embedder
from retrieval.search import Retriever
from serving.answer import Answerer
from serving.api import Services, allowed_hosts, make_app
from serving.bookkeeping import Bookkeeping
from serving.engine import Engine
from serving.engines import make_engine
from serving.follow import Follower
from serving.knowledge import Knowledge
from serving.languages import Languages
from serving.metrics import Metrics
from serving.observing import Outcomes
from serving.uploads import Library
from serving.wire import Defaults

log = logging.getLogger(__name__)


def run(settings: Settings, base: Base) -> None:
    """Serve until SIGTERM or SIGINT; running answers finish first."""
    engine = make_engine(settings, base, settings.queue)
    app = build(settings, base, engine)
    uvicorn.run(
        app,
        host=settings.serving_host,
        port=settings.serving_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=20,
    )


def build(settings: Settings, base: Base, engine: Engine) -> Starlette:
    """The API over an engine, with its follower running for as long as the application does."""
    store = connect(settings.store_url)
    pseudonyms = Pseudonyms.of_installation(settings.data_dir)
    turns = Turns(store, settings.turn_retention_days)
    ratings = Ratings(store, turns)
    reviews = Reviews(store, turns, ratings, pseudonyms)
    registry = Registry(store, settings.data_dir / "adapters")
    renderer = renderer_of(base, settings.prompt_tokens)
    replica = new_id()
    follower = Follower(registry, engine, base, renderer, turns, replica, settings.adapter_slots)
    embedder = Embedder.load(settings.embedder)
    retriever, metrics = Retriever(settings, embedder), Metrics()
    metrics.chunks.set_function(lambda: len(retriever))
    knowledge = Knowledge(retriever, embedder, reviews, QuestionVectors(store), Languages(settings.languages))
    outcomes = Outcomes(Observations(store, turns), Permission(People(store), pseudonyms, settings.run_code))
    answerer = Answerer(
        engine,
        follower,
        knowledge,
        Bookkeeping(turns, replica, settings.system_prompt),
        outcomes,
        settings.reply_tokens,
        settings.temperature,
        settings.label_min_probability,
        settings.best_of,
    )
    services = Services(
        answerer=answerer,
        engine=engine,
        follower=follower,
        ratings=ratings,
        pseudonyms=pseudonyms,
        store=store,
        library=Library(
            settings.data_dir,
            settings.document_max_mb,
            embedder,
            knowledge,
            turns,
            registry,
            pseudonyms,
            asyncio.Semaphore(1),
        ),
        metrics=metrics,
        refresh_min_items=settings.refresh_min_items,
        defaults=_defaults(settings),
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        hosts=allowed_hosts(settings.serving_host),
    )
    app = make_app(services)

    @asynccontextmanager
    async def lifespan(_: Starlette):
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(initializer=compute_with))
        await engine.start()
        following = asyncio.create_task(follower.run())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.wait({following})
            try:
                await asyncio.to_thread(registry.depart, replica)
            except StoreUnavailable as error:
                log.warning("this process is missed only when its heartbeat is: %s", error)
            outcomes.close()
            await engine.close()
            store.close()

    app.router.lifespan_context = lifespan
    return app


def _defaults(settings: Settings) -> Defaults:
    """What the settings say of requests that do not. Raises: SettingsError."""
    try:
        kind = check_asked(settings.kind)
    except InvalidInput as error:
        raise SettingsError(f"APPRENTICE_KIND={settings.kind} cannot be used: {error}") from None
    if settings.report_schema is None:
        return Defaults(kind)
    try:
        schema = settings.report_schema.read_text(encoding="utf-8")
        return Defaults(kind, {Report.name: check_schema(schema)})
    except (OSError, ValueError) as error:
        raise SettingsError(f"APPRENTICE_REPORT_SCHEMA={settings.report_schema} cannot be used: {error}") from None
