"""One refresh over the real record, with training and judging left out: how it begins, ends, and is begun again."""

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from core import keys
from core.errors import Busy, DiskFull, FenceLost, PromptTooLong, StoreUnavailable
from core.records import BASE, GateReport, Manifest, Message, Turn, new_id, now_ms
from core.settings import CHECKPOINT_FILE, TRAINING_FOLDER, Settings
from feedback.progress import read_progress, report_progress
from feedback.reviews import NewDecision
from feedback.spent import spent
from serving.engine import Delta
from training.examples import EvaluationItem
from training.room import NotEnoughMemory
from training.snapshot import Snapshot
from training.verdict import MIN_ITEMS
from workers import refresh
from workers.context import open_context
from workers.due import refresh_due
from workers.judging import Judge
from workers.lock import RefreshLock
from workers.refresh import MIN_EXAMPLES, RefreshResult, run_refresh

NOTHING = RefreshResult("not enough evidence", "nothing new.", None, None)


@pytest.fixture
def context(store, valkey_url, tmp_path, base, monkeypatch):
    monkeypatch.setattr(refresh, "prepare_base", lambda model, folder: base)
    monkeypatch.setattr(refresh, "LOW_PRIORITY", 0)
    return open_context(Settings(data_dir=tmp_path, redis_url=valkey_url, refresh_min_items=5))


def approve(context, count: int, scope: str = "everyone") -> None:
    turns = [
        Turn(
            id=new_id(),
            messages=(Message("user", f"q {new_id()}"),),
            reply="a",
            origin="import",
            status="complete",
            created_at=now_ms(),
        )
        for _ in range(count)
    ]
    context.turns.add_closed(turns)
    context.reviews.decide_many([NewDecision(t, "approve", scope, "a") for t in turns], "operator")


def ends(monkeypatch, *results) -> None:
    """What training and judging come to, run after run; an exception is raised."""
    left = list(results)

    def run(*given, **named):
        result = left.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(refresh, "_refresh", run)


def do(context, **how) -> RefreshResult:
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        return run_refresh(context, lock, lambda stage, done, total: None, **how)


def published(context, version: str, base_hash: str) -> None:
    """Enter a version without files into the record, and let it answer."""
    draft = context.registry.draft(version)
    manifest = Manifest(version, BASE, "m", base_hash, "r1-x-1", "lora", 1, 1.0, (), source_digests=("ann",))
    context.registry.publish(draft, manifest)
    context.registry.promote(version, "operator", "")


def report_of(version: str, against: str) -> GateReport:
    return GateReport(version, against, (), (), (), 0.01, (), (), "promote", "better.", now_ms())


def without_training(monkeypatch, version: str) -> list[str]:
    """Stand in for training and judging; what each candidate was judged against is returned."""
    opponents: list[str] = []

    async def judged(context, base, renderer, folders, candidate, against, snapshot, progress):
        opponents.append(against)
        return report_of(candidate, against)

    manifest = Manifest(version, BASE, "m", "new", "r1-x-1", "lora", 1, 1.0, ())
    monkeypatch.setattr(refresh, "_judge", judged)
    monkeypatch.setattr(refresh, "tune", lambda *given: None)
    monkeypatch.setattr(refresh, "manifest_of", lambda *given: manifest)
    for name in ("seal", "verify"):
        monkeypatch.setattr(refresh, name, lambda *given: None)
    return opponents


@pytest.mark.parametrize(("live_base", "opponent"), [("old", BASE), ("new", "l" * 64)])
def test_what_was_tuned_on_another_base_is_not_judged_against(context, monkeypatch, live_base, opponent):
    live, candidate = "l" * 64, "c" * 64
    published(context, live, live_base)
    context.store.set(keys.REFRESH_FENCE, 1)
    opponents = without_training(monkeypatch, candidate)
    base = SimpleNamespace(folder=None, name="m", hash="new", shapes=lambda: {})
    snapshot = Snapshot("h" * 64, (None,) * MIN_EXAMPLES, (None,) * MIN_ITEMS, 1)
    renderer = SimpleNamespace(identity="r1-x-1")
    result = refresh._refresh(context, base, renderer, snapshot, None, 1, lambda *at: None)
    assert (result.outcome, opponents) == ("promote", [opponent])
    assert context.registry.route() == candidate


