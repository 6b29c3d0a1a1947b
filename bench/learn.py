"""Does the loop learn? Bank-support routing: corrections in, one refresh, accuracy before and after, over HTTP."""

import csv
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.instance import Instance, instance
from core.errors import InvalidInput

SYSTEM = "You route messages to a bank's support desk. Answer with the routing label only."
INTENTS, TRAIN, TEST = 15, 300, 150
Row = tuple[str, str]


def run(data: Path, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Import 300 corrections over 15 intents, refresh once, and ask 150 unseen messages before and after.

    `data` is a folder with `banking77/`. Returns accuracies in [0, 1] and seconds.

    Raises: InvalidInput where the data is missing.
    """
    train, test = routing_rows(data)
    with (
        tempfile.TemporaryDirectory() as folder,
        instance(Path(folder), APPRENTICE_REFRESH_MIN_ITEMS="100000") as running,
    ):
        before = accuracy(running, test)
        say(f"before: {before:.0%} of {len(test)} messages get their label")
        rows = Path(folder) / "corrections.jsonl"
        rows.write_text("".join(json.dumps(correction(text, label)) + "\n" for text, label in train))
        began = time.monotonic()
        running.command("feedback", "import", str(rows))
        imported = time.monotonic()
        report = running.command("refresh", "--now")
        say(report)
        live = running.wait("the new version is live", lambda: running.live() != "base" and running.live(), 30)
        refreshed = time.monotonic()
        after = accuracy(running, test, live)
        say(f"after: {after:.0%}")
    return {
        "intents": INTENTS,
        "corrections": len(train),
        "asked": len(test),
        "accuracy_before": before,
        "accuracy_after": after,
        "import_s": round(imported - began, 1),
        "refresh_s": round(refreshed - imported, 1),
        "version": live,
    }


def routing_rows(data: Path, learn: int = TRAIN, ask: int = TEST) -> tuple[list[Row], list[Row]]:
    """Messages of INTENTS of Banking77's intents with their labels, to learn from and unseen ones, of each as many.

    Raises: InvalidInput where the data is missing.
    """
    found = []
    for name in ("train", "test"):
        path = data / "banking77" / f"{name}.csv"
        if not path.is_file():
            raise InvalidInput(f"{path} is missing; `--data` names the folder with banking77/ in it.")
        with path.open(encoding="utf-8", newline="") as file:
            found.append([(row["text"].strip(), row["category"]) for row in csv.DictReader(file)])
    order = random.Random(77)
    intents = sorted(order.sample(sorted({label for _, label in found[0]}), INTENTS))
    return _balanced(found[0], intents, learn, order), _balanced(found[1], intents, ask, order)


def _balanced(rows: Sequence[Row], intents: Sequence[str], count: int, order: random.Random) -> list[Row]:
    each = count // len(intents)
    chosen = [row for intent in intents for row in order.sample([r for r in rows if r[1] == intent], each)]
    return order.sample(chosen, len(chosen))


def routed(text: str) -> list[dict[str, str]]:
    """A message under the system line that asks for its label."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def correction(text: str, label: str) -> dict[str, Any]:
    """A message and its label as a row of corrections to import."""
    return {"messages": routed(text), "chosen": label, "rejected": "I am not sure where this belongs."}


def accuracy(running: Instance, rows: Sequence[Row], expected: str | None = None, retrieval: bool = False) -> float:
    """The share of rows that get exactly their label; with retrieval off, so that it is the weights that answer."""
    said = answers(running, [routed(text) for text, _ in rows], 24, expected, retrieval)
    return sum(text == label for text, (_, label) in zip(said, rows, strict=True)) / len(rows)


def answers(
    running: Instance,
    asked: Sequence[list[dict[str, str]]],
    max_tokens: int,
    expected: str | None = None,
    retrieval: bool = False,
    kind: str = "chat",
) -> list[str]:
    """What each list of messages gets as an answer, without a trace in the record; of one version, if one is named."""

    def ask(messages: list[dict[str, str]]) -> str:
        extra = {"retrieval": retrieval, "record": False, "kind": kind}
        answer = running.ask("", messages=messages, max_tokens=max_tokens, apprentice=extra)
        assert expected in (None, answer["model"]), f"{answer['model']} answered instead of {expected}"
        return answer["choices"][0]["message"]["content"].strip()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, asked))
