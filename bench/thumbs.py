"""Do thumbs alone teach? Which of two topics a message has, people who only vote, one refresh, unseen messages."""

import json
import random
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.domains import DOMAINS, rows
from bench.instance import instance
from bench.learn import answers
from bench.machine import describe_machine
from bench.people import react
from training.statistics import sign_test

TOPICS = {"kitchen and dining": "food", "auto and commute": "car"}
"""Domains of clinc150, and the word that names each."""
QUESTION = "Message: {text}\n\nIs this message about food or about cars?"
VOTES, ASKED, TOKENS = 300, 200, 24
TEMPERATURE = 0.7
LEVEL = 0.05
Say = Callable[[str], None]


def run(data: Path, say: Say = lambda line: None) -> dict[str, Any]:
    """The share of unseen messages that are answered right, before and after one refresh on 300 thumbs.

    Members ask over HTTP, get one sampled answer each, and vote: up for a right answer, down for any other. Nobody
    corrects, and no operator decides. Unseen messages are answered greedily. The test is the exact sign test on the
    messages whose answers changed between right and wrong (McNemar's, one-sided).

    Raises: InvalidInput where the data is missing.
    """
    learn, ask = (_messages(data, part, count) for part, count in (("train", VOTES), ("test", ASKED)))
    with (
        tempfile.TemporaryDirectory() as folder,
        instance(Path(folder), APPRENTICE_REFRESH_MIN_ITEMS="100000", APPRENTICE_REVIEW_POLICY="none") as running,
    ):
        unseen = [asked(text) for text, _ in ask]
        before = [is_right(r, topic) for r, (_, topic) in zip(answers(running, unseen, TOKENS), ask, strict=True)]
        say(f"before: {sum(before)} of {len(before)} are right")
        votes: list[bool] = []

        def vote(number: int, reply: str) -> dict[str, Any]:
            up = is_right(reply, learn[number][1])
            votes.append(up)
            return {"rating": 1 if up else -1}

        react(running, [asked(text) for text, _ in learn], vote, "member", max_tokens=TOKENS, temperature=TEMPERATURE)
        say(f"{sum(votes)} thumbs up, {len(votes) - sum(votes)} down")
        outcome = running.command("refresh", "--now").strip().splitlines()[-1]
        say(outcome)
        after = [is_right(r, topic) for r, (_, topic) in zip(answers(running, unseen, TOKENS), ask, strict=True)]
    found = compared(before, after)
    say(json.dumps(found))
    return {
        "machine": describe_machine(),
        "up": sum(votes),
        "down": len(votes) - sum(votes),
        "outcome": outcome,
        **found,
    }


def asked(text: str) -> list[dict[str, str]]:
    """A message with the question about it."""
    return [{"role": "user", "content": QUESTION.format(text=text)}]


def is_right(reply: str, topic: str) -> bool:
    """Whether a reply names the topic, and not the other one."""
    return [name for name in TOPICS.values() if re.search(rf"\b{name}", reply.lower())] == [topic]


def compared(before: list[bool], after: list[bool]) -> dict[str, Any]:
    """Shares that are right, messages won and lost, and the p-value."""
    won = sum(new and not old for old, new in zip(before, after, strict=True))
    lost = sum(old and not new for old, new in zip(before, after, strict=True))
    p = sign_test(won, lost)
    return {
        "asked": len(before),
        "right_before": sum(before) / len(before),
        "right_after": sum(after) / len(after),
        "won": won,
        "lost": lost,
        "p": p,
        "significant": p <= LEVEL,
    }


def _messages(data: Path, part: str, count: int) -> list[tuple[str, str]]:
    """Messages of both topics with their topic, in a fixed random order."""
    topics = {intent: topic for domain, topic in TOPICS.items() for intent in DOMAINS[domain].split()}
    found = [(text, topics[intent]) for text, intent in rows(data, part) if intent in topics]
    return random.Random(3).sample(found, count)
