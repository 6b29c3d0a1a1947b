"""Cuts a reply that has begun to repeat itself: small models go round in circles where they know little."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

from serving.engine import Delta

_END = re.compile(r"[.!?…。！？]|(?=\n)")
LONGEST = 240
"""Characters of the longest phrase that is looked for."""
TIMES = 4
"""A phrase said so often, one right after the other, is a loop."""
LEAST, LEAST_DRAWN = 60, 240
"""Characters that a loop has at least, where the phrase has letters and where it has none, as in a ruled line."""
SUSPICIOUS = 16
"""Characters that a phrase has, said twice, before what follows waits until it is known to be no loop."""


class Loops:
    """Reads a reply as it arrives, and gives back what may be shown of it: of a loop its phrase about twice."""

    def __init__(self) -> None:
        self.found = False
        """Whether the reply is in a loop; nothing of what follows is worth having."""
        self._tail = ""
        self._held = ""

    def read(self, text: str) -> str:
        """The next piece to show."""
        self._tail = (self._tail + text)[-LONGEST * TIMES - len(text) :]
        phrases = [self._tail[-length:] for length in range(1, LONGEST + 1) if self._is_twice(length)]
        self._held += text
        for phrase in phrases:
            if self._tail.endswith(phrase * _enough(phrase)):
                self.found = True
                ended = _END.search(self._held[: len(phrase)])
                return self._held[: ended.end()] if ended else ""
        return "" if any(2 * len(phrase) >= SUSPICIOUS for phrase in phrases) else self.rest()

    def rest(self) -> str:
        """What was held back, once the reply has ended."""
        held, self._held = self._held, ""
        return held

    def _is_twice(self, length: int) -> bool:
        return len(self._tail) >= 2 * length and self._tail[-length:] == self._tail[-2 * length : -length]


async def without_loops(deltas: AsyncIterator[Delta]) -> AsyncGenerator[Delta, None]:
    """A reply that ends where it begins to repeat itself."""
    loops = Loops()
    async for delta in deltas:
        text = loops.read(delta.text)
        if loops.found:
            yield replace(delta, text=text, finish_reason="stop")
            return
        yield replace(delta, text=text + loops.rest() if delta.finish_reason else text)


def _enough(phrase: str) -> int:
    """How often a phrase has to be said to be a loop."""
    least = LEAST if any(c.isalpha() for c in phrase) else LEAST_DRAWN
    return max(TIMES, -(-least // len(phrase)))
