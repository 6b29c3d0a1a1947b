"""One refresh: snapshot, train, judge, publish, promote, under the lock and its fence."""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.base import Base, load_tokenizer, prepare_base
from adapters.manifest import describe, seal
from adapters.numerics import training_dtype
from adapters.registry import Registry
from adapters.verify import verify
from core import keys
from core.errors import AliasMoved, Busy, FenceLost, ServingUnavailable, StoreUnavailable
from core.prompt import Renderer
from core.records import BASE, GateReport, Manifest, now_ms
from core.store import durable
from feedback.progress import clear_progress, report_progress
from training.examples import EvaluationItem, Record, Snapshot, as_examples, build, general_slice
from training.gate import MIN_ITEMS, judge
from training.train import Hyperparameters, NotEnoughMemory, Trained, enough_memory, train
from workers.context import Context
from workers.judging import open_judge
from workers.lock import RefreshLock

log = logging.getLogger(__name__)
LOW_PRIORITY = 5
MIN_EXAMPLES = 5
MAX_ATTEMPTS = 3
POSTPONED_S = 600
"""How long a refresh waits that had no room, or no engine to judge with."""
DRAFT = "refresh-"
"""How the draft of a refresh is named, among others' drafts."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """How a refresh ended; `report` is None where nothing could be judged."""

    outcome: str
    summary: str
    version: str | None
    report: GateReport | None


def run_refresh(context: Context, lock: RefreshLock, progress: Progress, again: bool = False) -> RefreshResult:
    """Do the refresh that the present record calls for, unless it was done already.

    One that was begun MAX_ATTEMPTS times without an end has failed; `again` begins it afresh. One for which there is
    too little memory now, or no engine to judge with, is postponed, which does not count.

    Raises: FenceLost, DiskFull, StoreUnavailable: kept as what went wrong last.
    """
    settings = context.settings
    clear_progress(context.store)
    _remove_drafts(context.registry)
    os.nice(max(0, LOW_PRIORITY - os.nice(0)))
    base = prepare_base(settings.model, settings.data_dir)
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, settings.prompt_tokens)
    how = Hyperparameters(
        rank=settings.lora_rank,
        alpha=2 * settings.lora_rank,
        learning_rate=settings.learning_rate,
        epochs=settings.epochs,
    )
    record = Record(context.turns, context.reviews, context.ratings, context.people)
    marked = context.registry.marked_live()
    facts = how.as_dict() | ({"rebuilds": marked[0]} if marked else {})
    snapshot = build(record, renderer, settings.system_prompt, base.hash, facts)
    log.info("refresh %s: %s", snapshot.hash[:12], snapshot)
    with durable():
        done = context.store.hgetall(keys.run(snapshot.hash))
    failed = done.get("outcome") == "failed"
    if done.get("state") == "finished" and not (again and failed):
        _count_from(context, snapshot)
        return RefreshResult(done["outcome"], "this was done before: " + done["summary"], done["version"] or None, None)
    if not again and int(done.get("attempts", 0)) >= MAX_ATTEMPTS:
        result = RefreshResult("failed", _why_failed(done), None, None)
        _finish(context, snapshot, result)
        return result
    _begin(context, snapshot, again)

    with _attempt(context, lock, snapshot):
        watched = _watched(context, lock, progress)
        try:
            with enough_memory():
                result = _refresh(context, base, renderer, snapshot, how, lock.fence, watched)
        except (NotEnoughMemory, Busy, ServingUnavailable) as error:
            lock.check()
            return _postpone(context, snapshot, str(error))
        lock.check()
        _finish(context, snapshot, result)
    return result


def _watched(context: Context, lock: RefreshLock, progress: Progress) -> Progress:
    """Progress that ends a refresh whose lock is lost; a database that is away for a moment ends nothing."""
    told = False

    def watched(stage: str, at: int, total: int) -> None:
        nonlocal told
        lock.check()
        try:
            report_progress(context.store, stage, at, total)
        except StoreUnavailable as error:
            if not told:
                log.warning("the progress of the refresh is not shown: %s", error)
            told = True
        progress(stage, at, total)

    return watched


def _remove_drafts(registry: Registry) -> None:
    """Drafts of refreshes that were killed; the lock is held, so no other refresh writes one."""
    for draft in registry.folder.glob(f".draft-{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _attempt(context: Context, lock: RefreshLock, snapshot: Snapshot) -> Iterator[None]:
    """Keep what went wrong, and clear the progress; what another worker has taken over is left alone."""
    try:
        yield
        clear_progress(context.store)
    except FenceLost:
        raise
    except Exception as error:
        lock.check()
        with suppress(StoreUnavailable), durable():
            context.store.hset(keys.run(snapshot.hash), "error", str(error) or type(error).__name__)
            clear_progress(context.store)
        raise


def _postpone(context: Context, snapshot: Snapshot, why: str) -> RefreshResult:
    """Leave a refresh to a later tick, as if it had not begun."""
    with durable(), context.store.pipeline() as pipe:
        pipe.hset(keys.run(snapshot.hash), mapping={"state": "postponed", "error": why})
        pipe.hincrby(keys.run(snapshot.hash), "attempts", -1)
        pipe.set(keys.REFRESH_POSTPONED, why, ex=POSTPONED_S)
        pipe.execute()
    log.warning("refresh %s is postponed for %d minutes: %s", snapshot.hash[:12], POSTPONED_S // 60, why)
    return RefreshResult("postponed", f"{why} It is tried again in {POSTPONED_S // 60} minutes.", None, None)


def _why_failed(done: dict[str, str]) -> str:
    why = done.get("error") or "it was killed each time; perhaps there was too little memory."
    return f"begun {MAX_ATTEMPTS} times without coming to an end: {why} `apprentice refresh --now` begins it again."


def _refresh(
    context: Context,
    base: Base,
    renderer: Renderer,
    snapshot: Snapshot,
    how: Hyperparameters,
    fence: int,
    progress: Progress,
) -> RefreshResult:
    if len(snapshot.train) < MIN_EXAMPLES or len(snapshot.evaluation) < MIN_ITEMS:
        summary = f"{snapshot}: at least {MIN_EXAMPLES} and {MIN_ITEMS} are needed, so nothing was trained."
        return RefreshResult("not enough evidence", summary, None, None)
    settings, registry = context.settings, context.registry
    live = registry.route()
    against = _opponent(registry, live, base)
    device, dtype = training_dtype(settings.train_device, settings.data_dir)
    replay = as_examples(general_slice("general_train", renderer, settings.system_prompt))
    draft = registry.draft(f"{DRAFT}{snapshot.hash[:16]}-{fence}")
    trained = train(base.folder, [*snapshot.train, *replay], how, draft, device, dtype, progress)
    manifest = _manifest(draft, base, renderer.identity, snapshot, how, trained)
    seal(draft, manifest)
    verify(draft, base.name, base.hash, base.shapes(), renderer.identity, manifest.id)
    if manifest.id == live:
        return RefreshResult("not enough evidence", "the tuned version is the one that is live.", manifest.id, None)
    general = general_slice("general_gate", renderer, settings.system_prompt)
    folders = {manifest.id: draft, against: registry.path(against)}
    report = asyncio.run(_judge(context, base, folders, manifest.id, against, snapshot, general, progress))
    rejected = report.outcome == "reject"
    registry.publish(draft, manifest, report, fence, rejected)
    if report.outcome == "promote":
        progress("going live", 0, 0)
        try:
            registry.promote(manifest.id, "gate", report.summary, fence, live)
        except AliasMoved as error:
            return RefreshResult("not promoted", f"{report.summary} But {error}", manifest.id, report)
    return RefreshResult(report.outcome, report.summary, manifest.id, report)


def _opponent(registry: Registry, live: str, base: Base) -> str:
    """The version to be better than: the one that is live, unless it was tuned on another base."""
    if live == BASE or registry.get(live).manifest.base_hash == base.hash:
        return live
    return BASE


async def _judge(
    context: Context,
    base: Base,
    folders: dict[str, Path],
    candidate: str,
    against: str,
    snapshot: Snapshot,
    general: list[EvaluationItem],
    progress: Progress,
) -> GateReport:
    progress("judging", 0, 0)
    rules = {"rebuild": True} if context.registry.marked_live() else {}  # it need not be better, only no worse
    async with open_judge(context.settings, base, folders, len(snapshot.evaluation)) as judging:
        return await asyncio.to_thread(
            judge, candidate, against, snapshot.evaluation, general, judging.generate, judging.score, **rules
        )


def _manifest(
    draft: Path,
    base: Base,
    identity: str,
    snapshot: Snapshot,
    how: Hyperparameters,
    trained: Trained,
) -> Manifest:
    described = describe(draft, base.name, base.hash, identity)
    return replace(
        described,
        parent=BASE,
        sources=tuple(e.source for e in snapshot.train),
        source_digests=tuple(e.author for e in snapshot.train),
        snapshot=snapshot.hash,
        hyperparameters=how.as_dict() | {"final_loss": round(trained.losses[-1], 4), "tokens": trained.tokens},
    )


def _begin(context: Context, snapshot: Snapshot, again: bool) -> None:
    with durable(), context.store.pipeline() as pipe:
        if again:
            pipe.delete(keys.run(snapshot.hash))
        pipe.hset(keys.run(snapshot.hash), "state", "running")
        pipe.hincrby(keys.run(snapshot.hash), "attempts", 1)
        pipe.execute()


def _count_from(context: Context, snapshot: Snapshot) -> None:
    with durable():
        context.store.hset(keys.REFRESH_LAST, "until", snapshot.until)


def _finish(context: Context, snapshot: Snapshot, result: RefreshResult) -> None:
    """Record the end of a run: its snapshot is never done again, and counting starts anew after its newest item."""
    ended = {"outcome": result.outcome, "summary": result.summary, "version": result.version or ""}
    with durable(), context.store.pipeline() as pipe:
        pipe.hset(keys.run(snapshot.hash), mapping=ended | {"state": "finished"})
        last = {"at": now_ms(), "until": snapshot.until, "snapshot": snapshot.hash}
        pipe.hset(keys.REFRESH_LAST, mapping=ended | last)
        pipe.execute()
    log.info("refresh %s ended: %s. %s", snapshot.hash[:12], result.outcome, result.summary)
