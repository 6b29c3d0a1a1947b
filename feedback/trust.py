"""Whom to learn from: one thing counts once, nobody has more than a share, and newcomers wait for an operator."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from core import keys
from core.privacy import holds_personal_data
from core.records import Correction, Rating, Regeneration, ReviewPolicy, Split, Turn
from core.store import Store, durable
from feedback.likeness import jaccard, shingles, wording
from feedback.people import People
from feedback.ratings import Ratings, Said
from feedback.reviews import Reviews
from feedback.rows import IMPORTER
from feedback.turns import Turns, question

NEARLY_EQUAL = 0.7
"""Prompts that share this much of their words and pairs of words are one: a word changed in eleven, not in five."""
COMPARED = 50
"""Earlier prompts that one is compared with, those that share its rarest shingles first."""
ALWAYS_ALLOWED = 10
"""Items that anybody may have in a refresh, however small it is."""
EVEN = 1.5
BATCH = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may become an example. `author` is empty for an imported row."""

    id: str
    author: str
    prompt: str
    reply: str
    created_at: int
    reviewed: bool


@dataclass(frozen=True, slots=True)
class Vouched:
    """A turn that no operator decided on, with the feedback about it that counts all the same."""

    turn: Turn
    split: Split
    said: Said


def collapse(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Those that say something of their own, in their order, and the ids of those that only repeat one of them.

    One repeats another where the replies have the same words, and the prompts nearly the same (Jaccard similarity of
    their shingles, found by the rarest ones as in Chaudhuri et al. 2006, "A Primitive Operator for Similarity Joins").
    A reviewed one stays rather than one that is not, then the newest.
    """
    given = list(candidates)
    by_reply: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in sorted(given, key=_first_choice):
        by_reply[wording(candidate.reply)].append(candidate)
    return _parted(given, {kept.id for group in by_reply.values() for kept in _distinct(group)})


def cap(
    candidates: Iterable[Candidate], share: float, exempt: Callable[[str], bool]
) -> tuple[list[Candidate], list[str]]:
    """Those that stay, in their order, and the ids of what authors have beyond max(10, share of all candidates).

    Authors that are `exempt` have no limit. In a circle so small that an even share of what the others have comes near
    to it, the limit is EVEN times that, less what the exempt bring: a refresh that they fill starves of no cap. Of what
    an author has the reviewed stay first, then the newest.
    """
    given = list(candidates)
    excepted = {author: exempt(author) for author in {candidate.author for candidate in given}}
    limited = [candidate for candidate in given if not excepted[candidate.author]]
    even = EVEN * len(limited) / max(1, len({candidate.author for candidate in limited}))
    limit = max(ALWAYS_ALLOWED, math.floor(max(share * len(given), even - (len(given) - len(limited)))))
    had: Counter[str] = Counter()
    stay = set()
    for candidate in sorted(given, key=_first_choice):
        had[candidate.author] += 1
        if excepted[candidate.author] or had[candidate.author] <= limit:
            stay.add(candidate.id)
    return _parted(given, stay)


class Trust:
    """Whose unreviewed feedback counts, by what operators have decided. Methods raise StoreUnavailable."""

    def __init__(self, store: Store, turns: Turns, ratings: Ratings, reviews: Reviews, people: People):
        self._store = store
        self._turns = turns
        self._ratings = ratings
        self._reviews = reviews
        self._people = people

    def quarantined(self, author: str) -> bool:
        """Whether an author waits until an approval bears out something that they said.

        Owner, members and imported rows never do.
        It is borne out by a thumb up for an answer that is approved as it was, or a correction that is taken.
        """
        if author == IMPORTER or self._people.person(author).role is not None:
            return False
        with durable():
            return not self._store.exists(keys.approved_of(author))

    def vouched(self, policy: ReviewPolicy) -> list[Vouched]:
        """Turns without a decision that may be learned from, oldest feedback first; frozen on their side from now on.

        `all`: none. `none`: those that somebody out of quarantine said something about. `flagged`: of these, those
        where nobody corrected or gave a reason for a thumb down, nobody disagrees, and no personal data was found.
        Imported thumbs count under each: whoever imports them answers for them.
        Consent, and what is one chat's own, are looked at where examples are made, as for approved turns.
        """
        waits: dict[str, bool] = {IMPORTER: False}

        def counts(author: str) -> bool:
            if author not in waits:
                waits[author] = policy == "all" or self.quarantined(author)
            return not waits[author]

        found = []
        for turn, said in self._undecided():
            heard = _of(said, counts)
            flagged = policy == "flagged" and turn.origin != "import" and is_flagged(turn, said)
            if heard != Said() and not flagged:
                found.append((turn, heard))
        splits = self._reviews.splits([turn for turn, _ in found])
        return [Vouched(turn, split, heard) for (turn, heard), split in zip(found, splits, strict=True)]

    def _undecided(self) -> Iterator[tuple[Turn, Said]]:
        """Turns that something was said about and nothing decided; what is older than the index waits in the queue."""
        with durable():
            noted = self._store.zrange(keys.FEEDBACK, 0, -1)
            queued = self._store.zrange(keys.QUEUE, 0, -1)
        known = [*noted, *sorted(set(queued) - set(noted))]
        for ids in (known[n : n + BATCH] for n in range(0, len(known), BATCH)):
            with durable():
                reviews = self._store.mget([keys.review(turn_id) for turn_id in ids])
            turns = self._turns.get_many([t for t, review in zip(ids, reviews, strict=True) if review is None])
            yield from zip(turns.values(), self._ratings.said_about(list(turns)), strict=True)


def is_flagged(turn: Turn, said: Said) -> bool:
    """Whether an operator should see a turn before it is learned from, whoever it was that spoke."""
    thumbs = {vote.value for vote in said.votes}
    return (
        bool(said.corrections)
        or {1, -1} <= thumbs
        or any(vote.value == -1 and vote.reason for vote in said.votes)
        or any(holds_personal_data(text) for text in (question(turn), turn.reply))
    )


def _of(said: Said, counts: Callable[[str], bool]) -> Said:
    """What those said who count; a thumb that was taken back says nothing."""
    votes: tuple[Rating, ...] = tuple(v for v in said.votes if v.value and counts(v.author))
    corrections: tuple[Correction, ...] = tuple(c for c in said.corrections if counts(c.author))
    regenerations: tuple[Regeneration, ...] = tuple(r for r in said.regenerations if counts(r.author))
    return Said(votes, corrections, regenerations)


def _first_choice(candidate: Candidate) -> tuple[bool, int, str]:
    return not candidate.reviewed, -candidate.created_at, candidate.id


def _parted(given: Sequence[Candidate], stay: set[str]) -> tuple[list[Candidate], list[str]]:
    return [c for c in given if c.id in stay], [c.id for c in given if c.id not in stay]


def _distinct(group: Sequence[Candidate]) -> Iterator[Candidate]:
    """Those of a group whose prompts are not nearly equal to an earlier one's.

    Two sets so alike share one of their first rarest shingles, so that only prompts which do are compared.
    """
    sets = [shingles(candidate.prompt) for candidate in group]
    frequency = Counter(shingle for words in sets for shingle in words)
    by_shingle: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
    for candidate, words in zip(group, sets, strict=True):
        rarest = sorted(words, key=lambda shingle: (frequency[shingle], shingle))
        rarest = rarest[: len(words) - math.ceil(NEARLY_EQUAL * len(words)) + 1] or [""]
        near = (other for shingle in rarest for other in by_shingle[shingle])
        if any(jaccard(words, other) >= NEARLY_EQUAL for other in islice(near, COMPARED)):
            continue
        yield candidate
        for shingle in rarest:
            if len(by_shingle[shingle]) < COMPARED:
                by_shingle[shingle].append(words)
