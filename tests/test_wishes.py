"""What an operator asks of the schedule: a refresh now, and the end of one that runs."""

import pytest

from core import keys
from core.errors import InvalidInput
from core.records import BASE, Message, Turn, new_id, now_ms
from core.settings import CHECKPOINT_FILE, TRAINING_FOLDER, Settings
from feedback.audit import AuditLog
from feedback.curves import Point, add_point, read_curve
from feedback.progress import read_progress
from feedback.reviews import NewDecision
from feedback.wishes import ask_for_refresh, ask_to_cancel, refresh_wish
from tests.adapter_files import publish_peft
from training import train
from training.outlook import look_ahead
from workers import refresh, tasks
from workers.context import open_context
from workers.due import refresh_due
from workers.lock import RefreshLock
from workers.refresh import RefreshResult, run_refresh

NOTHING = RefreshResult("not enough evidence", "nothing new.", None, None)


@pytest.fixture
def context(store, valkey_url, tmp_path, base, monkeypatch):
    monkeypatch.setattr(refresh, "prepare_base", lambda model, folder: base)
    monkeypatch.setattr(refresh, "LOW_PRIORITY", 0)
    return open_context(Settings(data_dir=tmp_path, redis_url=valkey_url, refresh_min_items=100))


def approve(context, count: int, author: str | None = None) -> None:
    turns = [
        Turn(
            id=new_id(),
            messages=(Message("user", f"What is {n} and {new_id()[:4]}?", author),),
            reply=f"It is {n}.",
            origin="import",
            status="complete",
            created_at=now_ms(),
        )
        for n in range(count)
    ]
    context.turns.add_closed(turns)
    context.reviews.decide_many([NewDecision(t, "approve", "everyone", t.reply) for t in turns], "operator")


def do(context, progress=lambda stage, done, total: None) -> RefreshResult:
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        return run_refresh(context, lock, progress)


def kept(context) -> dict[str, object]:
    """All of the record that a refresh writes to, but the audit log and what the schedule waits for."""
    store = context.store
    found = {key: store.hgetall(key) for key in (keys.ALIASES, keys.REFRESH_LAST, keys.REFRESH_PROGRESS)}
    runs = {key: store.hgetall(key) for key in store.scan_iter(keys.PREFIX + "run:*") if not key.endswith(":curve")}
    return found | runs | {"versions": context.registry.versions(), "curves": [*store.scan_iter("*:curve")]}


def test_a_running_refresh_is_cancelled_between_two_steps_and_leaves_nothing(context, monkeypatch):
    monkeypatch.setattr(train, "SAVE_S", 0)
    approve(context, 100)
    before, checkpoint = kept(context), context.settings.data_dir / TRAINING_FOLDER / CHECKPOINT_FILE
    steps, seen = [], []

    def watch(stage: str, done: int, total: int) -> None:
        steps.append((stage, done))
        if done == 2:
            running = read_progress(context.store, 100)
            seen.append((running.stage, running.began, checkpoint.exists(), read_curve(context.store, running.run)))
            ask_to_cancel(context.store, running.fence, running.run, "ann", "it learns nonsense")

    assert refresh_due(context) == "100 newly approved items"
    result = do(context, watch)
    assert (result.outcome, result.version) == ("cancelled", None) and "ann cancelled the refresh" in result.summary
    assert steps == [("learning", 1), ("learning", 2)]
    ((stage, began, had_checkpoint, curve),) = seen
    assert stage == "learning" and began and had_checkpoint
    assert [point.step for point in curve] == [1, 2] and all(point.loss > 0 for point in curve)
    assert curve[0].divergence is not None, "the first step of each four is held to the budget"

    assert kept(context) == before and not checkpoint.exists() and not list(context.registry.folder.iterdir())
    done, asked = AuditLog(context.store).page(count=2)
    assert (asked.what, asked.who, asked.why) == ("refresh cancel", "ann", "it learns nonsense")
    assert (done.what, done.who, done.why) == ("refresh cancelled", "worker", "as ann asked")
    assert refresh_due(context) is None, "it does not begin again by itself"
    ask_for_refresh(context.store, "ben", "now it is right")
    assert refresh_due(context) == "ben asked for one"


def test_one_that_is_judged_ends_before_the_gates_next_question_and_is_not_published(context, monkeypatch):
    approve(context, 60)
    questions = []

    def judged(context_, base, renderer, snapshot, how, fence, progress):
        for question in range(3):
            progress("judging", 0, 0)
            questions.append(question)
            ask_to_cancel(context.store, fence, snapshot.hash, "ann", "")

    monkeypatch.setattr(refresh, "_refresh", judged)
    assert do(context).outcome == "cancelled" and questions == [0]


