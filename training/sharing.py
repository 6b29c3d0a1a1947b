"""Cores shared with others: training can wait, so while others compute it rests between two pieces of work."""

import os
import time
from collections.abc import Callable

import psutil

REST = 2.0
"""Seconds of rest for each second of work, while others compute."""
BUSY_SHARE = 0.3
"""Others compute if they take more of all cores than this."""
LOOK_S = 0.25


def seconds_of_others() -> float:
    """Processor seconds that other processes of this machine have taken so far, but for those that can wait as well."""
    times, own = psutil.cpu_times(), psutil.Process().cpu_times()
    return times.user + times.system - own.system - (0.0 if _can_wait() else own.user)


def _can_wait() -> bool:
    return os.nice(0) > 0


class Courtesy:
    """Rests after each piece of work for as long as others compute, at most REST times as long as it took.

    A low priority alone is no help to a server on the same cores: each of its steps waits for the slowest of its
    threads, and one of them always has to wait for a training thread to be put aside.
    """

    def __init__(
        self,
        others: Callable[[], float] = seconds_of_others,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._others, self._clock, self._sleep = others, clock, sleep
        self._cores = psutil.cpu_count() or 1
        self._mark()

    def rest(self) -> None:
        """Call between two pieces of work."""
        left = REST * (self._clock() - self._at)
        while left > 0 and self._others_compute():
            self._mark()
            self._sleep(min(LOOK_S, left))
            left -= LOOK_S
        self._mark()

    def _mark(self) -> None:
        self._at, self._taken = self._clock(), self._others()

    def _others_compute(self) -> bool:
        passed = self._clock() - self._at
        return passed > 0 and (self._others() - self._taken) / (passed * self._cores) > BUSY_SHARE
