"""What outcomes are good for, measured: practice, the outcome head, and the search that learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import outcomes_head, retrieval_learning, self_training

Say = Callable[[str], None]


def run(data: Path, part: str | None = None, say: Say = lambda line: None) -> dict[str, Any]:
    """The figures of each part by its name, or of one part alone.

    Raises: InvalidInput where the public data is missing.
    """
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "practice": lambda: self_training.run(say),
        "head": lambda: outcomes_head.run(data, say),
        "search": lambda: retrieval_learning.run(data, say),
    }
    return {name: measured() for name, measured in parts.items() if part in (None, name)}
