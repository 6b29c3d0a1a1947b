"""Waiting in tests: for what another thread or process does."""

import time
from collections.abc import Callable
from typing import Any


def until(check: Callable[[], Any], what: str | Callable[[], str], seconds: float = 30) -> Any:
    """Poll until the check is true, and return what it gave."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"not seen in {seconds} s: {what if isinstance(what, str) else what()}"
        time.sleep(0.01)
    return found