def test_a_request_to_cancel_ends_no_later_refresh(context, monkeypatch):
    monkeypatch.setattr(refresh, "_refresh", lambda *given: given[-1]("learning", 1, 2) or NOTHING)
    approve(context, 60)
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        ask_to_cancel(context.store, lock.fence, "", "ann", "")
        earlier = lock.fence
    with pytest.raises(InvalidInput, match="has ended already"):
        ask_to_cancel(context.store, earlier, "", "ann", "")
    assert do(context) == NOTHING


def test_a_refresh_that_was_asked_for_is_begun_by_the_schedule_even_if_it_failed_before(context, monkeypatch):
    monkeypatch.setattr(tasks, "settings", context.settings)
    results = [RuntimeError("the disk is wet")] * 3
    monkeypatch.setattr(refresh, "_refresh", lambda *given: raised(results.pop(0)))
    approve(context, 100)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            tasks.refresh()
    tasks.refresh()
    assert context.store.hget(keys.REFRESH_LAST, "outcome") == "failed" and refresh_due(context) is None

    results += [RuntimeError("still wet"), NOTHING]
    ask_for_refresh(context.store, "ann", "the disk is dry")
    with pytest.raises(InvalidInput, match="asked for already"):
        ask_for_refresh(context.store, "ben", "")
    assert refresh_due(context) == "ann asked for one"
    with pytest.raises(RuntimeError):
        tasks.refresh()
    assert refresh_wish(context.store).begun and refresh_due(context), "it is tried again"
    tasks.refresh()
    assert context.store.hget(keys.REFRESH_LAST, "outcome") == "not enough evidence"
    assert refresh_wish(context.store) is None and refresh_due(context) is None

    ask_for_refresh(context.store, "ann", "once more")
    tasks.refresh()
    assert refresh_wish(context.store) is None, "there is nothing new to learn"
    assert int(context.store.hget(keys.REFRESH_LAST, "repeated")) > int(context.store.hget(keys.REFRESH_LAST, "at"))


def raised(result):
    if isinstance(result, BaseException):
        raise result
    return result


def test_none_is_asked_for_while_one_runs_or_a_version_is_on_trial(context):
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        with pytest.raises(InvalidInput, match="running already"):
            ask_for_refresh(context.store, "ann", "")
    context.registry.start_canary(publish_peft(context.registry, 1), 0.5, "ann", "", None, BASE)
    with pytest.raises(InvalidInput, match="on trial"):
        ask_for_refresh(context.store, "ann", "")
    assert refresh_wish(context.store) is None and AuditLog(context.store).page(count=1)[0].what == "canary"


def test_a_curve_keeps_the_newest_figures_of_a_step_that_was_made_again(store):
    add_point(store, "run", 1, {"loss": 2.0, "learning rate": 0.1})
    add_point(store, "run", 2, {"loss": 1.0, "learning rate": 0.1, "divergence": 0.01})
    add_point(store, "run", 2, {"watched right": 0.25, "watched loss": 0.5})
    add_point(store, "run", 2, {"loss": 1.5})
    assert read_curve(store, "run") == [Point(1, 2.0), Point(2, 1.5, 0.01, 0.25, 0.5)]
    assert 0 < store.ttl(keys.curve("run")) and read_curve(store, "another") == []


def test_what_the_next_refresh_would_contain_is_what_its_snapshot_contains(context, base):
    from adapters.base import load_tokenizer
    from core.prompt import Renderer
    from training.hyperparameters import hyperparameters
    from workers.learning import take_snapshot

    approve(context, 40)
    approve(context, 3, author="somebody who was not asked")
    turn = Turn(new_id(), (Message("user", "How?"),), reply="So.", origin="import", status="complete", created_at=1)
    context.turns.add_closed([turn])
    context.reviews.decide_many([NewDecision(turn, "edit", "everyone", "Like this.")], "operator")
    record = context.record
    outlook = look_ahead(record, context.settings, ())
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, 512)
    snapshot = take_snapshot(context, base, renderer, hyperparameters(context.settings))
    assert (outlook.count("train"), outlook.count("evaluation")) == (len(snapshot.train), len(snapshot.evaluation))
    assert outlook.left_out | {"re-rendered": len(snapshot.train) + len(snapshot.evaluation)} == snapshot.counts
    assert outlook.left_out["without consent"] == 3 - outlook.left_out.get("between the sets", 0)
    assert {row.slice for row in outlook.rows} == {"new"} and {row.objective for row in outlook.rows} <= {"sft", "pair"}
