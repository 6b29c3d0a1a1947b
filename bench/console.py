"""How fast is the review queue? List, filters and the next item over ten thousand queued answers, on the server."""

import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from starlette.testclient import TestClient

from bench.instance import free_ports
from console.app import build
from core import keys
from core.records import Correction, Message, Passage, Rating, Turn, new_id, now_ms, to_json
from core.settings import Settings
from core.store import Store, connect
from feedback.notes import Notebook
from feedback.order import REASONS
from feedback.turns import Turns
from launch.valkey import Valkey

ITEMS = 10_000
REPEATS = 15
SPAN_MS = 10**13
DAY_MS = 86_400_000
WORDS = """library opening hours print cost parcel return broken dogs allowed reading room children play yard ticket
price bridge longest member card lost renew ferry timetable umbrella borrow printer colour scan paper table""".split()
GERMAN = "wann öffnet die Bibliothek am Samstag und was kostet ein Ausdruck für Mitglieder ohne Karte".split()
LOADED = re.compile(r'(?:href|src)="(/static/[^"]+)"')
"""What a browser loads with a page."""
PAGES = {
    "list": "/review",
    "list, last page": "/review?page=200",
    "kind": "/review?kind=correction",
    "reason": "/review?reason=not+helpful",
    "why here": "/review?why=people+disagree",
    "user": "/review?author=a17",
    "version": "/review?version=1111",
    "language": "/review?language=de",
    "tag": "/review?tag=opening",
    "day": "/review?since={day}&until={day}",
    "text": "/review?text=umbrella",
    "kind, language, text and day": "/review?kind=down&language=en&text=print&since={day}",
    "next item": "/review/next",
    "next item of a filter": "/review/next?kind=correction&text=library",
    "item": "/review/{turn}",
}


def run(say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Times (ms) of each page over HTTP in this process, by the clock and of the processor without the database's."""
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(Path(folder), free_ports(1)[0])
        server.start()
        try:
            url = f"redis://127.0.0.1:{server.port}/0"
            with connect(url) as store:
                turn = _fill(store)
            settings = Settings(data_dir=Path(folder), redis_url=url)
            with TestClient(build(settings), base_url="http://127.0.0.1", follow_redirects=False) as client:
                cold = _timed(client, PAGES["text"])
                say(f"first filter after a start: {cold:.0f} ms")
                day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 3 * 86_400))
                figures = {}
                for name, path in PAGES.items():
                    figures[name] = _figures(client, path.format(day=day, turn=turn))
                    say(f"{name}: {figures[name]['median_ms']} ms")
        finally:
            server.stop()
    return {"items": ITEMS, "cold_ms": round(cold), "pages": figures}


def show(figures: dict[str, Any], screen: Console) -> None:
    """The figures as a table."""
    table = Table("page", "median ms", "95 % ms", "slowest ms", "processor ms", "kB")
    for name, line in figures["pages"].items():
        table.add_row(name, *(str(line[key]) for key in ("median_ms", "p95_ms", "slowest_ms", "cpu_ms", "kb")))
    screen.print(table)
    screen.print(f"{figures['items']} queued; the first filter after a start takes {figures['cold_ms']} ms.")


def _figures(client: TestClient, path: str) -> dict[str, float]:
    began = time.process_time()
    times = sorted(_timed(client, path) for _ in range(REPEATS))
    cpu = 1000 * (time.process_time() - began) / REPEATS
    page = client.get(path)
    size = len(page.content) + sum(len(client.get(part).content) for part in set(LOADED.findall(page.text)))
    return {
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(0.95 * (REPEATS - 1))], 1),
        "slowest_ms": round(times[-1], 1),
        "cpu_ms": round(cpu, 1),
        "kb": round(size / 1000, 1),
    }


def _timed(client: TestClient, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    took = 1000 * (time.perf_counter() - began)
    if answer.is_error:
        answer.raise_for_status()
    return took


def _fill(store: Store) -> str:
    """Queue answers as people's feedback would; the last one's id."""
    lot, turns = random.Random(0), Turns(store, retention_days=90)
    passages = tuple(Passage(f"p{n}", "rules.md", "Rules", " ".join(lot.choices(WORDS, k=80))) for n in range(4))
    made = []
    for n in range(ITEMS):
        words = GERMAN if n % 7 == 0 else WORDS
        author, asked = f"a{n % 300:03}", " ".join(lot.choices(words, k=9))
        made.append(
            Turn(
                new_id(),
                (Message("user", f"{asked}?", author),),
                chat=author,
                author=author,
                passages=passages,
                reply=" ".join(lot.choices(words, k=60)),
                adapter=str(n % 4) * 64,
                status="complete",
                created_at=now_ms() - lot.randrange(30 * DAY_MS),
            )
        )
    for at in range(0, ITEMS, 500):
        turns.add_closed(made[at : at + 500])
        with store.pipeline(transaction=False) as pipe:
            for n, turn in enumerate(made[at : at + 500], at):
                _react(pipe, turn, n, lot)
            pipe.execute()
    notebook = Notebook(store, turns)
    for turn in made[::100]:
        notebook.tag(turn.id, "opening")
    return made[-1].id


def _react(pipe: Store, turn: Turn, n: int, lot: random.Random) -> None:
    rank = n % len(REASONS)
    reason = lot.choice(["wrong", "not helpful", "too long"]) if rank == 0 else None
    pipe.hset(keys.votes(turn.id), "one", to_json(Rating(turn.id, "one", -1, reason, turn.created_at)))
    if n % 8 == 0:
        text = " ".join(lot.choices(WORDS, k=20))
        pipe.hset(keys.corrections(turn.id), "two", to_json(Correction(turn.id, "two", text, turn.created_at)))
    pipe.zadd(keys.QUEUE, {turn.id: turn.created_at - (len(REASONS) - 1 - rank) * SPAN_MS})
