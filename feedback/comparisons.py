"""Blind comparisons of two versions: what waits for a pick, what a pick says, and how often which was preferred."""

from collections import defaultdict
from dataclasses import dataclass, field

from core import keys
from core.errors import NotFound
from core.records import Comparison, Pick, from_json, to_json
from core.store import Store, durable
from feedback.ratings import Ratings

WAITS_S = 86_400


@dataclass(frozen=True, slots=True)
class Preferences:
    """How often a version was preferred to another, and the other to it; `both` were good, or `neither`."""

    version: str
    other: str
    picks: dict[Pick, int] = field(default_factory=dict)

    @property
    def won(self) -> int:
        """How often the version was preferred."""
        return self.picks.get("a", 0)

    @property
    def lost(self) -> int:
        """How often the other one was."""
        return self.picks.get("b", 0)

    @property
    def both(self) -> int:
        """How often both were good."""
        return self.picks.get("both", 0)

    @property
    def neither(self) -> int:
        """How often neither was."""
        return self.picks.get("neither", 0)

    def seen_from(self, version: str) -> "Preferences":
        """The same, with a version of the two first."""
        if version == self.version:
            return self
        swapped: dict[Pick, int] = self.picks | {"a": self.lost, "b": self.won}
        return Preferences(self.other, self.version, swapped)


class Comparisons:
    """Comparisons in Redis, by ids alone. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, ratings: Ratings):
        self._store = store
        self._ratings = ratings

    def wait_for(self, comparison: Comparison) -> None:
        """Keep a comparison until somebody picks, for a day at most."""
        with durable():
            self._store.set(keys.comparison(comparison.id), to_json(comparison), ex=WAITS_S)

    def pick(self, comparison_id: str, pick: Pick, author: str) -> Comparison:
        """Store what an author makes of two answers, as thumbs, and count it; once, as it is blind no longer then.

        Of a preferred answer the thumb says what it was preferred to. The other one gets none: it may be good, too.

        Raises: NotFound where it was picked already, waited too long, or an answer is not in the record any more.
        """
        with durable():
            text = self._store.getdel(keys.comparison(comparison_id))
        if text is None:
            raise NotFound("this comparison was decided already, or is more than a day old; ask once more.")
        comparison = from_json(Comparison, text)
        first, second = comparison.turns
        if pick == "a":
            self._ratings.rate(first, author, 1, against=second)
        elif pick == "b":
            self._ratings.rate(second, author, 1, against=first)
        else:
            for turn in (first, second):
                self._ratings.rate(turn, author, 1 if pick == "both" else -1)
        with durable():
            self._store.hincrby(keys.PREFERENCES, _field(comparison, pick), 1)
        return comparison

    def preferences(self) -> list[Preferences]:
        """Every two versions that were compared, those first that were compared most."""
        with durable():
            counts = self._store.hgetall(keys.PREFERENCES)
        found: defaultdict[tuple[str, str], dict[Pick, int]] = defaultdict(dict)
        for name, count in counts.items():
            version, other, pick = name.split(":")
            found[version, other][pick] = int(count)
        rows = [Preferences(*versions, picks) for versions, picks in found.items()]
        return sorted(rows, key=lambda row: (-sum(row.picks.values()), row.version, row.other))


def _field(comparison: Comparison, pick: Pick) -> str:
    """Under which name a pick is counted, whichever version was shown first."""
    version, other = comparison.versions
    if version < other:
        return f"{version}:{other}:{pick}"
    swapped: dict[Pick, Pick] = {"a": "b", "b": "a"}
    return f"{other}:{version}:{swapped.get(pick, pick)}"