def test_what_passed_the_gate_is_tried_with_a_share_of_the_chats_first_and_the_next_waits(context, monkeypatch):
    candidate = "c" * 64
    context = replace(context, settings=context.settings.model_copy(update={"canary_share": 0.2}))
    context.store.set(keys.REFRESH_FENCE, 1)
    without_training(monkeypatch, candidate)
    base = SimpleNamespace(folder=None, name="m", hash="new", shapes=lambda: {})
    snapshot = Snapshot("h" * 64, (None,) * MIN_EXAMPLES, (None,) * MIN_ITEMS, 1)
    renderer = SimpleNamespace(identity="r1-x-1")
    result = refresh._refresh(context, base, renderer, snapshot, None, 1, lambda *at: None)
    assert result.outcome == "canary" and "better. It is tried with 20% of the chats now." == result.summary
    canary = context.registry.aliases().canary
    assert (canary.version, canary.share, canary.against) == (candidate, 0.2, BASE) and context.registry.route() == BASE
    approve(context, 5)
    waiting = do(context, again=True)
    assert waiting.outcome == "postponed" and "is on trial with 20% of the chats" in waiting.summary
    assert not context.store.exists(keys.REFRESH_POSTPONED), "it is due as soon as the trial has ended"


def test_approvals_for_one_chat_make_no_refresh_due(context, monkeypatch):
    ends(monkeypatch, NOTHING)
    approve(context, 5, "chat")
    assert refresh_due(context) is None and read_progress(context.store, 5).approved == 0
    approve(context, 5)
    assert refresh_due(context) == "5 newly approved items"
    assert do(context) == NOTHING
    context.store.hset(keys.REFRESH_LAST, "until", 0)
    assert refresh_due(context)
    assert do(context).summary == "this was done before: nothing new."
    assert refresh_due(context) is None, "what was done before is not due again"


@pytest.mark.parametrize("policy", ["all", "none"])
def test_thumbs_make_a_refresh_due_where_they_count_without_a_decision(context, policy):
    context = replace(context, settings=context.settings.model_copy(update={"review_policy": policy}))
    approve(context, 2)
    turns = [Turn(new_id(), (Message("user", f"Question {n}?"),), reply="Yes.", created_at=now_ms()) for n in range(3)]
    context.turns.add_closed(turns)
    for turn in turns:
        context.ratings.rate(turn.id, "zoe", 1)
    assert refresh_due(context) == (None if policy == "all" else "5 turns with new feedback")


def test_a_refresh_that_is_killed_or_breaks_three_times_has_failed(context, monkeypatch):
    approve(context, 5)
    ends(
        monkeypatch, KeyboardInterrupt(), RuntimeError("a bug."), MemoryError(), DiskFull("the disk is full."), NOTHING
    )
    for kind in (KeyboardInterrupt, RuntimeError, MemoryError):
        assert refresh_due(context)
        with pytest.raises(kind):
            do(context)
    failed = do(context)
    assert failed.outcome == "failed" and "3 times" in failed.summary and "MemoryError" in failed.summary
    assert refresh_due(context) is None
    assert do(context).summary.startswith("this was done before")
    with pytest.raises(DiskFull):
        do(context, again=True)
    assert do(context) == NOTHING, "a person began it afresh"
    assert spent(context.store, now_ms()).refreshes == 2, "what came to an end is counted"


def test_one_that_has_no_room_is_postponed_as_often_as_it_takes(context, monkeypatch, caplog):
    approve(context, 5)
    out_of_memory = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    no_room = NotEnoughMemory("training needs about 20.0 GiB.")
    ends(
        monkeypatch, out_of_memory, no_room, Busy("no vLLM server."), RuntimeError("CUDA error: out of memory"), NOTHING
    )
    for why in ("ran out", "20.0 GiB", "no vLLM server", "ran out"):
        result = do(context)
        assert result.outcome == "postponed" and why in result.summary and "10 minutes" in result.summary
        assert why in caplog.text and refresh_due(context) is None
        assert 0 < context.store.ttl(keys.REFRESH_POSTPONED) <= 600
        context.store.delete(keys.REFRESH_POSTPONED)
        assert refresh_due(context), "it was never done"
    assert do(context) == NOTHING and refresh_due(context) is None


def test_what_replaces_a_marked_version_is_tried_anew_and_need_only_be_no_worse(context, monkeypatch):
    ends(monkeypatch, NOTHING, NOTHING)
    published(context, "l" * 64, "new")
    approve(context, 5)
    assert do(context) == NOTHING and do(context).summary.startswith("this was done before")
    rules = []
    monkeypatch.setattr(refresh, "open_judge", lambda *given: nullcontext(SimpleNamespace(generate=None, score=None)))
    monkeypatch.setattr(refresh, "judge", lambda *given, **named: rules.append(named))
    for name in ("general_slice", "checked_items", "learned_items"):
        monkeypatch.setattr(refresh, name, lambda *given: [])
    snapshot = Snapshot("h" * 64, (), (), 1)
    for author in ("nobody in it", "ann"):
        context.registry.marks.mark([], author, "operator", "")
        asyncio.run(refresh._judge(context, None, None, {}, "c" * 64, "l" * 64, snapshot, lambda *at: None))
    assert [rule["rebuild"] for rule in rules] == [False, True]
    assert do(context) == NOTHING and do(context).summary.startswith("this was done before")


