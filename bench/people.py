"""Simulated people, who ask over HTTP and say what they think of the answers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.instance import Instance
from feedback.people import Role
from workers.context import open_context

PEOPLE = 20


def react(
    running: Instance,
    asked: Sequence[list[dict[str, str]]],
    reaction: Callable[[int, str], dict[str, Any]],
    role: Role | None = None,
    **fields: Any,
) -> None:
    """Twenty people ask these lists of messages in turn, and say what they make of the answers; all consent.

    `reaction` of a number and its answer is what goes into the feedback, `fields` go into each request.
    """
    people = [f"person {n}" for n in range(PEOPLE)]
    for person in people:
        pseudonym = running.consent(person)
        if role is not None:
            open_context(running.settings).people.grant(pseudonym, role)

    def one(number: int) -> None:
        person = people[number % PEOPLE]
        extra = {"chat": person, "author": person, "retrieval": False}
        answer = running.ask("", messages=asked[number], seed=number, apprentice=extra, **fields)["apprentice"]
        running.feedback(answer["turn_id"], person, **reaction(number, answer["text"]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(len(asked))))
