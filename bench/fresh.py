"""How fresh are answers? From approvals to a version that learned them, and from one approval to the next question."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.domains import Row, batches
from bench.instance import Instance, instance
from bench.learn import accuracy, routed
from bench.machine import describe_machine
from bench.people import react
from bench.search import PARAPHRASES
from core import keys
from core.records import ApprovedAnswer
from feedback.progress import read_progress
from retrieval.embedder import Embedder
from retrieval.memory import Memory
from workers.context import Context, open_context

CORRECTIONS, ASKED = 200, 45
QUESTIONS = 20
OPERATOR = "operator"
REFRESH_S = 3600
Say = Callable[[str], None]


def run(data: Path, say: Say = lambda line: None) -> dict[str, Any]:
    """Seconds from approvals to answers, of a large batch by its weights and of single ones by memory.

    Raises: InvalidInput where the data is missing.
    """
    ((learn, ask),) = batches(data, 1, 1, CORRECTIONS, ASKED, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        single = measure_single(Path(folder) / "single", say)
        batch = measure_batch(Path(folder) / "batch", learn, ask, say)
    return {"machine": describe_machine(), "single": single, "batch": batch}


def measure_single(folder: Path, say: Say = lambda line: None) -> dict[str, Any]:
    """Corrections one at a time: from the operator's decision to the end of the answer to a similar question.

    Another person asks in other words. `word_for_word` counts the answers that were what was approved.
    """
    took, exact = [], 0
    with instance(folder, APPRENTICE_REFRESH_MIN_ITEMS="100000") as running:
        reviews = open_context(running.settings).reviews
        for question, answer, similar in known_again()[:QUESTIONS]:
            turn = running.ask(question, apprentice={"chat": "ann", "author": "ann"})["apprentice"]["turn_id"]
            running.feedback(turn, "ann", rating=-1, correction=answer)
            began = time.monotonic()
            reviews.decide(turn, "edit", OPERATOR, "everyone", answer)
            told = running.ask(similar, apprentice={"chat": "bob", "author": "bob"})
            took.append(time.monotonic() - began)
            exact += told["apprentice"]["origin"] == "approved" and told["apprentice"]["text"].strip() == answer
    found = {"corrections": len(took), "word_for_word": exact} | spread(took)
    say(f"one approved correction: {json.dumps(found)}")
    return found


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """The median and the longest of some times (s)."""
    return {"p50_s": round(statistics.median(seconds), 3), "worst_s": round(max(seconds), 3)}


def known_again() -> list[tuple[str, str, str]]:
    """Questions with approved answers, and another way to ask each that memory knows to be the same.

    How many it knows is measured by `bench.search`, how soon here.
    """
    halves = json.loads(PARAPHRASES.read_text(encoding="utf-8"))
    memory = Memory(Embedder.load(None))
    found = []
    for number, item in enumerate([*halves["tuning"], *halves["held_out"]]):
        answer = ApprovedAnswer(str(number), item["question"], item["answer"], "everyone", None, "", number, False)
        memory.add([answer])
        matches = {similar: memory.match(similar, None, "") for similar in item["paraphrases"]}
        again = [s for s, match in matches.items() if match and match.exact and match.entry == answer]
        if again:
            found.append((item["question"], item["answer"], again[0]))
    return found


def measure_batch(folder: Path, learn: Sequence[Row], ask: Sequence[Row], say: Say = lambda line: None) -> dict:
    """A queue of corrections, approved one by one without a pause; the schedule then starts the refresh.

    Seconds of each part, their total from the first approval until the version answers, and the accuracy on unseen
    messages before and after. A refresh without a version that went live has no total.
    """
    with instance(folder, APPRENTICE_REFRESH_MIN_ITEMS=str(len(learn))) as running:
        context = open_context(running.settings)
        before = accuracy(running, ask)
        react(running, [routed(text) for text, _ in learn], lambda n, _: {"correction": learn[n][1]}, max_tokens=24)
        say(f"{context.reviews.waiting()} corrections wait")
        began = time.monotonic()
        for item in context.reviews.queue(len(learn)):
            context.reviews.decide(item.turn.id, "edit", OPERATOR, "everyone", item.suggestion)
        moments = {"approving": began, **_until_live(running, context, say)}
        ended = context.store.hgetall(keys.REFRESH_LAST)
        found = {
            "corrections": len(learn),
            "outcome": ended.get("outcome", "promote"),
            "seconds": parts(moments),
            "total_s": round(moments["live"] - began, 1) if "live" in moments else None,
            "accuracy_before": before,
            "accuracy_after": accuracy(running, ask),
        }
    say(f"{len(learn)} approved corrections: {json.dumps(found)}")
    return found


def parts(moments: dict[str, float]) -> dict[str, float]:
    """Seconds from each moment to the next one."""
    names, at = list(moments), list(moments.values())
    return {name: round(end - start, 1) for name, start, end in zip(names, at, at[1:], strict=False)}


def _until_live(running: Instance, context: Context, say: Say) -> dict[str, float]:
    """When each stage began (monotonic s), the last of them `live`, or `refused`."""
    moments = {"due": time.monotonic()}

    def over() -> bool:
        stage = read_progress(context.store, CORRECTIONS).stage
        if stage and stage not in moments:
            moments[stage] = time.monotonic()
            say(f"{stage} ...")
        if running.live() != "base":
            moments["live"] = time.monotonic()
        elif context.store.hget(keys.REFRESH_LAST, "outcome") not in (None, "promote"):
            moments["refused"] = time.monotonic()
        return "live" in moments or "refused" in moments

    running.wait("the refresh ends", over, REFRESH_S)
    return moments
