"""The Celery app: two queues. `tick` asks and decides in one long-lived process; `train` runs one child per task."""

import logging
import os

from celery import Celery
from celery.signals import setup_logging, worker_ready

from core import keys
from core.log import configure_logging
from core.records import now_ms
from core.settings import Settings, load_settings
from core.store import connect

JUDGE_S = 60
settings = load_settings(os.environ)
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
    queue = sender.hostname.split("@")[0]  # type: ignore[attr-defined]
    connect(settings.store_url).hset(keys.WORKERS, queue, now_ms())


def run(given: Settings, queue: str) -> None:
    """Work on one queue (`tick` with the schedule, or `train`) until told to stop."""
    common = ["--quiet", "worker", "--queues", queue, "--hostname", f"{queue}@%h", "--loglevel", given.log_level]
    quiet = ["--without-gossip", "--without-mingle"]
    if queue == "tick":
        schedule = str(given.data_dir / "celerybeat-schedule")
        app.worker_main([*common, *quiet, "--pool", "solo", "--beat", "--schedule", schedule])
    else:
        app.worker_main([*common, *quiet, "--pool", "prefork", "--concurrency", "1"])
