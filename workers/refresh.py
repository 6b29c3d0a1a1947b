"""One refresh: snapshot, train, judge, publish, promote, under the lock and its fence."""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from adapters.base import Base, prepare_base, renderer_of
from adapters.manifest import seal
from adapters.registry import Registry
from adapters.verify import verify
from core import keys
from core.errors import (
    AliasMoved,
    Busy,
    FenceLost,
    IndexDamaged,
    ServingUnavailable,
    StoreUnavailable,
)
from core.privacy import holds_personal_data
from core.prompt import Renderer
from core.records import BASE, GateReport, now_ms
from core.store import Store, durable
from feedback.progress import begin_progress, clear_progress, report_progress
from feedback.spent import note_spent
from feedback.wishes import refresh_wish, settle_wish
from kinds import KINDS
from training.examples import EvaluationItem, general_slice
from training.gate import judge
from training.hyperparameters import Hyperparameters, hyperparameters
from training.room import NotEnoughMemory, enough_memory
from training.shipped import checked_items, learned_items
from training.snapshot import Snapshot
from training.verdict import MIN_ITEMS, PRACTICE
from workers.cancelling import CANCELLED_S, RefreshCancelled, check_cancelled, take_back
from workers.context import Context
from workers.judging import open_judge
from workers.learning import forget_training, manifest_of, take_snapshot, tune
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
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """How a refresh ended; `report` is None where nothing could be judged."""

    outcome: str
    summary: str
    version: str | None
    report: GateReport | None


def run_refresh(context: Context, lock: RefreshLock, progress: Progress, again: bool = False) -> RefreshResult:
    """Do the refresh that the present record calls for, unless it was done already.

    It learns the documents as well, before anything else, where that was asked for or the live version did.

    One that was begun MAX_ATTEMPTS times without an end has failed; `again` begins it afresh. One for which there is
    too little memory now, or no engine to judge with, is postponed, which does not count; so is every one while a
    canary runs. One that an operator cancels leaves the record as it was before it began.

    Raises: FenceLost, DiskFull, StoreUnavailable: kept as what went wrong last. IndexDamaged where documents are to be
    learned: nothing is due for a while.
    """
    settings = context.settings
    canary = context.registry.aliases().canary
    if canary:
        why = f"version {canary.version[:12]} is on trial with {canary.share:.0%} of the chats; this waits for its end."
        return RefreshResult("postponed", why, None, None)
    clear_progress(context.store)
    _remove_drafts(context.registry)
    give_way()
    base = prepare_base(settings.model, settings.data_dir)
    renderer = renderer_of(base, settings.prompt_tokens)
    how = hyperparameters(settings)
    began = now_ms()
    asked = _asked_for_documents(context)
    snapshot = _snapshot(context, base, renderer, how, asked is not None)
    log.info("refresh %s: %s", snapshot.hash[:12], snapshot)
    with durable():
        done = context.store.hgetall(keys.run(snapshot.hash))
    failed = done.get("outcome") == "failed"
    if done.get("state") == "finished" and not (again and failed):
        _count_from(context, snapshot, asked, began)
        return RefreshResult(done["outcome"], "this was done before: " + done["summary"], done["version"] or None, None)
    if not again and int(done.get("attempts", 0)) >= MAX_ATTEMPTS:
        result = RefreshResult("failed", _why_failed(done), None, None)
        _finish(context, snapshot, result, asked, began)
        return result
    _begin(context, snapshot, again)

    with _attempt(context, lock, snapshot, began):
        watching = watched(context, lock, progress)
        try:
            with enough_memory():
                result = _refresh(context, base, renderer, snapshot, how, lock.fence, watching)
        except (NotEnoughMemory, Busy, ServingUnavailable) as error:
            lock.check()
            return _postpone(context, snapshot, str(error))
        except RefreshCancelled as error:
            lock.check()
            return _cancel(context, snapshot, done, error)
        lock.check()
        _finish(context, snapshot, result, asked, began)
    return result


def _snapshot(context: Context, base: Base, renderer: Renderer, how: Hyperparameters, documents: bool) -> Snapshot:
    """What to learn from. Where the index is damaged and needed, nothing is due for a while."""
    try:
        return take_snapshot(context, base, renderer, how, documents)
    except IndexDamaged as error:
        put_off(context.store, str(error))
        raise


def give_way() -> None:
    """Let whoever answers people go before this process."""
    os.nice(max(0, LOW_PRIORITY - os.nice(0)))


def put_off(store: Store, why: str) -> None:
    """Let nothing be due for a while. Raises: StoreUnavailable."""
    with durable():
        store.set(keys.REFRESH_POSTPONED, why, ex=POSTPONED_S)


def _asked_for_documents(context: Context) -> str | None:
    with durable():
        return context.store.get(keys.REFRESH_DOMAIN)


