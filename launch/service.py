"""One thing that is kept running: restarted when it ends, with growing pauses."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from core.errors import ApprenticeError

FIRST_WAIT_S, LONGEST_WAIT_S, HEALTHY_S = 1.0, 30.0, 60.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a service ended; a final one would end the same way if it were started again."""

    how: str
    final: bool = False


class Service(Protocol):
    """What can be kept running."""

    name: str

    def start(self) -> None:
        """Start it."""

    def ended(self) -> Ending | None:
        """How it ended; None while it runs."""


class Keeper:
    """Restarts a service 1 s after it ends, then after twice as long each time up to 30 s; a healthy minute resets."""

    def __init__(self, service: Service, say: Say, clock: Callable[[], float] = time.monotonic):
        self.service = service
        self._say = say
        self._clock = clock
        self._wait_s = FIRST_WAIT_S
        self._started_at = clock()
        self._due_at: float | None = None
        self._given_up = False

    def start(self) -> None:
        """Start the service; one that cannot start is tried again as if it had ended."""
        self._due_at = None
        self._started_at = self._clock()
        try:
            self.service.start()
        except ApprenticeError as error:
            self._plan(Ending(str(error)))

    def look(self) -> bool:
        """Whether the service runs; its restart is planned, or made, where it does not."""
        if self._given_up:
            return False
        if self._due_at is not None:
            if self._clock() >= self._due_at:
                self.start()
            return False
        ending = self.service.ended()
        if ending is not None:
            self._plan(ending)
        return ending is None

    def _plan(self, ending: Ending) -> None:
        if ending.final:
            self._given_up = True
            self._say(f"{self.service.name} has stopped, for the reason it gave; the rest stays up.")
            return
        now = self._clock()
        if now - self._started_at >= HEALTHY_S:
            self._wait_s = FIRST_WAIT_S
        self._say(f"{self.service.name} ended ({ending.how}); it starts again in {self._wait_s:.0f} s.")
        self._due_at = now + self._wait_s
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
