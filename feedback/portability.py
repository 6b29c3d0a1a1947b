"""Everything that is stored of a person, as they may take it with them: theirs alone, and nobody else's words."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core import keys
from core.records import Manifest, Turn, from_json
from core.store import Store, durable
from feedback.handovers import Handovers
from feedback.observations import Observations
from feedback.people import People
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.traces import find_counters, find_traces
from feedback.turns import Turns


class Portability:
    """Gathers what is stored of people. Raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, turns: Turns, ratings: Ratings, reviews: Reviews):
        self._store, self._turns, self._ratings, self._reviews = store, turns, ratings, reviews
        self._people, self._handovers = People(store), Handovers(store, turns)

    def of(self, author: str) -> dict[str, Any]:
        """A person's record, their conversations with the answers, their feedback, and the versions that saw it."""
        traces = find_traces(self._store, author)
        own = self._turns.get_many(sorted(traces.own))
        observations = Observations(self._store, self._turns).of(list(own))
        return {
            "author": author,
            "person": asdict(self._people.person(author)),
            "turns": [self._turn(turn, author) for turn in sorted(own.values(), key=lambda turn: turn.created_at)],
            "observations": [asdict(observation) for observation in observations.values()],
            "feedback": self._feedback(author, sorted(traces.all)),
            "versions": self._versions(author),
            "notes": self._notes(author),
            "used": self._used(author),
            "handovers": [
                asdict(case.handover) | {"said": [text for _, text in case.said]}
                for case in self._handovers.inbox()
                if case.handover.author == author
            ],
        }

    def _turn(self, turn: Turn, author: str) -> dict[str, Any]:
        """One answer, with the passages it was given. Of others' messages, and of their documents, nothing is told."""
        review = self._reviews.get(turn.id)
        passages = [asdict(p) for p in turn.passages if p.author in (None, author)]
        return asdict(turn) | {
            "messages": [asdict(m) for m in turn.messages if m.author in (None, author)],
            "passages": passages,
            "review": asdict(review) | {"reviewer": None, "correctors": None} if review else None,
        }

    def _feedback(self, author: str, turns: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        said = self._ratings.said_about(turns)
        return {
            "ratings": [asdict(vote) for about in said for vote in about.votes if vote.author == author],
            "corrections": [asdict(c) for about in said for c in about.corrections if c.author == author],
            "regenerations": [asdict(r) for about in said for r in about.regenerations if r.author == author],
        }

    def _versions(self, author: str) -> list[str]:
        """The adapter versions that learned from them."""
        with durable():
            versions = self._store.zrange(keys.VERSIONS, 0, -1)
            texts = [self._store.hget(keys.version(version), "manifest") for version in versions]
        manifests = [from_json(Manifest, text) for text in texts if text]
        return [manifest.id for manifest in manifests if author in manifest.source_digests]

    def _notes(self, author: str) -> dict[str, str]:
        """What chats remember by their name: corrections that are awaited, shown, or to be thanked for."""
        with durable():
            found = list(self._store.scan_iter(keys.draft("*", author, "*"), count=1000))
            found += self._store.scan_iter(keys.thanks("*", "*", author), count=1000)
            found += self._store.scan_iter(keys.amends("*", "*", author), count=1000)
            found += self._store.scan_iter(keys.pending("*", author), count=1000)
            return {key.removeprefix(keys.PREFIX): self._store.get(key) for key in sorted(found)}

    def _used(self, author: str) -> dict[str, Any]:
        """What they used of their budgets in a day, and what they asked in a minute."""
        with durable():
            found = find_counters(self._store, author)
            daily = keys.used("*", "").partition("*")[0]
            read = {key: self._store.hgetall(key) if key.startswith(daily) else self._store.get(key) for key in found}
        return {key.removeprefix(keys.PREFIX): value for key, value in read.items()}
