"""Does practice teach? Simple Python instructions, two rounds of a version's own answers, unseen ones. No labels."""

import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.figures import Bar
from bench.instance import Instance, instance
from bench.learn import answers
from bench.machine import describe_machine
from bench.programs import programs
from bench.thumbs import LEVEL, compared
from core.identity import PLAYGROUND
from kinds import KINDS
from kinds.kind import Task

ROUNDS, TOKENS = 2, 96
SETTINGS = {
    "APPRENTICE_REFRESH_MIN_ITEMS": "100000",
    "APPRENTICE_REPLY_TOKENS": str(TOKENS),
    "APPRENTICE_PROMPT_TOKENS": "512",
    "APPRENTICE_EPOCHS": "4",
}
Say = Callable[[str], None]


def run(say: Say = lambda line: None) -> dict[str, Any]:
    """The share of unseen instructions whose program runs and passes its tests, before and after each of two rounds.

    The operator at the playground asks for 224 functions, and says nothing of the answers. A round is
    `apprentice refresh --practice`, whose gate goes by the fifth of these instructions that is never practised. 224
    unseen instructions of the same families are answered greedily, without a second attempt. The test is the exact
    one-sided sign test on the instructions whose outcome changed (McNemar's) from the base model to the version that is
    live at the end.
    """
    learn, unseen = programs()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, instance(Path(folder), **SETTINGS) as running:
        running.consent(PLAYGROUND)
        outcomes = [_works(running, unseen)]
        say(f"before: {sum(outcomes[0])} of {len(unseen)} unseen instructions get a program that works")
        _ask(running, learn)
        for number in range(ROUNDS):
            running.command("refresh", "--practice", "--now", timeout_s=7200)
            rounds.append(_told(running) | {"round": number + 1})
            outcomes.append(_works(running, unseen))
            say(f"round {number + 1}: {rounds[-1]}; {sum(outcomes[-1])} of {len(unseen)} work")
    found = compared(outcomes[0], outcomes[-1])
    held = [each["general"] for each in rounds if each["general"] is not None]
    bars = [
        Bar("p of the share that works", found["p"], most=LEVEL),
        Bar("general slice, nats a token", min(held, default=0.0), least=-0.1),
    ]
    return {
        "machine": describe_machine(),
        "asked_for": len(learn),
        "rounds": rounds,
        "works": [sum(each) / len(each) for each in outcomes],
        **found,
        "bars": [bar.as_dict() for bar in bars],
    }


def _ask(running: Instance, asked: Sequence[str]) -> None:
    """Ask for programs as whoever may have them run; each question is a conversation of its own."""

    def one(number: int) -> None:
        extra = {"author": PLAYGROUND, "chat": f"chat {number}", "kind": "code", "retrieval": False}
        running.ask(asked[number], apprentice=extra)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(len(asked))))


def _works(running: Instance, asked: Sequence[str]) -> list[bool]:
    """Whether each greedy answer works, which is found out here: serving runs nothing for those it does not know."""

    chats = [[{"role": "user", "content": instruction}] for instruction in asked]
    replies = answers(running, chats, TOKENS, kind="code")
    with ThreadPoolExecutor(2) as pool:
        tasks = (Task(instruction, may_run=True) for instruction in asked)
        return [grade == 1 for grade in pool.map(KINDS["code"].grade, tasks, replies, [""] * len(replies))]


def _told(running: Instance) -> dict[str, Any]:
    """What the gate said of the newest version: its outcome, and the slices of practice and of general prompts."""
    (newest, *_) = json.loads(running.command("adapters", "list", "--json"))
    shown = json.loads(running.command("adapters", "show", newest["id"], "--json"))
    report = shown["report"]
    slices = {part["name"]: (part["before"], part["after"]) for part in report["slices"]}
    return {
        "outcome": report["outcome"],
        "summary": report["summary"],
        "examples": len(shown["manifest"]["sources"]),
        "practice": slices.get("practice"),
        "general": slices["general"][1] - slices["general"][0] if "general" in slices else None,
    }
