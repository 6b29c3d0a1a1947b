"""The Celery app: two queues. `tick` asks and decides in one long-lived process; `train` runs one child per task."""

import logging
import os
from typing import Literal

from celery import Celery
from celery.signals import heartbeat_sent, setup_logging, worker_ready
from prometheus_client import REGISTRY

from core import keys
from core.exporter import export
from core.log import configure_logging
from core.records import now_ms
from core.settings import Settings, load_settings
from core.store import connect
from workers.context import open_context
from workers.gauges import Gauges

JUDGE_S = 60
settings = load_settings(os.environ)
_store = connect(settings.store_url)
app = Celery("apprentice", broker=settings.store_url, include=["workers.tasks"])
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_default_queue="tick",
    task_routes={"workers.tasks.refresh": {"queue": "train"}},
    worker_pool_start_method="spawn",
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"global_keyprefix": keys.PREFIX + "celery:", "visibility_timeout": 86_400},
    beat_schedule={
        name: {"task": f"workers.tasks.{name}", "schedule": every_s, "options": {"expires": 2 * every_s}}
        for name, every_s in (("tick", settings.tick_s), ("judge", JUDGE_S))
    },
)


@setup_logging.connect
def _log(**_: object) -> None:
    configure_logging(settings)
    if settings.log_level == "INFO":
        for every_tick in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(every_tick).setLevel(logging.WARNING)


@worker_ready.connect
def _ready(sender: object, **_: object) -> None:
    _sign(sender.hostname)  # type: ignore[attr-defined]


@heartbeat_sent.connect
def _alive(sender: object, **_: object) -> None:
    """The worker that trains lives; the other one says so with each tick, which shows that the schedule goes on."""
    hostname = sender.eventer.hostname  # type: ignore[attr-defined]
    if hostname.startswith("train@"):
        _sign(hostname)


def _sign(hostname: str) -> None:
    _store.hset(keys.WORKERS, hostname.split("@")[0], now_ms())


def run(given: Settings, queue: Literal["train", "tick"]) -> None:
    """Work on one queue (`tick` with the schedule, or `train`) until told to stop.

    Raises: SettingsError where metrics cannot be shown on their port.
    """
    export(given, queue)
    if queue == "tick":
        REGISTRY.register(Gauges(open_context(given)))
    common = ["--quiet", "worker", "--queues", queue, "--hostname", f"{queue}@%h", "--loglevel", given.log_level]
    quiet = ["--without-gossip", "--without-mingle"]
    if queue == "tick":
        schedule = str(given.data_dir / "celerybeat-schedule")
        app.worker_main([*common, *quiet, "--pool", "solo", "--beat", "--schedule", schedule])
    else:
        app.worker_main([*common, *quiet, "--pool", "prefork", "--concurrency", "1"])
