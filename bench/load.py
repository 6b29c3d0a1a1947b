"""Load in a process of its own: many streams of chat requests at once, with the times at which their tokens came."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from bench.stream import Answer, Connection, Raw, read_answer

TIMEOUT_S = 300
"""Longest a single answer may take."""
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wave:
    """What streams that began together were answered. Times are of the monotonic clock, in seconds."""

    began_s: float
    ended_s: float
    answers: tuple[Answer, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        """What went wrong, answer by answer."""
        return tuple(a.error for a in self.answers if a.error)


class Load:
    """The process that makes load; it ends with this object's `with`."""

    def __enter__(self) -> "Load":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def run(self, url: str, scripts: Sequence[Sequence[Body]], for_s: float | None = None) -> Wave:
        """One stream for each script, all beginning together; each asks its requests one after the other.

        With `for_s` a stream starts over at the end of its script, and asks nothing new after so many seconds.
        """
        assert self._process.stdin and self._process.stdout
        job = {"url": url, "scripts": scripts, "for_s": for_s}
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        answers = (a | {"gaps_s": tuple(a["gaps_s"]), "versions": tuple(a["versions"])} for a in told["answers"])
        return Wave(told["began_s"], told["ended_s"], tuple(Answer(**a) for a in answers))


async def make(url: str, scripts: Sequence[Sequence[Body]], for_s: float | None) -> Wave:
    """Make the load and wait for its end. Nothing is read before all has come."""
    bodies = [[json.dumps(body).encode() for body in script] for script in scripts]
    connections = [Connection(url) for _ in scripts]
    await asyncio.gather(*(c.open() for c in connections), return_exceptions=True)
    began = time.monotonic()
    until = None if for_s is None else began + for_s
    try:
        talks = (_talk(c, script, until) for c, script in zip(connections, bodies, strict=True))
        raws = [raw for talk in await asyncio.gather(*talks) for raw in talk]
    finally:
        for connection in connections:
            connection.close()
    ended = max(raw.ended_s for raw in raws)
    return Wave(began, ended, tuple(read_answer(raw) for raw in raws))


async def _talk(connection: Connection, script: Sequence[bytes], until: float | None) -> list[Raw]:
    raws = []
    while True:
        for body in script:
            raws.append(await connection.ask(body, TIMEOUT_S))
            if until is not None and time.monotonic() >= until:
                return raws
            if raws[-1].error:
                await asyncio.sleep(0.1)
        if until is None:
            return raws


def main() -> None:
    """Do the jobs that come in, one a line, and tell of each on one line."""
    for line in sys.stdin.buffer:
        wave = asyncio.run(make(**json.loads(line)))
        sys.stdout.buffer.write(json.dumps(asdict(wave)).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
