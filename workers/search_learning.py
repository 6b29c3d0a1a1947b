"""The search learns: pairs from feedback, what reads questions tuned on them, judged, and published with the index."""

import logging
from dataclasses import dataclass

from core.errors import AliasMoved, DiskFull, IndexDamaged
from core.records import EmbedderVersion, RetrievalReport, now_ms
from feedback.embedders import Embedders
from feedback.progress import clear_progress
from feedback.spent import note_beside
from retrieval.embedder import Embedder
from retrieval.generations import Generation, learned_id, load
from retrieval.tuned import Tuned, adopt, merged
from training.retrieval_gate import MIN_QUESTIONS, judge_search
from training.retrieval_pairs import Pairs, authors, pairs
from training.retrieval_tuning import HowToTune, tune_questions
from workers.cancelling import RefreshCancelled
from workers.context import Context
from workers.lock import RefreshLock
from workers.refresh import Progress, give_way, put_off, watched
from workers.searching import FORGOTTEN, keep, leave_search, must_go, tidy

log = logging.getLogger(__name__)
MIN_PAIRS = 30
"""Questions with a known passage without which nothing is tuned."""
MIN_NEW = 20
"""And how many more than the last time, unless somebody asks, or what was learned must go."""
MAX_S = 600
"""Longest tuning, in seconds."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """How it ended; `report` is None where nothing could be judged."""

    outcome: str
    summary: str
    report: RetrievalReport | None = None
    tuned: bool = False
    """Whether it was tuned on all that is known."""


def learn_to_search(context: Context, lock: RefreshLock, progress: Progress) -> SearchResult | None:
    """Let the search learn where there is enough that is new, somebody asked, or what it learned must go; else None.

    Whatever goes wrong is told in the result and by the log, and tried again later: the adapter has been seen to.

    Raises: FenceLost, StoreUnavailable.
    """
    try:
        with_limits = watched(context, lock, progress)
        result = _learn(context, lock, with_limits)
    except RefreshCancelled as error:
        result = SearchResult("cancelled", str(error))
    except (IndexDamaged, DiskFull, AliasMoved) as error:
        lock.check()
        put_off(context.store, str(error))
        result = SearchResult("failed", str(error))
    if result is not None:
        Embedders(context.store).ended(result.outcome, result.summary)
        log.info("the search: %s. %s", result.outcome, result.summary)
        clear_progress(context.store)
    return result


def _learn(context: Context, lock: RefreshLock, progress: Progress) -> SearchResult | None:
    settings, embedders = context.settings, Embedders(context.store)
    generation, asked, last = load(settings.data_dir), embedders.asked(), embedders.last()
    if generation is None:
        return SearchResult("not enough evidence", "there are no documents to search.") if asked else None
    goes = must_go(context, generation.learned)
    found = pairs(context.record, settings.review_policy, settings.author_share, generation.chunks)
    enough = len(found.learn) >= MIN_PAIRS and len(found.frozen) >= MIN_QUESTIONS
    new = found.digest != last.get("material") and len(found.learn) - int(last.get("pairs", 0)) >= MIN_NEW
    if not (asked or goes or (enough and new)):
        return None
    if enough:
        began = now_ms()
        result = _tune(context, lock, progress, generation, found, goes)
        note_beside(context.store, began, now_ms())
        if result.tuned:
            embedders.tuned(found.digest, len(found.learn))
    else:
        counted = f"{len(found.learn)} questions with a known passage, {len(found.frozen)} of them frozen besides"
        needed = f"at least {MIN_PAIRS} and {MIN_QUESTIONS} are needed."
        result = SearchResult("not enough evidence", f"{counted}; {needed}")
    if goes and result.outcome != "promote":
        lock.check()
        leave_search(context, generation.learned, "gate", FORGOTTEN)
    tidy(context)
    return result


def _tune(
    context: Context, lock: RefreshLock, progress: Progress, generation: Generation, found: Pairs, goes: bool
) -> SearchResult:
    """Tune from the installation's embedder, compare with what is in use, or with that one where this must go."""
    settings, embedders, how = context.settings, Embedders(context.store), HowToTune(seconds=MAX_S)
    give_way()
    progress("learning to search", 0, 0)
    base = Embedder.load(settings.embedder)
    if generation.embedder != base.id:
        return SearchResult("not enough evidence", "the documents are another embedder's; re-index them first.")
    adapter = tune_questions(base, generation, found.learn, how, progress)
    progress("judging the search", 0, 0)
    before = base if goes else Tuned(base).for_questions(generation)
    after = merged(base, adapter)
    if after.id == generation.learned and not goes:
        return SearchResult("not enough evidence", "what was learned is what is in use.", tuned=True)
    report = judge_search(generation, before, after, found.frozen, settings.passages, settings.min_similarity)
    learned_from = authors(found.learn)
    version = EmbedderVersion(
        id=learned_id(adapter),
        base=base.id,
        against=before.id,
        pairs=len(found.learn),
        report=report,
        sources=tuple(learned_from),
        source_digests=tuple(learned_from.values()),
        hyperparameters=how.as_dict(),
        created_at=now_ms(),
    )
    lock.check()
    embedders.add(version, lock.fence)
    if report.outcome == "promote":
        progress("the search goes live", 0, 0)
        keep(settings.data_dir, version.id, adapter)
        adopt(settings.data_dir, adapter, generation.learned, base.id)
    return SearchResult(report.outcome, report.summary, report, tuned=True)
