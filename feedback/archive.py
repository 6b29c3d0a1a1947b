"""The record of an installation, opened once: its turns, what was said about them, and what was decided."""

from dataclasses import dataclass

from core.identity import Pseudonyms
from core.settings import Settings
from core.store import Store, connect
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.turns import Turns


@dataclass(frozen=True, slots=True)
class Archive:
    """What every process that reads the record works with, over one connection."""

    settings: Settings
    store: Store
    pseudonyms: Pseudonyms
    turns: Turns
    ratings: Ratings
    reviews: Reviews

    @classmethod
    def open(cls, settings: Settings) -> "Archive":
        """The record that the settings name."""
        store, pseudonyms = connect(settings.store_url), Pseudonyms.of_installation(settings.data_dir)
        turns = Turns(store, settings.turn_retention_days)
        ratings = Ratings(store, turns)
        return cls(settings, store, pseudonyms, turns, ratings, Reviews(store, turns, ratings, pseudonyms))
