"""What is killed comes back by itself: nothing acknowledged is lost, nothing half-written is seen or done twice."""

import json
import threading

import httpx
import psutil
import pytest

from bench.demo import SEED
from bench.instance import instance
from core.identity import Pseudonyms
from feedback.progress import read_progress
from tests.waiting import until
from workers.context import open_context

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
QUICK = {"APPRENTICE_TICK_S": "1", "APPRENTICE_LOCK_S": "5", "APPRENTICE_EPOCHS": "1"}


@pytest.fixture(scope="module")
def running(tmp_path_factory, base):
    folder = tmp_path_factory.mktemp("kills")
    (folder / "models").symlink_to(base.folder.parent)
    with instance(folder, **QUICK) as found:
        yield found


@pytest.fixture
def context(running):
    return open_context(running.settings)


def processes(running, *words: str) -> list[psutil.Process]:
    """Processes of this installation whose command line holds these words."""
    found = psutil.Process(running.process.pid).children(recursive=True)
    return [p for p in found if set(words) <= set(p.cmdline())]


def kill(running, *words: str) -> None:
    (process,) = processes(running, *words)
    process.kill()
    process.wait(10)


def ready(running) -> bool:
    try:
        return running.http.get(f"{running.api}/readyz").is_success
    except httpx.TransportError:
        return False


def test_valkey_killed_after_an_acknowledged_thumb(running, context):
    turn_id = running.ask("What is the capital of France?", apprentice={"chat": "c", "author": "ann"})["apprentice"]
    body = {"turn_id": turn_id["turn_id"], "author": "ann", "rating": -1, "correction": "Paris."}
    assert running.http.post(f"{running.api}/v1/feedback", json=body).json()["stored"]
    server = psutil.Process(context.store.info("server")["process_id"])
    server.kill()
    until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, "it is dead")
    until(lambda: _again(lambda: context.store.ping()), "valkey comes back", 30)
    (vote,) = context.ratings.votes(turn_id["turn_id"])
    author = Pseudonyms.of_installation(running.settings.data_dir).author("ann")
    assert (vote.author, vote.value) == (author, -1)
    assert [c.text for c in context.ratings.corrections(turn_id["turn_id"])] == ["Paris."]
    until(lambda: ready(running), "serving is ready", 30)
    assert running.ask("What is the capital of France?")["apprentice"]["turn_id"]


def test_serving_killed_in_the_middle_of_an_answer(running, context):
    begun, turn_ids = threading.Event(), []

    def read() -> None:
        body = {
            "messages": [{"role": "user", "content": "Tell me a long story."}],
            "stream": True,
            "max_tokens": 900,
            "ignore_eos": True,
        }
        try:
            with running.http.stream("POST", f"{running.api}/v1/chat/completions", json=body) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: ") and not turn_ids:
                        turn_ids.append(json.loads(line.removeprefix("data: "))["apprentice"]["turn_id"])
                    elif line.startswith("data: "):
                        begun.set()
        except httpx.TransportError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(60)
    kill(running, "serve")
    reader.join()
    until(lambda: ready(running), "serving comes back", 60)
    until(lambda: context.turns.get(turn_ids[0]).status == "failed", "the turn is closed as failed", 30)
    assert "Paris" in running.ask("What is the capital of France?")["choices"][0]["message"]["content"]


def test_a_worker_killed_in_mid_training_and_the_refresh_is_done_once(running, context):
    running.command("feedback", "import", str(SEED))

    def attempts() -> list[str]:
        runs = context.store.scan_iter("apprentice:run:*", _type="hash")
        return [context.store.hget(run, "attempts") for run in runs]

    def learning(attempt: int) -> bool:
        progress = read_progress(context.store, 60)
        return attempts() == [str(attempt)] and progress.stage == "learning" and progress.done >= 3

    until(lambda: learning(1), "it learns", 300)
    kill(running, "worker", "train")
    until(lambda: "worker train ended (killed by SIGKILL)" in running.log.read_text(), "it is noticed")
    assert context.registry.versions() == []
    until(lambda: learning(2), "the next tick takes it up", 300)
    (worker,) = processes(running, "worker", "train")
    max(worker.children(recursive=True), key=lambda p: p.memory_info().rss).kill()
    last = until(lambda: context.store.hgetall("apprentice:refresh:last"), "it is finished", 600)
    assert attempts() == ["3"]
    (version,) = context.registry.versions()
    assert version.report.outcome == last["outcome"] and version.id == last["version"]
    assert version.manifest.snapshot == last["snapshot"]
    folders = [p.name for p in context.registry.folder.iterdir() if not p.name.startswith(".")]
    assert folders == [version.id], "no half-written version was ever renamed into place"


def _again(call) -> bool:
    try:
        return bool(call())
    except Exception:
        return False
