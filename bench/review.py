"""What the review order buys: of all intents that are answered wrong, how many does a budget of reviews see?"""

import json
import math
import random
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.instance import free_ports
from core.errors import InvalidInput
from core.identity import Pseudonyms
from core.records import Message, Turn, new_id, now_ms
from core.store import Store, connect
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.turns import Turns
from launch.valkey import Valkey

ASKED = 600
"""Questions in a run; how often an intent is asked falls with its rank (Zipf's law with exponent 1)."""
FAILING = 0.3
"""Share of the 150 intents that the assistant answers wrong, every time."""
BUDGETS = (25, 50, 100, 200)
SEEDS = 5
T_95 = 2.776
"""Student's t for a 95 % interval over five runs."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How people react, as probabilities: to a wrong answer, to a right one, and how often a second one votes."""

    wrong: dict[str, float]
    right: dict[str, float]
    second: float


PEOPLE = {
    "as people do": Habits(
        wrong={"correction": 0.10, "reason": 0.10, "down": 0.45, "up": 0.15, "nothing": 0.20},
        right={"correction": 0.01, "reason": 0.01, "down": 0.04, "up": 0.44, "nothing": 0.50},
        second=0.1,
    ),
    "thumbs alone": Habits(
        wrong={"down": 0.65, "up": 0.15, "nothing": 0.20}, right={"down": 0.06, "up": 0.44, "nothing": 0.50}, second=0.0
    ),
}


def run(data: Path, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Simulate feedback on clinc150's questions through the real record, and read its queue. No model, no training.

    `data` is a folder with `clinc150/`. Returns, for each way that people react, the shares of failing intents in the
    queue that the first N reviews see: in our order, oldest first, and at random (the expected value), as means over
    runs; and ours less random with a 95 % interval.

    Raises: InvalidInput where the data is missing.
    """
    rows = _rows(data)
    figures: dict[str, Any] = {"asked": ASKED, "failing": FAILING, "runs": SEEDS, "people": {}}
    with tempfile.TemporaryDirectory() as folder, _store(Path(folder)) as store:
        pseudonyms = Pseudonyms.of_installation(Path(folder))
        for name, habits in PEOPLE.items():
            runs = []
            for seed in range(SEEDS):
                store.flushall()
                runs.append(_covered(store, pseudonyms, rows, habits, random.Random(seed)))
            figures["people"][name] = {"habits": [habits.wrong, habits.right, habits.second]} | _summary(runs)
            for budget, line in figures["people"][name]["covered"].items():
                told = ", ".join(f"{order} {share:.0%}" for order, share in line.items() if isinstance(share, float))
                say(f"{name}, {budget} reviews: {told}")
    return figures


@contextmanager
def _store(folder: Path) -> Iterator[Store]:
    server = Valkey(folder, free_ports(1)[0])
    server.start()
    try:
        with connect(f"redis://127.0.0.1:{server.port}/0") as store:
            store.config_set("appendonly", "no")  # nothing here has to survive
            yield store
    finally:
        server.stop()


def _rows(data: Path) -> dict[str, list[str]]:
    path = data / "clinc150" / "data_small.json"
    if not path.is_file():
        raise InvalidInput(f"{path} is missing; `--data` names the folder with clinc150/ in it.")
    by_intent: defaultdict[str, list[str]] = defaultdict(list)
    for text, intent in json.loads(path.read_text(encoding="utf-8"))["train"]:
        by_intent[intent].append(text)
    return dict(by_intent)


def _covered(
    store: Store, pseudonyms: Pseudonyms, rows: dict[str, list[str]], habits: Habits, lot: random.Random
) -> dict[int, dict[str, float]]:
    """One run: feedback on one stream of questions, and what each order shows of the failing intents."""
    turns = Turns(store, retention_days=90)
    ratings = Ratings(store, turns)
    reviews = Reviews(store, turns, ratings, pseudonyms)
    intents = lot.sample(sorted(rows), len(rows))
    failing = set(lot.sample(intents, round(FAILING * len(intents))))
    asked = lot.choices(intents, [1 / rank for rank in range(1, len(intents) + 1)], k=ASKED)
    intent_of: dict[str, str] = {}
    for intent in asked:
        said = (Message("user", lot.choice(rows[intent])),)
        turn = Turn(new_id(), said, reply="An answer.", status="complete", created_at=now_ms())
        turns.add_closed([turn])
        intent_of[turn.id] = intent
        _react(ratings, turn, habits.wrong if intent in failing else habits.right, habits.second, lot)
    queued = reviews.queue(ASKED)
    ours = [intent_of[item.turn.id] for item in queued]
    waits = {item.turn.id for item in queued}
    oldest = [intent for turn, intent in intent_of.items() if turn in waits]
    return {budget: _shares(ours, oldest, failing, budget) for budget in BUDGETS}


def _react(ratings: Ratings, turn: Turn, habits: dict[str, float], second: float, lot: random.Random) -> None:
    for author in ("one", "two"):
        if author == "two" and lot.random() >= second:
            return
        match lot.choices(list(habits), list(habits.values()))[0]:
            case "correction":
                ratings.correct(turn.id, author, "Another answer.")
            case "reason":
                ratings.rate(turn.id, author, -1, "wrong")
            case "down":
                ratings.rate(turn.id, author, -1)
            case "up":
                ratings.rate(turn.id, author, 1)


def _shares(ours: Sequence[str], oldest: Sequence[str], failing: set[str], budget: int) -> dict[str, float]:
    waiting = Counter(intent for intent in ours if intent in failing)

    def seen(order: Sequence[str]) -> float:
        return len(failing & set(order[:budget])) / len(waiting)

    total, taken = len(ours), min(budget, len(ours))
    missed = sum(math.comb(total - count, taken) for count in waiting.values()) / math.comb(total, taken)
    return {"ours": seen(ours), "oldest first": seen(oldest), "random": 1 - missed / len(waiting)}


def _summary(runs: Sequence[dict[int, dict[str, float]]]) -> dict[str, Any]:
    covered: dict[int, dict[str, Any]] = {}
    for budget in BUDGETS:
        line = {order: round(statistics.mean(r[budget][order] for r in runs), 3) for order in runs[0][budget]}
        gains = [r[budget]["ours"] - r[budget]["random"] for r in runs]
        half = T_95 * statistics.stdev(gains) / math.sqrt(len(gains))
        mean = statistics.mean(gains)
        covered[budget] = line | {"ours_less_random": [round(g, 3) for g in (mean, mean - half, mean + half)]}
    return {"covered": covered}