def watched(context: Context, lock: RefreshLock, progress: Progress) -> Progress:
    """Progress that ends a refresh whose lock is lost, or that an operator cancels; a database that is away for a
    moment ends nothing."""
    told = False

    def watching(stage: str, at: int, total: int) -> None:
        nonlocal told
        lock.check()
        try:
            check_cancelled(context.store, lock.fence)
            report_progress(context.store, stage, at, total)
        except StoreUnavailable as error:
            if not told:
                log.warning("the progress of the refresh is not shown: %s", error)
            told = True
        progress(stage, at, total)

    return watching


def _remove_drafts(registry: Registry) -> None:
    """Drafts of refreshes that were killed; the lock is held, so no other refresh writes one."""
    for draft in registry.folder.glob(f".draft-{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _attempt(context: Context, lock: RefreshLock, snapshot: Snapshot, began: int) -> Iterator[None]:
    """Keep what went wrong, and clear the progress; what another worker has taken over is left alone.

    Where somebody was forgotten since the refresh `began` (ms), nobody goes on from what it learned.
    """
    try:
        yield
        clear_progress(context.store)
    except FenceLost:
        with durable():
            forgotten = int(context.store.get(keys.FORGOTTEN) or 0)
        if forgotten >= began:
            forget_training(context, snapshot)
        raise
    except Exception as error:
        lock.check()
        with suppress(StoreUnavailable), durable():
            context.store.hset(keys.run(snapshot.hash), "error", str(error) or type(error).__name__)
            clear_progress(context.store)
        raise


def again_later(why: str) -> str:
    """How what was put off is told."""
    return f"{why} It is tried again in {POSTPONED_S // 60} minutes."


def _postpone(context: Context, snapshot: Snapshot, why: str) -> RefreshResult:
    """Leave a refresh to a later tick, as if it had not begun."""
    with durable(), context.store.pipeline() as pipe:
        pipe.hset(keys.run(snapshot.hash), mapping={"state": "postponed", "error": why})
        pipe.hincrby(keys.run(snapshot.hash), "attempts", -1)
        put_off(pipe, why)
        pipe.execute()
    log.warning("refresh %s is postponed for %d minutes: %s", snapshot.hash[:12], POSTPONED_S // 60, why)
    return RefreshResult("postponed", again_later(why), None, None)


def _cancel(context: Context, snapshot: Snapshot, before: dict[str, str], error: RefreshCancelled) -> RefreshResult:
    """Leave nothing of a refresh; `before` is what was known of its run when it began."""
    forget_training(context, snapshot)
    _remove_drafts(context.registry)
    take_back(context.store, snapshot.hash, before, error.who)
    log.info("refresh %s was cancelled by %s", snapshot.hash[:12], error.who)
    hours = CANCELLED_S // 3600
    return RefreshResult("cancelled", f"{error} None begins by itself for {hours} hour, unless asked for.", None, None)


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
    by_kind = ((snapshot.train, snapshot.evaluation), (snapshot.domain.learn, snapshot.domain.held_out))
    if not any(len(learn) >= MIN_EXAMPLES and len(judge_on) >= MIN_ITEMS for learn, judge_on in by_kind):
        summary = f"{snapshot}: at least {MIN_EXAMPLES} and {MIN_ITEMS} are needed, so nothing was trained."
        return RefreshResult("not enough evidence", summary, None, None)
    settings, registry = context.settings, context.registry
    live = registry.route()
    against = comparable(registry, live, base)
    draft = registry.draft(f"{DRAFT}{snapshot.hash[:16]}-{fence}")
    trained = tune(context, base, renderer, snapshot, how, draft, progress)
    manifest = manifest_of(draft, base, renderer.identity, snapshot, how, trained)
    seal(draft, manifest)
    verify(draft, base.name, base.hash, base.shapes(), renderer.identity, manifest.id)
    if manifest.id == live:
        return RefreshResult("not enough evidence", "the tuned version is the one that is live.", manifest.id, None)
    folders = {manifest.id: draft, against: registry.path(against)}
    report = asyncio.run(_judge(context, base, renderer, folders, manifest.id, against, snapshot, progress))
    report = replace(report, divergence=manifest.hyperparameters.get("divergence"))
    rejected = report.outcome == "reject"
    progress("publishing", 0, 0)
    registry.publish(draft, manifest, report, fence, rejected)
    if report.outcome == "promote":
        progress("going live", 0, 0)
        return _let_answer(registry, report, settings.canary_share, fence, live)
    return RefreshResult(report.outcome, report.summary, manifest.id, report)


def _let_answer(registry: Registry, report: GateReport, share: float, fence: int, live: str) -> RefreshResult:
    """Move live to a version that the gate passed, or try it with a share of the chats first.

    What replaces a version that must go is live at once.
    """
    outcome: str = report.outcome
    summary = report.summary
    try:
        if share and not report.rebuild:
            registry.start_canary(report.version, share, "gate", summary, fence, live)
            outcome, summary = "canary", f"{summary} It is tried with {share:.0%} of the chats now."
        else:
            registry.promote(report.version, "gate", summary, fence, live)
    except AliasMoved as error:
        outcome, summary = "not promoted", f"{summary} But {error}"
    return RefreshResult(outcome, summary, report.version, report)


def comparable(registry: Registry, live: str, base: Base) -> str:
    """The version that a new one is compared with: the one that is live, unless it was tuned on another base."""
    if live == BASE or registry.get(live).manifest.base_hash == base.hash:
        return live
    return BASE


async def _judge(
    context: Context,
    base: Base,
    renderer: Renderer,
    folders: dict[str, Path],
    candidate: str,
    against: str,
    snapshot: Snapshot,
    progress: Progress,
) -> GateReport:
    progress("judging", 0, 0)
    system_prompt = context.settings.system_prompt
    general = general_slice("general_gate", renderer, system_prompt)
    checked = checked_items(renderer, system_prompt)
    learned = learned_items(snapshot.train, renderer)
    evaluation = [*_permitted(context, snapshot.evaluation), *snapshot.domain.held_out]

    def said(ask: Callable[[str, Sequence[EvaluationItem]], list[T]]) -> Callable[..., list[T]]:
        """Says that it is judging before each of the gate's questions, so that one need not wait for the last."""

        def saying(version: str, items: Sequence[EvaluationItem]) -> list[T]:
            progress("judging", 0, 0)
            return ask(version, items)

        return saying

    async with open_judge(context.settings, base, folders, len(snapshot.evaluation) + len(checked)) as judging:
        return await asyncio.to_thread(
            judge,
            candidate,
            against,
            evaluation,
            general,
            said(judging.generate),
            said(judging.score),
            checked=checked,
            learned=learned,
            rebuild=context.registry.marked_live() is not None,
        )


def _permitted(context: Context, items: Sequence[EvaluationItem]) -> list[EvaluationItem]:
    """Frozen prompts, with whether programs that answer them may be run: as for whoever asked, and not where personal
    data was taken out of their tests.

    An instruction of practice judges nothing where its answers may not be carried out.
    """
    turns = context.turns.get_many([item.id for item in items if KINDS[item.kind].runs])
    allowed = {turn_id: context.permission.may_run(turn.author) for turn_id, turn in turns.items()}

    def permitted(item: EvaluationItem) -> EvaluationItem:
        may_run = allowed.get(item.id, False) and not holds_personal_data(item.task.instruction)
        return replace(item, task=replace(item.task, may_run=may_run))

    return [i for i in map(permitted, items) if i.slice != PRACTICE or i.task.may_run or not KINDS[i.kind].runs]


def _begin(context: Context, snapshot: Snapshot, again: bool) -> None:
    with durable(), context.store.pipeline() as pipe:
        if again:
            pipe.delete(keys.run(snapshot.hash))
        pipe.hset(keys.run(snapshot.hash), "state", "running")
        pipe.hincrby(keys.run(snapshot.hash), "attempts", 1)
        pipe.execute()
    begin_progress(context.store, snapshot.hash)


def _count_from(context: Context, snapshot: Snapshot, asked: str | None, looked: int) -> None:
    repeated = {"repeated": now_ms()} if refresh_wish(context.store) else {}
    with durable():
        context.store.hset(keys.REFRESH_LAST, mapping={"until": snapshot.until, "looked": looked} | repeated)
    _answer_request(context, asked)


def _answer_request(context: Context, asked: str | None) -> None:
    """Neither a refresh nor the documents need be asked for any more, unless that was done while it ran."""
    settle_wish(context.store)
    if asked is not None and _asked_for_documents(context) == asked:
        with durable():
            context.store.delete(keys.REFRESH_DOMAIN)


def _finish(context: Context, snapshot: Snapshot, result: RefreshResult, asked: str | None, looked: int) -> None:
    """Record the end of a run: its snapshot is never done again, and counting starts anew after its newest item.

    `looked` (ms) is when the record was read, so that what cannot be learned from makes nothing due twice.
    """
    ended = {"outcome": result.outcome, "summary": result.summary, "version": result.version or ""}
    now = now_ms()
    with durable(), context.store.pipeline() as pipe:
        pipe.hset(keys.run(snapshot.hash), mapping=ended | {"state": "finished", "until": snapshot.until})
        last = {"at": now, "until": snapshot.until, "looked": looked, "snapshot": snapshot.hash}
        pipe.hset(keys.REFRESH_LAST, mapping=ended | last)
        note_spent(pipe, now, (now - looked) // 1000)
        pipe.execute()
    _answer_request(context, asked)
    log.info("refresh %s ended: %s. %s", snapshot.hash[:12], result.outcome, result.summary)
