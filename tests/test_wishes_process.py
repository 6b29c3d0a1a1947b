"""The workers as they run: an operator asks for a refresh, sees it begin, cancels it, and nothing of it is left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_wishes import approve

from core.settings import Settings
from feedback.audit import AuditLog
from feedback.curves import read_curve
from feedback.progress import read_progress
from feedback.wishes import ask_for_refresh, ask_to_cancel, refresh_wish
from tests.waiting import until
from workers.context import open_context
from workers.due import refresh_due

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture
def context(store, valkey_url, tmp_path, base):
    (tmp_path / "models").symlink_to(base.folder.parent)
    return open_context(Settings(data_dir=tmp_path, redis_url=valkey_url, refresh_min_items=200))


@pytest.fixture
def workers(context):
    """Both queues, a process each."""
    settings = context.settings
    ours = {
        "APPRENTICE_DATA_DIR": str(settings.data_dir),
        "APPRENTICE_REDIS_URL": settings.redis_url,
        "APPRENTICE_REFRESH_MIN_ITEMS": "200",
        "APPRENTICE_TICK_S": "1",
        "PYTHONPATH": str(ROOT),
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith("APPRENTICE_")} | ours
    running = []
    for queue in ("tick", "train"):
        command = [sys.executable, "-m", "apprentice", "worker", queue]
        with open(settings.data_dir / f"{queue}.log", "ab") as log:
            running.append(subprocess.Popen(command, env=env, cwd=settings.data_dir, stdout=log, stderr=log))
    yield
    for process in running:
        process.terminate()
    for process in running:
        process.wait(60)


def test_an_operator_asks_for_a_refresh_and_cancels_it(context, workers):
    approve(context, 120)
    assert refresh_due(context) is None, "that is too few for the schedule"
    ask_for_refresh(context.store, "ann", "it is urgent")
    until(lambda: read_progress(context.store, 60).done >= 2, "it learns", 600)
    running = read_progress(context.store, 60)
    assert refresh_wish(context.store).begun and len(read_curve(context.store, running.run)) >= 2
    ask_to_cancel(context.store, running.fence, running.run, "ben", "not now")
    until(lambda: read_progress(context.store, 60).fence is None, "it has ended", 300)
    done, asked, wished = AuditLog(context.store).page(count=3)
    assert [(e.what, e.who) for e in (done, asked, wished)] == [
        ("refresh cancelled", "worker"),
        ("refresh cancel", "ben"),
        ("refresh now", "ann"),
    ]
    assert context.registry.versions() == [] and not list(context.registry.folder.iterdir())
    assert refresh_wish(context.store) is None and read_curve(context.store, running.run) == []
