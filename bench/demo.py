"""The whole loop in about five minutes: a question, a citation, a correction, a refresh, a swap under open streams."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.instance import Instance, InstanceFailed, instance
from feedback.progress import read_progress
from workers.context import Context, open_context

HERE = Path(__file__).parent
HANDBOOK, SEED = HERE / "handbook.md", HERE / "seed.jsonl"
DOCUMENT_QUESTION = "How much does a print on the 3D printer cost per gram?"
WRONG_QUESTION = "Can I bring my dog into the reading room?"
CORRECTION = "Dogs may come into the reading room on Thursdays, on a lead."
SAME_QUESTION = "Can my dog come into the reading room?"
UNSEEN = (
    "Do you have a place where I can charge my laptop?",
    "How do I get a library card for my grandmother?",
    "May I eat lunch inside?",
    "What happens if I lose a DVD?",
)
CHAT = "demo"
REFRESH_S = 1200
MAX_WORDS = 30
"""Answers are shown up to here in the table."""


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

    def say(told: Any) -> None:
        console.print(told, highlight=False, soft_wrap=isinstance(told, str))

    say("[dim]An installation of its own starts, on free ports, with the bundled model.[/]")
    with instance(folder, APPRENTICE_REFRESH_MIN_ITEMS="55", APPRENTICE_TICK_S="2") as running:
        return play(running, say)


def play(running: Instance, say: Callable[[Any], None]) -> dict[str, Any]:
    """The loop on a running installation that was set to refresh after 55 approved items."""
    say("\n[bold]1. A handbook is ingested, and the assistant is asked what only the handbook knows.[/]")
    running.command("ingest", str(HANDBOOK))
    grounded = running.wait("the index is picked up", lambda: _cited(running), 30)
    _tell(say, DOCUMENT_QUESTION, grounded)

    say("\n[bold]2. It is asked what it cannot know. The answer is corrected, and an operator approves.[/]")
    wrong = running.ask(WRONG_QUESTION, apprentice={"chat": CHAT, "author": CHAT})
    _tell(say, WRONG_QUESTION, wrong)
    say(f"   [green]✏️ {CORRECTION}[/]\n   Another person asks in other words, at once:")
    corrected = _correct_and_approve(running, wrong["apprentice"]["turn_id"])
    _tell(say, SAME_QUESTION, corrected)

    say("\n[bold]3. Sixty approved answers are imported; the schedule finds that a refresh is due.[/]")
    before = {q: _plain(running, q) for q in UNSEEN}
    began = time.monotonic()
    running.command("feedback", "import", str(SEED))
    streams = streams_during_the_swap(running, say)
    live = running.live()
    took = time.monotonic() - began
    after = {q: _plain(running, q) for q in UNSEEN}
    say(f"   After {took:.0f} s version {live[:12]} is live. The gate: {_summary(running)}")
    whole = sum(s.complete and len(s.versions) == 1 for s in streams)
    say(f"   {whole} of {len(streams)} answers that streamed during the swap came whole, each from one version.")

    say("\n[bold]4. The weights alone, without documents or approved answers, before and after.[/]")
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
    running.feedback(turn_id, CHAT, rating=-1, correction=CORRECTION)
    context = open_context(running.settings)
    context.reviews.decide(turn_id, "edit", "demo", scope="everyone", text=CORRECTION)
    return running.ask(SAME_QUESTION, apprentice={"chat": "somebody else", "author": "somebody else"})


def streams_during_the_swap(running: Instance, say: Callable[[Any], None] = lambda told: None) -> list[Stream]:
    """Keep answers streaming until the refresh has gone live, so that some are open when it does.

    Raises: InstanceFailed with the gate's report where the refresh ends without going live.
    """
    context = open_context(running.settings)
    streams: list[Stream] = []
    threads: list[threading.Thread] = []
    told: list[str] = []

    def swapped() -> bool:
        stage = read_progress(context.store, running.settings.refresh_min_items).stage
        if stage and stage not in told:
            told.append(stage)
            say(f"   [dim]{stage} ...[/]")
        if stage in ("judging", "going live") and sum(t.is_alive() for t in threads) < 2:
            streams.append(Stream(running, len(streams) + 2))
            threads.append(threading.Thread(target=streams[-1].read))
            threads[-1].start()
        return running.live() != "base" or _refused(context)

    running.wait("the refresh goes live", swapped, REFRESH_S)
    for thread in threads:
        thread.join()
    if running.live() == "base":
        raise InstanceFailed(f"The refresh ended without a version that went live: {_summary(running)}")
    return streams


def _refused(context: Context) -> bool:
    """Whether a refresh has ended, and its version was not let through."""
    versions = context.registry.versions()
    return bool(versions and versions[0].report and versions[0].report.outcome != "promote")


def _summary(running: Instance) -> str:
    version = open_context(running.settings).registry.versions()[0]
    return version.report.summary if version.report else "not judged"


def _plain(running: Instance, question: str) -> str:
    extra = {"retrieval": False, "record": False}
    return running.ask(question, max_tokens=80, apprentice=extra)["choices"][0]["message"]["content"]


def _tell(say: Callable[[Any], None], question: str, answer: dict[str, Any]) -> None:
    reply = escape(answer["choices"][0]["message"]["content"]).replace("\n", "\n   ")
    say(f"   [cyan]{question}[/]\n   {reply}")
    if answer["apprentice"]["origin"] == "approved":
        say("   [dim]✓ checked by a person, said word for word[/]")
    for citation in answer["apprentice"]["citations"]:
        say(f"   [dim]\\[{citation['number']}] {citation['source']} › {citation['title']}[/]")


def _table(before: dict[str, str], after: dict[str, str]) -> Table:
    table = Table("asked (in no imported row)", "before", "after", show_lines=True)
    for question in before:
        table.add_row(question, escape(_shortened(before[question])), escape(_shortened(after[question])))
    return table


def _shortened(text: str) -> str:
    words = text.split()
    return " ".join(words) if len(words) <= MAX_WORDS else " ".join(words[:MAX_WORDS]) + " …"
