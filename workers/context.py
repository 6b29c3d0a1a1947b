"""What a worker works with, opened once from the settings; without torch."""

from dataclasses import dataclass

from adapters.registry import Registry
from core.settings import Settings
from core.store import Store
from feedback.amends import Amends
from feedback.archive import Archive
from feedback.forget import Forgetting
from feedback.observations import Observations
from feedback.outcomes import Outcomes
from feedback.people import People
from feedback.permission import Permission
from feedback.practice import Practice
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.trust import Trust
from feedback.turns import Turns
from training.sources import Record


@dataclass(frozen=True, slots=True)
class Context:
    """The record and the registry of one installation."""

    settings: Settings
    store: Store
    turns: Turns
    ratings: Ratings
    reviews: Reviews
    amends: Amends
    people: People
    trust: Trust
    registry: Registry
    outcomes: Outcomes
    forgetting: Forgetting
    permission: Permission
    observations: Observations
    practice: Practice

    @property
    def record(self) -> Record:
        """What a snapshot reads."""
        return Record(self.turns, self.reviews, self.ratings, self.people, self.trust, self.observations, self.practice)


def open_context(settings: Settings) -> Context:
    """Connect to everything a worker, the command line or a test needs."""
    archive = Archive.open(settings)
    store, turns, ratings, reviews = archive.store, archive.turns, archive.ratings, archive.reviews
    registry = Registry(store, settings.data_dir / "adapters")
    people = People(store)
    trust = Trust(store, turns, ratings, reviews, people)
    outcomes = Outcomes(store, turns, ratings)
    forgetting = Forgetting(store, turns, reviews, archive.pseudonyms, registry.marks, settings.data_dir)
    amends = Amends(store, turns, ratings, reviews)
    observations = Observations(store, turns)
    permission = Permission(people, archive.pseudonyms, settings.run_code)
    return Context(
        *(settings, store, turns, ratings, reviews, amends, people, trust, registry, outcomes, forgetting),
        *(permission, observations, Practice(store, turns, observations)),
    )
