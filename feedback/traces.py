"""What a person left in the record: their turns, others' turns that hold their words, and their feedback."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from core import keys
from core.records import APPROVED_PASSAGE, Regeneration, Review, Turn, from_json
from core.store import Store, durable

BATCH = 500
TURN = keys.turn("")


@dataclass(slots=True)
class Traces:
    """Ids of turns."""

    own: set[str] = field(default_factory=set)
    """Turns with the person's messages."""
    asked: set[str] = field(default_factory=set)
    """Others' questions that the person had answered again: only who asked is theirs."""
    derived: set[str] = field(default_factory=set)
    """Others' turns that were answered with the person's words in the prompt."""
    rated: set[str] = field(default_factory=set)
    """Others' turns with the person's thumb."""
    corrected: set[str] = field(default_factory=set)
    """Others' turns with the person's correction."""
    regenerations: dict[str, list[str]] = field(default_factory=dict)
    """Others' turns that the person had answered again, or was answered instead of, with those events as stored."""
    edited: set[str] = field(default_factory=set)
    """Others' turns whose approved text was written from the person's correction."""
    open: set[str] = field(default_factory=set)
    """Of the derived turns, those that are being answered now."""

    @property
    def all(self) -> set[str]:
        """Every turn that the person had a part in."""
        feedback = self.rated | self.corrected | set(self.regenerations)
        return self.own | self.asked | self.derived | self.edited | feedback


@dataclass(slots=True)
class _Graph:
    """Which turns were answered with what before them."""

    after: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    from_approved: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    open: set[str] = field(default_factory=set)
    rest_on: set[str] = field(default_factory=set)
    """Turns that were answered with a document in the prompt that the person had sent."""

    def add(self, turn: Turn, author: str) -> None:
        for before in (turn.parent, turn.regenerates, turn.beside):
            if before:
                self.after[before].append(turn.id)
        for passage in turn.passages:
            if passage.id.startswith(APPROVED_PASSAGE):
                self.from_approved[passage.id.removeprefix(APPROVED_PASSAGE)].append(turn.id)
            if passage.author == author:
                self.rest_on.add(turn.id)
        if turn.status == "open":
            self.open.add(turn.id)

    def derived(self, own: set[str], edited: set[str]) -> set[str]:
        """Every turn whose prompt held words of these turns, of what was approved for these or for one found, or of the
        person's documents.
        """
        found = self.rest_on - own
        waiting = [(turn, True) for turn in own | found] + [(turn, False) for turn in edited]
        while waiting:
            turn, and_after = waiting.pop()
            reached = [*self.from_approved[turn], *(self.after[turn] if and_after else ())]
            new = {t for t in reached if t not in found and t not in own}
            found |= new
            waiting += [(t, True) for t in new]
        return found


def find_traces(store: Store, author: str) -> Traces:
    """Look through the whole record, whatever release wrote it; nothing relies on an index.

    Raises: StoreUnavailable.
    """
    traces, graph, listed = Traces(), _Graph(), []
    with durable():
        for batch in _batches(store.scan_iter(f"{TURN}*", count=1000)):
            ids = [key.removeprefix(TURN) for key in batch]
            _read_turns(store, author, [i for i in ids if ":" not in i], traces, graph)
            _read_feedback(store, author, ids, traces)
            listed += [i.partition(":")[0] for i in ids if i.endswith(":regenerations")]
        traces.edited = _edited(store, author, traces.corrected) - traces.own
        traces.derived = graph.derived(traces.own, traces.edited)
        traces.open = traces.derived & graph.open
        for turn in listed:
            events = store.lrange(keys.regenerations(turn), 0, -1)
            found = [text for text in events if _theirs(from_json(Regeneration, text), author, traces.own)]
            if found and turn not in traces.own:
                traces.regenerations[turn] = found
    traces.rated -= traces.own
    traces.corrected -= traces.own
    return traces


def find_counters(store: Store, author: str) -> list[str]:
    """The keys that count what a person used."""
    with durable():
        found = [key for name in (keys.used, keys.minute) for key in store.scan_iter(name("*", author), count=1000)]
    return sorted(found)


def _read_turns(store: Store, author: str, ids: list[str], traces: Traces, graph: _Graph) -> None:
    for text in store.mget([keys.turn(i) for i in ids]) if ids else ():
        if text is None:
            continue
        turn = from_json(Turn, text)
        graph.add(turn, author)
        writers = {m.author for m in turn.messages if m.author}
        if author in writers or (turn.author == author and not writers):
            traces.own.add(turn.id)
        elif turn.author == author:
            traces.asked.add(turn.id)


def _read_feedback(store: Store, author: str, ids: list[str], traces: Traces) -> None:
    for kind, found in (("votes", traces.rated), ("corrections", traces.corrected)):
        about = [i for i in ids if i.endswith(f":{kind}")]
        with store.pipeline(transaction=False) as pipe:
            for each in about:
                pipe.hexists(TURN + each, author)
            found |= {i.partition(":")[0] for i, has in zip(about, pipe.execute(), strict=True) if has}


def _edited(store: Store, author: str, corrected: set[str]) -> set[str]:
    """Turns whose approval was made with a correction of this author in view."""
    found = set()
    for batch in _batches(store.zrange(keys.APPROVED, 0, -1)):
        for text in store.mget([keys.review(turn) for turn in batch]):
            review = from_json(Review, text) if text else None
            if review is None or review.decision != "edit":
                continue
            unknown = review.correctors is None and review.turn in corrected
            if unknown or author in (review.correctors or ()):
                found.add(review.turn)
    return found


def _theirs(event: Regeneration, author: str, own: set[str]) -> bool:
    return event.author == author or event.replacement in own


def _batches(items: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
