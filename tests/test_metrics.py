"""What every process shows Prometheus, and that the Grafana dashboard asks for nothing else."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.aliases import Canary
from bench.instance import free_ports
from core import keys
from core.errors import SettingsError
from core.exporter import export, metrics_port
from core.records import Message, Turn, new_id, now_ms, to_json
from core.settings import Settings
from feedback.evidence import Evidence
from feedback.progress import report_progress
from launch.up import as_environment
from retrieval.ingest import ingest
from tests.knowledge import embedder
from tests.serving_process import serving
from tests.telegram_api import Person, telegram
from tests.telegram_bot import bot_process
from tests.waiting import until
from workers.context import open_context
from workers.gauges import Gauges

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = json.loads((ROOT / "launch" / "grafana.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
KEYWORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def names(query: str) -> set[str]:
    """The metrics that a PromQL expression reads."""
    bare = re.sub(r'"[^"]*"', "", query)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()", bare)) - KEYWORDS


def figures(address: str) -> dict[tuple[str, ...], float]:
    """Every sample of a process, by its name and the values of its labels."""
    text = httpx.get(f"{address}/metrics", timeout=60).raise_for_status().text
    families = text_string_to_metric_families(text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def exported(address: str) -> set[str]:
    """The names under which a process has, or will have, samples."""
    text = httpx.get(f"{address}/metrics", timeout=60).raise_for_status().text
    families = list(text_string_to_metric_families(text))
    return {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ("",))}


@pytest.fixture
def settings(valkey_url, store, tmp_path):
    """Free ports; Celery's schedule asks rarely."""
    serving_port, console_port = free_ports(2)
    ports = {"serving_port": serving_port, "console_port": console_port, "metrics_port": four_free_ports()}
    return Settings(data_dir=tmp_path / "data", redis_url=valkey_url, tick_s=600, **ports)


def four_free_ports() -> int:
    """The first of four ports in a row that nothing listens on."""
    while True:
        (first,) = free_ports(1)
        try:
            for port in range(first, first + 4):
                with socket.create_server(("127.0.0.1", port)):
                    pass
            return first
        except OSError:
            continue


@pytest.fixture
def context(settings):
    """The record with a vote, an answer to review, a refresh that runs and a trial."""
    found = open_context(settings)
    turn = Turn(
        id=new_id(),
        messages=(Message("user", "Where?"),),
        reply="There.",
        status="complete",
        adapter="a" * 64,
        created_at=now_ms(),
    )
    found.turns.add_closed([turn])
    found.ratings.rate(turn.id, "somebody", -1)
    found.store.set(keys.REFRESH_LOCK, "me:1")
    found.store.hset(keys.REFRESH_LAST, mapping={"at": 5000, "until": 5000})
    report_progress(found.store, "training", 1, 2)
    at = now_ms()
    found.store.hset(keys.ALIASES, "canary", to_json(Canary("b" * 64, 0.2, "a" * 64, at)))
    evidence = Evidence(1, worse={"down": (0.0, 0.0, 0.0)}, not_worse=0.5)
    assert found.outcomes.keep("b" * 64, at, evidence)
    return found


def run(settings: Settings, *words: str) -> subprocess.Popen:
    """`apprentice ...`, a process of its own."""
    settings.data_dir.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "apprentice", *words]
    env = {**os.environ, **as_environment(settings), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env, cwd=settings.data_dir)


@pytest.mark.timeout(400)
def test_each_process_shows_its_figures_and_the_dashboard_asks_for_nothing_else(settings, context, base, tmp_path):
    handbook = tmp_path / "handbook.md"
    handbook.write_text("# Prices\n\nA print on the 3D printer costs 6 cents per gram.")
    ingest(settings.data_dir, [handbook], embedder())
    processes = [run(settings, *words) for words in (("worker", "tick"), ("worker", "train"), ("console",))]
    ports = {name: metrics_port(settings, name) for name in ("bot", "tick", "train", "console")}
    of = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    try:
        with telegram() as api, bot_process(settings, api, tmp_path), serving(settings, base, streams=1) as serves:
            of["serving"] = serves
            Person(api, 7).send("/start")
            for seen in ("bot", "tick", "train"):
                until(lambda: context.store.hget(keys.WORKERS, seen), f"{seen} gives a sign of life", 120)  # noqa: B023
            httpx.get(f"http://127.0.0.1:{settings.console_port}/healthz", timeout=60).raise_for_status()
            bot = until(
                lambda: (f := figures(of["bot"])).get(("apprentice_bot_updates_total", "message")) and f, "", 60
            )
            assert bot["apprentice_bot_calls_total", "getMe", "ok"] == 1
            tick, console, serving_ = figures(of["tick"]), figures(of["console"]), figures(serves)
            offered = {name for address in of.values() for name in exported(address)}
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)
    assert tick["apprentice_review_queue_length",] == tick["apprentice_votes", "a" * 64, "down"] == 1
    assert {("apprentice_last_seen_timestamp_seconds", name) for name in ("bot", "tick", "train")} <= set(tick)
    assert tick["apprentice_serving_replicas",] == tick["apprentice_refresh_stage", "training"] == 1
    assert serving_["apprentice_index_chunks",] == 1
    assert console["http_request_duration_seconds_count", "GET", "200"] == 1
    missing = {query: names(query) - offered for query in QUERIES}
    assert not {query: left for query, left in missing.items() if left} and all(map(names, QUERIES))


def read(context) -> dict[tuple[str, ...], float]:
    """What the worker's gauges show."""
    families = Gauges(context).collect()
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_the_gauges_show_the_queue_the_refresh_and_the_trial(context):
    found = read(context)
    assert found["apprentice_store_up",] == found["apprentice_review_queue_length",] == 1
    assert 0 <= found["apprentice_review_queue_age_seconds",] < 60
    assert found["apprentice_refresh_stage", "training"] == 1
    assert found["apprentice_refresh_last_timestamp_seconds",] == 5
    assert found["apprentice_canary_e_value", "b" * 64, "not worse"] == pytest.approx(1.6487, abs=1e-4)
    assert found["apprentice_canary_e_value", "b" * 64, "worse: down"] == 1
    assert found["apprentice_canary_e_value_needed", "not worse"] == 20


def test_without_the_database_they_say_so(tmp_path):
    away = open_context(Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0"))
    assert read(away) == {("apprentice_store_up",): 0}


def test_no_port_is_opened_unasked_and_a_used_one_is_named(settings):
    silent = settings.model_copy(update={"metrics_port": None})
    export(silent, "bot")
    assert metrics_port(silent, "bot") is None
    with socket.create_server(("127.0.0.1", metrics_port(settings, "console"))):
        with pytest.raises(SettingsError, match="APPRENTICE_METRICS_PORT"):
            export(settings, "console")


def test_names_are_found_in_any_query():
    query = 'histogram_quantile(0.9, sum by (le) (rate(a_bucket{x="b_c"}[5m]))) / on (y) max(d:e) and f offset 5m > 1'
    assert names(query) == {"a_bucket", "d:e", "f"}
