"""What serving does with answers that are run: a few at a time, a few more wait, and the others are told so at once."""

import asyncio
import threading

from core.identity import Pseudonyms
from core.records import Message, Turn, new_id
from feedback.observations import Observations
from feedback.people import People
from feedback.permission import Permission
from feedback.turns import Turns
from kinds.kind import Finding, Task
from serving import observing
from serving.observing import RUNS_AT_ONCE, WAITING, Outcomes


async def test_where_too_many_programs_wait_the_next_is_told_at_once_and_nothing_is_recorded(
    store, tmp_path, monkeypatch
):
    turns, go_on, ran = Turns(store, 90), threading.Event(), Finding(1.0, "ran", "Ran.", 1)
    permission = Permission(People(store), Pseudonyms.of_installation(tmp_path), "everyone")
    outcomes = Outcomes(Observations(store, turns), permission)
    monkeypatch.setattr(observing, "_checked", lambda turn, task: go_on.wait(60) and ran)

    def asked() -> Turn:
        turn = Turn(new_id(), (Message("user", "Write it.", "ann"),), author="ann", kind="code", status="complete")
        turns.open(turn)
        return turn

    def observed(turn: Turn) -> "asyncio.Task[Finding | None]":
        return asyncio.create_task(outcomes.observe(turn, Task("Write it."), True, threading.Event()))

    running = [observed(asked()) for _ in range(RUNS_AT_ONCE + WAITING)]
    refused = asked()
    while outcomes._begun < len(running):
        await asyncio.sleep(0.01)
    try:
        assert (await observed(refused)).why == "busy"
        assert Observations(store, turns).of([refused.id]) == {}
    finally:
        go_on.set()
    assert await asyncio.gather(*running) == [ran] * len(running)
    assert (await observed(asked())) == ran, "there is room again"
    outcomes.close()
