"""The whole loop in about five minutes: a question, a citation, a correction, a refresh, a swap under open streams."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.instance import Instance, instance
from workers.context import open_context

HERE = Path(__file__).parent
HANDBOOK, SEED = HERE / "handbook.md", HERE / "seed.jsonl"
DOCUMENT_QUESTION = "How much does a print on the 3D printer cost per gram?"
WRONG_QUESTION = "Can I bring my dog into the reading room?"
CORRECTION = "Dogs may come into the reading room on Thursdays, on a lead."
SAME_QUESTION = "Is it allowed to bring a dog to the reading room?"
UNSEEN = (
    "Do you have a place where I can charge my laptop?",
    "How do I get a library card for my grandmother?",
    "May I eat lunch inside?",
    "What happens if I lose a DVD?",
)
CHAT = "demo"
REFRESH_S = 1200


@dataclass
class Stream:
    """One long answer, read in a thread of its own."""

    running: Instance
    number: int
    text: str = ""
    versions: set[str] = field(default_factory=set)
    complete: bool = False

    def read(self) -> None:
        """Read until the end."""
        body = {
            "messages": [{"role": "user", "content": f"Tell me a long story about {self.number} ships."}],
            "stream": True,
            "max_tokens": 400,
            "ignore_eos": True,
            "apprentice": {"retrieval": False, "record": False},
        }
        with self.running.http.stream("POST", f"{self.running.api}/v1/chat/completions", json=body) as answer:
            for line in answer.iter_lines():
                if line == "data: [DONE]":
                    self.complete = True
                elif line.startswith("data: "):
                    chunk = json.loads(line.removeprefix("data: "))
                    self.versions.add(chunk["model"])
                    self.text += chunk["choices"][0]["delta"].get("content", "")


def run(folder: Path, console: Console) -> dict[str, Any]:
    """Play the loop in an installation of its own under `folder`, telling each step. Returns what was seen."""
    with instance(folder, APPRENTICE_REFRESH_MIN_ITEMS="55", APPRENTICE_TICK_S="2") as running:
        return play(running, console.print)


def play(running: Instance, say: Callable[[Any], None]) -> dict[str, Any]:
    """The loop on a running installation that was set to refresh after 55 approved items."""
    say("[bold]1.[/] A handbook is ingested, and the assistant is asked what only the handbook knows.")
    running.command("ingest", str(HANDBOOK))
    grounded = running.wait("the index is picked up", lambda: _cited(running), 30)
    _tell(say, DOCUMENT_QUESTION, grounded)

    say("[bold]2.[/] It is asked what it cannot know; the answer is corrected, and an operator approves.")
    wrong = running.ask(WRONG_QUESTION, apprentice={"chat": CHAT, "author": CHAT})
    _tell(say, WRONG_QUESTION, wrong)
    corrected = _correct_and_approve(running, wrong["apprentice"]["turn_id"])
    _tell(say, SAME_QUESTION, corrected)

    say("[bold]3.[/] Sixty approved answers are imported; the schedule finds that a refresh is due.")
    before = {q: _plain(running, q) for q in UNSEEN}
    began = time.monotonic()
    running.command("feedback", "import", str(SEED))
    streams = _while_it_learns(running)
    live = running.live()
    took = time.monotonic() - began
    after = {q: _plain(running, q) for q in UNSEEN}
    say(f"   After {took:.0f} s version {live[:12]} is live. The gate: {_summary(running)}")
    whole = sum(s.complete and len(s.versions) == 1 for s in streams)
    say(f"   {whole} of {len(streams)} answers that streamed during the swap came whole, each from one version.")
    say(_table(before, after))
    return {
        "grounded": grounded,
        "wrong": wrong,
        "corrected": corrected,
        "before": before,
        "after": after,
        "live": live,
        "streams": streams,
        "seconds": took,
    }


def _cited(running: Instance) -> dict[str, Any] | None:
    answer = running.ask(DOCUMENT_QUESTION, apprentice={"chat": CHAT, "author": CHAT})
    return answer if answer["apprentice"]["citations"] else None


def _correct_and_approve(running: Instance, turn_id: str) -> dict[str, Any]:
    body = {"turn_id": turn_id, "author": CHAT, "rating": -1, "correction": CORRECTION}
    running.http.post(f"{running.api}/v1/feedback", json=body).raise_for_status()
    context = open_context(running.settings)
    context.reviews.decide(turn_id, "edit", "demo", scope="everyone", text=CORRECTION)
    return running.ask(SAME_QUESTION, apprentice={"chat": "somebody else", "author": "somebody else"})


def _while_it_learns(running: Instance) -> list[Stream]:
    """Keep answers streaming until the refresh has gone live, so that some are open when it does."""
    streams: list[Stream] = []
    threads: list[threading.Thread] = []

    def swapped() -> bool:
        open_now = [t for t in threads if t.is_alive()]
        if _going_live(running) and len(open_now) < 2:
            stream = Stream(running, len(streams) + 2)
            streams.append(stream)
            threads.append(threading.Thread(target=stream.read))
            threads[-1].start()
        return running.live() != "base"

    running.wait("the refresh goes live", swapped, REFRESH_S)
    for thread in threads:
        thread.join()
    return streams


def _going_live(running: Instance) -> bool:
    context = open_context(running.settings)
    progress = context.store.hget("apprentice:refresh:progress", "stage")
    return progress in ("judging", "going live")


def _summary(running: Instance) -> str:
    version = open_context(running.settings).registry.versions()[0]
    return version.report.summary if version.report else "not judged"


def _plain(running: Instance, question: str) -> str:
    extra = {"retrieval": False, "record": False}
    return running.ask(question, max_tokens=80, apprentice=extra)["choices"][0]["message"]["content"]


def _tell(say: Callable[[Any], None], question: str, answer: dict[str, Any]) -> None:
    say(f"   [cyan]{question}[/]\n   {answer['choices'][0]['message']['content']}")
    for citation in answer["apprentice"]["citations"]:
        say(f"   [dim]\\[{citation['number']}] {citation['source']} › {citation['title']}[/]")


def _table(before: dict[str, str], after: dict[str, str]) -> Table:
    table = Table("question (in no training row)", "before", "after", show_lines=True)
    for question in before:
        table.add_row(question, before[question], after[question])
    return table
