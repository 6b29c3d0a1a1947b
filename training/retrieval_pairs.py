"""What the search learns from: questions with the passages behind approved answers, and behind rejected ones."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.privacy import scrub
from core.records import ReviewPolicy, Split
from core.sentences import stands_alone
from feedback.likeness import normalised
from feedback.shown import approvable
from feedback.turns import question
from retrieval.chunks import EVERYONE, Chunk
from retrieval.support import Support, supports
from training.gathering import said
from training.sources import Record, Source, allowed, exempt, weigh


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, the rows of the passages that answer it, and of those that do not though they were given.

    `sources` are the turns that say so, each with its author.
    """

    question: str
    passages: tuple[int, ...]
    negatives: tuple[int, ...]
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs to learn, and the frozen ones to be judged on; `digest` names them, and holds nobody's words."""

    learn: tuple[Pair, ...]
    frozen: tuple[Pair, ...]
    digest: str


@dataclass
class _Said:
    """What all feedback says about one question."""

    question: str
    passages: set[int] = field(default_factory=set)
    negatives: set[int] = field(default_factory=set)
    sources: dict[str, str] = field(default_factory=dict)


def pairs(record: Record, policy: ReviewPolicy, author_share: float, chunks: Sequence[Chunk]) -> Pairs:
    """Of what may be learned for everyone, what says which passage answers a question; `chunks` are the index's.

    Only documents for everyone, and only questions that are searched for by themselves.

    Raises: StoreUnavailable.
    """
    usable = [s for s in allowed(said(record, record.trust.vouched(policy)), record, Counter()) if _is_searched(s)]
    reader = _Reader(chunks)
    sides: dict[Split, tuple[Pair, ...]] = {}
    for split in ("train", "evaluation"):
        weighed, _ = weigh([s for s in usable if s.split == split], author_share, exempt(record))
        sides[split] = reader.pairs(weighed)
    names = [c.id for c in chunks]
    facts = {
        split: [(p.sources, [names[r] for r in p.passages], [names[r] for r in p.negatives]) for p in found]
        for split, found in sides.items()
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return Pairs(sides["train"], sides["evaluation"], digest)


def _is_searched(source: Source) -> bool:
    return not source.conversation or stands_alone(question(source.turn))


class _Reader:
    """Reads feedback beside the passages that everyone may see."""

    def __init__(self, chunks: Sequence[Chunk]):
        self._chunks = chunks
        self._rows = {c.id: row for row, c in enumerate(chunks) if c.scope == EVERYONE}
        self._support = Support([chunks[row] for row in self._rows.values()])

    def pairs(self, sources: Iterable[Source]) -> tuple[Pair, ...]:
        """One for each question to which a passage is known, in a fixed order."""
        said: dict[str, _Said] = {}
        for source in sources:
            asked = scrub(question(source.turn))
            self._read(source, said.setdefault(normalised(asked), _Said(asked)))
        found = [
            Pair(
                each.question,
                tuple(sorted(each.passages)),
                tuple(sorted(each.negatives - each.passages)),
                tuple(sorted(each.sources.items())),
            )
            for each in said.values()
            if each.passages
        ]
        return tuple(sorted(found, key=lambda pair: pair.sources))

    def _read(self, source: Source, said: _Said) -> None:
        cited = {self._rows[c.passage_id] for c in source.turn.citations if c.passage_id in self._rows}
        if source.objective == "undesirable":
            positive, negative = set[int](), cited
        elif cited and _as_it_was(source):
            positive, negative = cited, set[int]()
        else:
            positive = self._behind(source)
            asked = question(source.turn)
            negative = {row for row in cited if not supports(self._chunks[row], source.reply, asked)}
        said.passages |= positive
        said.negatives |= negative
        if positive or negative:
            said.sources[source.turn.id] = source.turn.author or ""

    def _behind(self, source: Source) -> set[int]:
        """The passage that supports an approved text, also where the search had not found it."""
        found = self._support.of(source.reply, question(source.turn))
        return set() if found is None else {self._rows[found.id]}


def _as_it_was(source: Source) -> bool:
    words = source.reply.split()
    return not source.correctors and words in (approvable(source.turn).split(), (source.turn.generated or "").split())


def authors(found: Iterable[Pair]) -> dict[str, str]:
    """The author of each turn that pairs are from."""
    known: defaultdict[str, str] = defaultdict(str)
    for pair in found:
        known.update(pair.sources)
    return dict(sorted(known.items()))
