"""A training's curve while it is drawn: the newest figures of each run, for whoever watches without torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from core import keys
from core.store import Store, durable

MOST = 4000
"""Newest points kept of a run; about two belong to a step."""
LIFETIME_S = 90 * 24 * 3600
NAMES = {"loss": "loss", "divergence": "divergence", "watched right": "right", "watched loss": "watched"}


@dataclass(frozen=True, slots=True)
class Point:
    """One optimiser step: the loss of its batch, and what else was looked at after it, where anything was.

    `divergence` is from base in nats a token, `right` the share of watched replies that greedy decoding gives word for
    word, `watched` their median loss in nats a token.
    """

    step: int
    loss: float | None = None
    divergence: float | None = None
    right: float | None = None
    watched: float | None = None


def add_point(store: Store, run: str, step: int, figures: Mapping[str, float]) -> None:
    """Keep figures of one step of a run (a snapshot's hash), by the names that `training.train` gives them.

    Raises: StoreUnavailable.
    """
    said = {"step": step} | {NAMES[name]: round(figure, 5) for name, figure in figures.items() if name in NAMES}
    with durable(), store.pipeline() as pipe:
        pipe.rpush(keys.curve(run), json.dumps(said))
        pipe.ltrim(keys.curve(run), -MOST, -1)
        pipe.expire(keys.curve(run), LIFETIME_S)
        pipe.execute()


def read_curve(store: Store, run: str) -> list[Point]:
    """The points of a run by step. Of a step that was made again, after a worker was killed, the newest figures count.

    Raises: StoreUnavailable.
    """
    with durable():
        said = [json.loads(text) for text in store.lrange(keys.curve(run), 0, -1)]
    points: dict[int, Point] = {}
    for figures in said:
        points[figures["step"]] = replace(points.get(figures["step"], Point(figures["step"])), **figures)
    return [points[step] for step in sorted(points)]


def drop_curve(store: Store, run: str) -> None:
    """Keep nothing of a run."""
    with durable():
        store.delete(keys.curve(run))
