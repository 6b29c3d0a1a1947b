"""Does a flood lose an answer? Many chats ask at once, Telegram refuses every tenth call; and what the bot costs."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.figures import Bar
from bench.instance import InstanceFailed, free_ports
from bench.messenger import TOKEN, Messenger, Script, served
from core.identity import Pseudonyms
from core.settings import TOKEN as TOKEN_VARIABLE
from core.settings import variable
from core.store import Store, connect
from feedback.people import People
from launch.valkey import Valkey

PLACEHOLDER = "…"
FIRST_CALM, CALM, QUESTIONS, PIECES, PAUSE_S, LONG_EVERY = 10_001, 20, 2, 12, 0.1, 5
REFUSE_EVERY, RETRY_AFTER_S = 10, 3
SETTLE_S, WAIT_S = 3.0, 300
OVERHEAD_MS = 50


def run(say: Callable[[str], None], chats: int = 50) -> dict[str, Any]:
    """The figures and their bars: the bot's own overhead, then a flood from so many chats with its faults counted.

    Raises: InstanceFailed where the bot ends, or answers stay away.
    """
    messenger, script = Messenger(RETRY_AFTER_S), Script(_reply)
    with TemporaryDirectory() as folder, served(messenger, script) as far, _bot(Path(folder), far, chats) as alive:
        say("one chat after the other ...")
        calm = _calm(messenger, script, alive)
        say(f"{chats} chats at once, every {REFUSE_EVERY}th call refused for {RETRY_AFTER_S} s ...")
        messenger.calls.clear()
        messenger.refuse_every, script.pause_s = REFUSE_EVERY, PAUSE_S
        flood = _flood(messenger, alive, chats)
    figures = {"overhead_ms": calm, "flood": flood}
    return figures | {"bars": [bar.as_dict() for bar in bars(figures)]}


def bars(figures: dict[str, Any]) -> list[Bar]:
    """What was promised of the bot."""
    flood = figures["flood"]
    return [
        Bar("the bot's own part of an answer, median (ms)", figures["overhead_ms"]["median"], most=OVERHEAD_MS),
        Bar("chats whose answers are not complete, once and in order", flood["answers_not_exact"], most=0),
        Bar("calls inside a retry_after", flood["calls_inside_a_pause"], most=0),
    ]


def _reply(question: str) -> list[str]:
    """An answer of its own to each question; in every fifth chat one of several messages."""
    chat = int(question.split()[1])
    words = [f"{n} of **{question}**. " for n in range(PIECES)]
    return [word * 40 for word in words] if chat < FIRST_CALM - 1 and chat % LONG_EVERY == 0 else words


def _expected(question: str) -> str:
    return "".join(_reply(question)).replace("**", "").replace(" ", "")


def _calm(messenger: Messenger, script: Script, alive: Callable[[], None]) -> dict[str, float]:
    """Milliseconds from a question to its complete answer, less what the model took."""
    took = []
    messenger.ask(FIRST_CALM - 1, f"chat {FIRST_CALM - 1} question 0")
    _wait(lambda: _answers(messenger, FIRST_CALM - 1), "the first answer", alive)
    for n in range(CALM):
        chat = FIRST_CALM + n
        question = f"chat {chat} question 0"
        asked = messenger.ask(chat, question)
        _wait(lambda chat=chat: _answers(messenger, chat), "an answer", alive)
        done = max(call.at for call in messenger.calls if call.chat == chat)
        took.append((done - asked - script.took_s[question]) * 1000)
    return {"median": round(statistics.median(took), 1), "p95": round(_p95(took), 1)}


def _flood(messenger: Messenger, alive: Callable[[], None], chats: int) -> dict[str, Any]:
    asked = {}
    for n in range(QUESTIONS):
        for chat in range(1, chats + 1):
            asked[chat, n] = messenger.ask(chat, f"chat {chat} question {n}")
    _wait(lambda: all(_answers(messenger, chat) >= QUESTIONS for chat in range(1, chats + 1)), "every answer", alive)
    time.sleep(SETTLE_S)
    calls = messenger.calls
    first = [
        next(c.at for c in calls if c.chat == chat and c.text not in ("", PLACEHOLDER) and not c.refused)
        - asked[chat, 0]
        for chat in range(1, chats + 1)
    ]
    refused = [call for call in calls if call.refused]
    shown = {chat: [m["text"] for _, m in sorted(messenger.chats[chat].items())] for chat in range(1, chats + 1)}
    return {
        "chats": chats,
        "questions": len(asked),
        "calls": len(calls),
        "refused": len(refused),
        "answers_not_exact": sum(not _is_exact(chat, texts) for chat, texts in shown.items()),
        "calls_inside_a_pause": sum(
            any(0 < c.at - r.at < RETRY_AFTER_S for c in calls if c.chat == r.chat) for r in refused
        ),
        "first_text_s": {"median": round(statistics.median(first), 2), "p95": round(_p95(first), 2)},
        "all_complete_s": round(max(c.at for c in calls) - min(asked.values()), 1),
        "most_calls_in_a_second": _most(sorted(c.at for c in calls), 1.0),
    }


def _is_exact(chat: int, texts: list[str]) -> bool:
    """Whether a chat shows its answers whole, once and in their order, and nothing else."""
    expected = "".join(_expected(f"chat {chat} question {n}") for n in range(QUESTIONS))
    return "".join(texts).replace(" ", "") == expected


def _answers(messenger: Messenger, chat: int) -> int:
    """How many complete answers a chat shows: those with a 👍."""
    return sum("👍" in str(m["reply_markup"]) for m in list(messenger.chats.get(chat, {}).values()))


def _most(times: list[float], window_s: float) -> int:
    return max(sum(0 <= other - at < window_s for other in times[n : n + 200]) for n, at in enumerate(times))


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def _wait(check: Callable[[], Any], what: str, alive: Callable[[], None]) -> None:
    until = time.monotonic() + WAIT_S
    while not check():
        alive()
        if time.monotonic() > until:
            raise InstanceFailed(f"not seen within {WAIT_S} s: {what}.")
        time.sleep(0.005)


@contextmanager
def _bot(folder: Path, far: str, chats: int) -> Iterator[Callable[[], None]]:
    """A bot with a database of its own, whose members are all who ask; gives a check that it lives."""
    (port,) = free_ports(1)
    server = Valkey(folder, port)
    server.start()
    store = connect(f"redis://127.0.0.1:{port}/0")
    _grant(store, folder, [*range(1, chats + 1), *range(FIRST_CALM - 1, FIRST_CALM + CALM)])
    given = {"data_dir": str(folder), "redis_url": f"redis://127.0.0.1:{port}/0", "serving_url": far}
    given |= {"telegram_api_base": far, "log_level": "WARNING"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("APPRENTICE_", "TELEGRAM_BOT"))}
    environment = kept | {variable(name): value for name, value in given.items()} | {TOKEN_VARIABLE: TOKEN}
    log = folder / "bot.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "apprentice", "bot"], env=environment, cwd=folder, stdout=output, stderr=output
        )

    def alive() -> None:
        if process.poll() is not None:
            raise InstanceFailed(f"the bot ended. The end of its log:\n{log.read_text(errors='replace')[-4000:]}")

    try:
        yield alive
    finally:
        process.terminate()
        process.wait()
        store.close()
        server.stop()


def _grant(store: Store, folder: Path, chats: list[int]) -> None:
    people, pseudonyms = People(store), Pseudonyms.of_installation(folder)
    for chat in chats:
        author = pseudonyms.author(f"telegram:{chat}")
        people.grant(author, "member")
        people.note_told(author)