def test_what_replaces_a_marked_version_is_live_at_once(context):
    marked, rebuilt = "a" * 64, "b" * 64
    context.store.set(keys.REFRESH_FENCE, 1)
    published(context, rebuilt, "new")
    published(context, marked, "new")
    report = replace(report_of(rebuilt, marked), rebuild=True)
    assert refresh._let_answer(context.registry, report, 0.2, 1, marked).outcome == "promote"
    assert context.registry.route() == rebuilt and context.registry.aliases().canary is None


def test_nobody_goes_on_from_what_a_refresh_learned_of_somebody_who_was_forgotten_meanwhile(context, monkeypatch):
    approve(context, 5)
    checkpoint = context.settings.data_dir / TRAINING_FOLDER / CHECKPOINT_FILE
    checkpoint.parent.mkdir()
    for was_forgotten in (False, True):
        with RefreshLock(context.store, 30) as lock:
            assert lock.try_acquire()

            def ended(*given, was_forgotten=was_forgotten, lock=lock):
                if was_forgotten:
                    context.store.set(keys.FORGOTTEN, now_ms())
                checkpoint.write_bytes(b"weights")
                lock._lost = True
                return NOTHING

            monkeypatch.setattr(refresh, "_refresh", ended)
            with pytest.raises(FenceLost):
                run_refresh(context, lock, lambda *at: None)
        assert checkpoint.exists() is not was_forgotten


def test_a_refresh_that_was_taken_over_leaves_everything_to_the_other(context, monkeypatch):
    approve(context, 5)
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()

        def taken_over(*given):
            report_progress(context.store, "learning", 1, 2)
            lock._lost = True
            return NOTHING

        monkeypatch.setattr(refresh, "_refresh", taken_over)
        with pytest.raises(FenceLost):
            run_refresh(context, lock, lambda *at: None)
    (run,) = context.store.scan_iter(keys.run("*"))
    assert context.store.hget(run, "state") == "running"
    assert context.store.exists(keys.REFRESH_PROGRESS) and not context.store.exists(keys.REFRESH_LAST)


def test_a_database_away_for_a_moment_ends_no_training(context, monkeypatch, caplog):
    reported, going = [], iter([StoreUnavailable("away."), StoreUnavailable("away."), None])

    def report(store, *at):
        if error := next(going):
            raise error
        reported.append(at)

    monkeypatch.setattr(refresh, "report_progress", report)
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        seen = []
        watched = refresh.watched(context, lock, lambda *at: seen.append(at))
        for done in (1, 2, 3):
            watched("learning", done, 3)
        assert (len(seen), reported) == (3, [("learning", 3, 3)]) and caplog.text.count("is not shown") == 1
        lock._lost = True
        with pytest.raises(FenceLost):
            watched("learning", 3, 3)


def test_progress_is_shown_as_long_as_the_lock_is_held(context):
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        report_progress(context.store, "judging", 0, 0)
        assert read_progress(context.store, 5).stage == "judging"
    assert read_progress(context.store, 5).stage is None, "it was killed, and its lock is gone"


def test_drafts_of_killed_refreshes_are_removed_and_others_stay(context, monkeypatch):
    ends(monkeypatch, NOTHING)
    context.registry.draft("refresh-killed-7")
    context.registry.draft("install-now")
    do(context)
    assert [p.name for p in context.registry.folder.iterdir()] == [".draft-install-now"]


async def test_a_long_frozen_item_is_judged_within_the_context(context):
    asked = []

    class Engine:
        async def generate(self, request):
            asked.append(request.max_tokens)
            if len(request.prompt_ids) > 90:
                raise PromptTooLong("too long.")
            yield Delta("Yes.", 1, "stop")

    items = [EvaluationItem(str(n), (1,) * n, (1,) * 60, "") for n in (10, 50, 99)]
    items.append(EvaluationItem("safety:0", (1,) * 10, (), "{}", "checked", "safety"))
    judging = Judge(Engine(), asyncio.get_running_loop(), 140, 64)
    answers = await asyncio.to_thread(judging.generate, BASE, items)
    assert asked == [106, 90, 41, 48] and [a.text for a in answers] == ["Yes.", "Yes.", "", "Yes."]
    assert [a.ended for a in answers] == [True, True, False, True]
