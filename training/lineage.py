"""What a version learned from, by id: how many items of which kind, and their words as far as they may be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from core.privacy import scrub
from feedback.reviews import Reviews
from feedback.turns import Turns, question

Kind = Literal["imported", "approved", "edited", "rejected", "said by people", "gone"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DECIDED: dict[str, Kind] = {"approve": "approved", "edit": "edited", "reject": "rejected"}


@dataclass(frozen=True, slots=True)
class Learned:
    """An item that a version learned from; `answer` is the approved one, empty where there is none to show."""

    turn: str
    question: str
    answer: str


def by_kind(sources: Sequence[str], turns: Turns, reviews: Reviews) -> dict[Kind, list[str]]:
    """The ids of turns by what makes them examples now; kinds without any are left out.

    `gone` are those that are no longer in the record, or no longer for everyone.

    Raises: StoreUnavailable.
    """
    found: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
    there, decided = turns.get_many(sources), reviews.get_many(sources)
    for source in sources:
        review = decided.get(source)
        if source not in there or (review and review.scope != "everyone"):
            kind: Kind = "gone"
        elif there[source].origin == "import":
            kind = "imported"
        else:
            kind = DECIDED[review.decision] if review else "said by people"
        found[kind].append(source)
    return {kind: ids for kind, ids in found.items() if ids}


def words(ids: Sequence[str], turns: Turns, reviews: Reviews) -> list[Learned]:
    """Questions and approved answers of turns, scrubbed, as far as the record still has them for everyone.

    Raises: StoreUnavailable.
    """
    there, decided = turns.get_many(ids), reviews.get_many(ids)
    found = []
    for turn in (there[source] for source in ids if source in there):
        review = decided.get(turn.id)
        if review is None or review.scope == "everyone":
            found.append(Learned(turn.id, scrub(question(turn)), review.text if review else ""))
    return found
