"""What the next refresh would learn from, counted before anything is rendered, and whether it is due."""

from collections import Counter
from dataclasses import dataclass

from adapters.registry import Registry
from core import keys
from core.records import Split, now_ms
from core.settings import Settings
from core.store import Store, durable
from feedback.likeness import normalised
from feedback.reviews import Reviews
from feedback.turns import question
from feedback.wishes import refresh_wish
from training.examples import Objective
from training.gathering import everything
from training.hyperparameters import hyperparameters
from training.reservoir import Item, samples, slice_of
from training.sources import Record, Source, allowed, exempt, weigh

SPLITS: tuple[Split, ...] = ("train", "evaluation")


@dataclass(frozen=True, slots=True)
class Row:
    """How many items of one kind and age stand on a side."""

    split: Split
    slice: str
    objective: Objective
    count: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """The items of a refresh by side, age and kind, and how many are left out, by why."""

    rows: tuple[Row, ...]
    left_out: dict[str, int]

    def count(self, split: Split) -> int:
        """How many items stand on a side."""
        return sum(row.count for row in self.rows if row.split == split)


def look_ahead(record: Record, settings: Settings, learned: tuple[int, ...]) -> Outlook:
    """What a refresh would be made of now. What turns out too long, or not to be reproducible, is still counted.

    `learned` (ms, ascending): until when the versions that went live had learned.

    Raises: StoreUnavailable.
    """
    left_out: Counter[str] = Counter()
    rows: Counter[tuple[Split, str, Objective]] = Counter()
    usable = allowed(everything(record, record.trust.vouched(settings.review_policy)), record, left_out)
    for split in SPLITS:
        weighed, dropped = weigh([s for s in usable if s.split == split], settings.author_share, exempt(record))
        left_out.update(dropped)
        chosen = _chosen(weighed, settings, learned) if split == "train" else weighed
        left_out["beyond the reservoir"] += len(weighed) - len(chosen)
        rows.update((source.split, slice_of(source.at, learned), source.objective) for source in chosen)
    told = tuple(Row(*what, rows[what]) for what in sorted(rows, key=lambda what: (SPLITS.index(what[0]), *what)))
    return Outlook(told, {why: count for why, count in left_out.items() if count})


def _chosen(sources: list[Source], settings: Settings, learned: tuple[int, ...]) -> list[Source]:
    """Those that fit into the reservoir, drawn without a look at what they mean."""
    most = settings.reservoir_max_items
    items = [Item(s.turn.id, slice_of(s.at, learned), question(s.turn), normalised(s.reply)) for s in sources]
    passes = hyperparameters(settings).passes(min(len(items), most))
    kept = frozenset[str]().union(*samples(items, most, passes))
    return [source for source in sources if source.turn.id in kept]


def learned_until(registry: Registry, store: Store) -> tuple[int, ...]:
    """Until when (ms, ascending) the live version and those before it had learned.

    Raises: StoreUnavailable.
    """
    snapshots = [registry.get(version).manifest.snapshot for version in registry.been_live()]
    with durable():
        found = [store.hget(keys.run(snapshot), "until") for snapshot in snapshots if snapshot]
    return tuple(sorted({int(until) for until in found if until}))


def why_due(settings: Settings, store: Store, registry: Registry, reviews: Reviews) -> str | None:
    """Why a refresh should start now, or None. Time alone never starts one, and none starts while a canary runs.

    Where live learned from somebody who was forgotten since the last one, or somebody asked for one, or for the
    documents to be learned, one is due whatever else is new.

    Raises: StoreUnavailable.
    """
    with durable():
        if store.exists(keys.REFRESH_LOCK, keys.REFRESH_POSTPONED):
            return None
        if store.hexists(keys.ALIASES, "canary"):
            return None
        last = store.hgetall(keys.REFRESH_LAST)
        forgotten = int(store.get(keys.FORGOTTEN) or 0)
        documents, practice = store.exists(keys.REFRESH_DOMAIN), store.exists(keys.REFRESH_PRACTICE)
    if int(last.get("at", 0)) <= forgotten and registry.marked_live():
        return "the live version learned from somebody who was forgotten"
    if wish := refresh_wish(store):
        return f"{wish.who} asked for one"
    if documents:
        return "the documents are to be learned"
    if practice:
        return "the next version is to practise first"
    return _why_enough(settings, _new_items(settings, store, reviews, last), last)


def _why_enough(settings: Settings, new: int, last: dict[str, str]) -> str | None:
    """Why what is new since the `last` refresh is enough, alone or with the time since; None where it is not."""
    what = "newly approved items" if _only_approved(settings) else "turns with new feedback"
    if new == 0:
        return None
    if new >= settings.refresh_min_items:
        return f"{new} {what}"
    waited_s = (now_ms() - int(last["at"])) / 1000 if "at" in last else 0
    if "at" in last and waited_s >= settings.refresh_interval_s:
        return f"{new} {what}, and {waited_s / 3600:.0f} hours since the last refresh"
    return None


def _new_items(settings: Settings, store: Store, reviews: Reviews, last: dict[str, str]) -> int:
    """What may be learned from since the `last` refresh: approvals, and where the settings say so whatever was said or
    came of an answer, save in practice.
    """
    since = int(last.get("until", 0))
    if _only_approved(settings):
        return reviews.count_for_everyone(since)
    since = max(since, int(last.get("looked", 0)))
    names = (keys.FOR_EVERYONE, keys.FEEDBACK, keys.PRACTICE)
    with durable():
        approved, said, practised = (set(store.zrangebyscore(name, f"({since}", "+inf")) for name in names)
    return len((approved | said) - practised)


def _only_approved(settings: Settings) -> bool:
    return settings.review_policy == "all" and not settings.practice
