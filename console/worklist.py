"""What the review pages stand on: the queue, what operators note, and which item an operator gets next."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from console.selection import Selection
from core.errors import NotFound, StoreUnavailable
from core.identity import Pseudonyms
from core.library import LibraryClient
from feedback.amends import Amends
from feedback.archive import Archive
from feedback.audit import AuditLog
from feedback.backlog import Backlog
from feedback.batches import Batches
from feedback.claims import Claims
from feedback.notes import Notebook
from feedback.opinions import Opinions
from feedback.ratings import Ratings
from feedback.reviews import QueueItem, Reviews
from feedback.similar import Neighbours
from feedback.turns import Turns
from feedback.walks import Walks

CLAIMED_FROM = 100
"""Turns that are offered to a claim at once."""


@dataclass(frozen=True, slots=True)
class Worklist:
    """The parts, and the way from one item to the next. Methods raise StoreUnavailable where Redis is away."""

    turns: Turns
    ratings: Ratings
    reviews: Reviews
    backlog: Backlog
    claims: Claims
    notebook: Notebook
    walks: Walks
    batches: Batches
    opinions: Opinions
    amends: Amends
    audit: AuditLog
    neighbours: Neighbours
    pseudonyms: Pseudonyms

    @classmethod
    def over(cls, archive: Archive, library: LibraryClient, audit: AuditLog) -> "Worklist":
        """Over the record, and serving's embedder."""
        store, turns, ratings, reviews = archive.store, archive.turns, archive.ratings, archive.reviews
        return cls(
            turns,
            ratings,
            reviews,
            Backlog(store, turns, ratings),
            Claims(store),
            Notebook(store, turns),
            Walks(store, reviews),
            Batches(store, turns, ratings, reviews),
            Opinions(store, turns, reviews),
            Amends(store, turns, ratings, reviews),
            audit,
            Neighbours(library.embed),
            archive.pseudonyms,
        )

    def warm(self) -> None:
        """Read what filters look at before the first is asked for; where Redis is away, that one reads it."""
        with suppress(StoreUnavailable):
            self.backlog.questions()

    def author(self, operator: str) -> str:
        """An operator of the console, by the pseudonym under which their walk is kept."""
        return self.pseudonyms.author(f"console:{operator}")

    def next(self, operator: str, selected: Selection, after: str = "") -> QueueItem | None:
        """The first item of a selection, from after one on, that no other operator has and this one did not skip.

        It is claimed. None: nothing is left.
        """
        skipped = self.walks.skipped(self.author(operator))
        ids = [turn for turn in self.backlog.find(selected.filter) if turn not in skipped]
        if after in ids:
            at = ids.index(after) + 1
            ids = ids[at:] + ids[:at]
        while ids:
            claimed = self.claims.first_free(operator, ids[:CLAIMED_FROM])
            if claimed is None:
                ids = ids[CLAIMED_FROM:]
                continue
            if item := self.waiting(claimed):
                return item
            self.claims.give_back(operator, claimed)
            ids.remove(claimed)
        return None

    def waiting(self, turn_id: str) -> QueueItem | None:
        """An item of the queue, unless it was decided meanwhile or outlived the record."""
        try:
            item = self.reviews.item(turn_id)
        except NotFound:
            self.backlog.take_out(turn_id)
            return None
        return item if item.why else None

    def done(self, told: str) -> dict[str, Any] | None:
        """What an operator has just decided, as an address tells it (`turn:ms`, `batch:id`), while it is in force."""
        what, _, of = told.partition(":")
        if what == "batch":
            return {"batch": self.batches.get(of)}
        review = self.reviews.get(what) if what else None
        if review is None or str(review.created_at) != of:
            return None
        return {"review": review, "sendable": self.amends.why_not(what) is None}
