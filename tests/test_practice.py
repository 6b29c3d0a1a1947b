"""Practice: answers that a version tries for itself, carried out, learned from, judged by, exported and forgotten."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from adapters.base import load_tokenizer
from apprentice import app
from bench.programs import programs
from core import keys
from core.errors import FenceLost, NotFound
from core.prompt import Renderer
from core.records import BASE, Message, Turn, new_id, now_ms
from core.settings import Settings
from feedback.portability import Portability
from feedback.spent import spent
from kinds.kind import Finding
from kinds.sandbox import what_is_lacking
from tests.test_gate import GENERAL
from tests.test_train import no_rest, tiny  # noqa: F401
from training.effects import effects
from training.gate import Answered, judge
from training.hyperparameters import Hyperparameters
from training.lessons import instructions, practised
from training.outlook import look_ahead, why_due
from training.report import as_text
from training.snapshot import Recipe, build
from workers import practising, refresh
from workers.context import open_context
from workers.cycle import learn as do_cycle
from workers.judging import Judge
from workers.lock import RefreshLock
from workers.practising import practise

isolated = pytest.mark.skipif(what_is_lacking() is not None, reason=what_is_lacking() or "")
RAN, FAILED = Finding(1.0, "passed", "Ran in 0.01 s and passed its tests.", 10), Finding(0.0, "failed", "NameError: x")
GOOD, BAD = "```python\ndef f(): return 1\n```", "```python\nx\n```"


@pytest.fixture
def context(store, valkey_url, tmp_path, base, monkeypatch):
    for module in (refresh, practising):
        monkeypatch.setattr(module, "prepare_base", lambda model, folder: base)
    monkeypatch.setattr(refresh, "LOW_PRIORITY", 0)
    facts = {"data_dir": tmp_path, "redis_url": valkey_url, "run_code": "everyone", "prompt_tokens": 512}
    opened = open_context(Settings(**facts, reply_tokens=48, refresh_min_items=5, epochs=1, lora_rank=2))
    for person in ("ann", "bob"):
        opened.people.set_consent(person, "yes")
    return opened


@pytest.fixture
def renderer(context, base):
    return Renderer(load_tokenizer(base), base.tokenizer_hash, context.settings.prompt_tokens)


@pytest.fixture
def held(context):
    """The lock under which a refresh runs."""
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        yield lock


def asked(context, instruction: str, author: str = "ann", found: Finding = FAILED, **facts) -> Turn:
    """A program that somebody asked for, with what came of the answer."""
    said = {"reply": BAD, "status": "complete", "kind": "code", "created_at": now_ms()} | facts
    turn = Turn(new_id(), (Message("user", instruction, author),), author=author, **said)
    context.turns.open(turn)
    context.turns.close(turn)
    context.observations.record(turn.id, found.value, found.why, found.said, found.took_ms)
    return turn


def tried(context, lock: RefreshLock, turn: Turn, reply: str, found: Finding, **facts) -> Turn:
    """An answer of practice."""
    facts = {"status": "complete", "beside": turn.id, "origin": "practice", "created_at": now_ms()} | facts
    attempt = replace(turn, id=new_id(), reply=reply, **facts)
    context.practice.add(attempt, found, lock.value)
    return attempt


def sides(context, count: int) -> tuple[list[str], list[str]]:
    """Instructions that would be learned from, and ones that would judge."""
    found = {"train": [], "evaluation": [], "excluded": []}
    texts = programs()[0]
    splits = context.reviews.splits([Turn(new_id(), (Message("user", text),)) for text in texts])
    for text, side in zip(texts, splits, strict=True):
        found[side].append(text)
    return found["train"][:count], found["evaluation"][:count]


def snapshot(context, renderer, **facts):
    return build(context.record, renderer, Recipe(context.settings.system_prompt, "b", Hyperparameters(), **facts))


def quietly(stage, done, total):
    pass


@isolated
def test_a_version_tries_what_it_was_asked_and_what_works_is_learned(context, renderer, held):
    learn, judge = sides(context, 3)
    learned, frozen = [asked(context, text) for text in learn], [asked(context, text) for text in judge]
    asked(context, learn[0].replace("number", "value"), author="unwilling")
    asked(context, "What is the capital of France?", kind="chat")
    assert practise(context, held, quietly) is None, "off until it is asked for"
    context.practice.ask()
    result = practise(context, held, quietly)
    assert (result.outcome, result.answers) == ("practised", 3 * practising.SAMPLES)
    costs = spent(context.store, now_ms())
    assert costs.refreshes == 0 and costs.seconds > 0
    attempts = context.practice.attempts()
    assert attempts.keys() == {turn.id for turn in learned}, "no frozen one, and nobody's who does not consent"
    for attempt in (a for those in attempts.values() for a in those):
        turn = attempt.turn
        assert (turn.origin, turn.adapter, turn.author, turn.status) == ("practice", BASE, "ann", "complete")
        assert attempt.observation.why and turn.reply and context.turns.head("c") is None
    assert len({a.turn.reply for those in attempts.values() for a in those}) > 3, "each draws numbers of its own"
    assert context.practice.asked() is None and practise(context, held, quietly) is None

    found = snapshot(context, renderer)
    assert found.counts == {"re-rendered": 3}, "the frozen ones; what was practised is the prompt that was answered"
    assert {e.source for e in found.train} <= {a.turn.id for those in attempts.values() for a in those} | {
        turn.id for turn in learned
    }
    assert {(item.id, item.slice, item.reply_ids) for item in found.evaluation} == {
        (turn.id, "practice", ()) for turn in frozen
    }
    context.practice.ask()
    assert practise(context, held, quietly).answers == 0, "the version answered all of them already"


@isolated
def test_what_may_not_be_run_is_not_practised_and_judges_nothing(context, held, renderer):
    learn, judge = sides(context, 1)
    turn = asked(context, learn[0])
    asked(context, judge[0])
    tried(context, held, turn, GOOD, RAN)
    settings = context.settings.model_copy(update={"run_code": "nobody"})
    closed = open_context(settings)
    closed.practice.ask()
    assert practise(closed, held, quietly).answers == 0
    frozen = snapshot(context, renderer).evaluation
    assert len(frozen) == 1 and refresh._permitted(closed, frozen) == []
    assert [item.task.may_run for item in refresh._permitted(context, frozen)] == [True]


def test_one_that_works_is_learned_rather_than_one_that_does_not(context, held, renderer):
    learn, _ = sides(context, 4)
    mixed, hopeless, known, decided = (asked(context, text) for text in learn)
    works = tried(context, held, mixed, GOOD, RAN)
    tried(context, held, mixed, GOOD + "\n\nThis function returns 1.", RAN)
    tried(context, held, mixed, BAD, FAILED)
    fails = tried(context, held, hopeless, BAD, FAILED)
    tried(context, held, hopeless, "", Finding(0.0, "no_code"))
    context.observations.record(known.id, 1.0, "passed")
    tried(context, held, known, BAD + " ", FAILED)
    tried(context, held, decided, GOOD, RAN)
    context.reviews.decide(decided.id, "edit", "operator", "everyone", "```python\npass\n```")
    told = {s.turn.id: (s.objective, s.reply, s.rejected) for s in practised(context.record)}
    assert told == {
        works.id: ("pair", GOOD, BAD),
        fails.id: ("undesirable", BAD, ""),
        known.id: ("sft", BAD, ""),
    }, "the served answer is an attempt as well"
    examples = snapshot(context, renderer, author_share=1.0).train
    assert {e.source for e in examples} == {works.id, fails.id, known.id, decided.id}
    assert {e.source: e.author for e in examples}[works.id] == "ann"
    known_outcomes = {e.source.turn.id: e.value for e in effects(context.record, [])}
    assert (known_outcomes[works.id], known_outcomes[fails.id]) == (1.0, 0.0), "the outcome head learns from them too"
    rows = look_ahead(context.record, context.settings, ()).rows
    assert {(row.objective, row.count) for row in rows} == {("pair", 2), ("undesirable", 1), ("sft", 1)}


def test_what_worked_when_it_was_asked_is_learned_where_every_try_in_practice_failed(context, held):
    learn, _ = sides(context, 2)
    failed, other = asked(context, learn[0]), asked(context, learn[1])
    repaired = asked(context, learn[0], found=RAN, reply=GOOD, regenerates=failed.id)
    asked(context, learn[1], author="bob", found=RAN, reply=GOOD)
    asked(context, learn[1], found=RAN, reply=GOOD, chat="another")
    for turn in (failed, other):
        tried(context, held, turn, BAD + " ", FAILED)
    told = {s.turn.id: (s.objective, s.reply) for s in practised(context.record)}
    assert told.pop(repaired.id) == ("pair", GOOD)
    assert [objective for objective, _ in told.values()] == ["undesirable"], "another's answers, and another chat's"


def test_instructions_that_differ_by_a_sign_are_two(context, held):
    learn, _ = sides(context, 1)
    plus, minus = (f"Write a function `f` of a and b that returns a {sign} b.\nassert f(0, 0) == 0" for sign in "+-")
    assert learn and len({context.reviews.splits([asked(context, text)])[0] for text in (plus, minus)}) == 1
    assert {i.turn.messages[0].content for i in instructions(context.record)} == {plus, minus}


def test_tests_out_of_which_personal_data_was_taken_judge_nothing(context, renderer, held):
    learn, judge = sides(context, 1)
    known = asked(context, judge[0])
    tried(context, held, asked(context, learn[0]), GOOD, RAN)
    asked(context, learn[0] + "\nassert is_email('ann@example.org')")
    assert [i.turn.messages[0].content for i in instructions(context.record)] == [judge[0], learn[0]]
    (item,) = snapshot(context, renderer).evaluation
    assert item.id == known.id
    scrubbed = replace(item, task=replace(item.task, instruction="assert is_email('[email]')"), slice="new")
    assert [i.task.may_run for i in refresh._permitted(context, [item, scrubbed])] == [True, False]


def test_of_one_question_asked_twice_the_first_is_practised(context):
    (text,), _ = sides(context, 1)
    first = asked(context, text)
    asked(context, text + "  ", author="bob")
    asked(context, text, beside=first.id)
    assert [each.turn.id for each in instructions(context.record)] == [first.id]


def test_practice_is_due_when_asked_for_and_makes_nothing_due(context, held, monkeypatch):
    (text,), _ = sides(context, 1)
    turn = asked(context, text)
    facts = (context.store, context.registry, context.reviews)
    context.store.delete(keys.REFRESH_LOCK)
    open_settings = context.settings.model_copy(update={"review_policy": "none"})
    practising_ones = context.settings.model_copy(update={"practice": 2})
    assert why_due(context.settings, *facts) is None
    for _ in range(4):
        asked(context, text)
    assert why_due(context.settings, *facts) is None
    assert why_due(open_settings, *facts) == why_due(practising_ones, *facts) == "5 turns with new feedback"
    context.store.hset(keys.REFRESH_LAST, mapping={"at": now_ms(), "looked": now_ms(), "until": 0})
    assert why_due(open_settings, *facts) is None, "what was looked at makes nothing due again, learned from or not"
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        for _ in range(6):
            tried(context, lock, turn, GOOD, RAN, created_at=now_ms() + 60_000)
    assert why_due(open_settings, *facts) is None and why_due(practising_ones, *facts) is None
    monkeypatch.setenv("APPRENTICE_DATA_DIR", str(context.settings.data_dir))
    monkeypatch.setenv("APPRENTICE_REDIS_URL", context.settings.redis_url)
    said = CliRunner().invoke(app, ["refresh", "--practice"])
    assert said.output.split() == "It will practise: the schedule starts a refresh as soon as it may.".split()
    assert why_due(context.settings, *facts) == "the next version is to practise first"


def test_practice_is_exported_and_forgotten_with_who_asked(context, held):
    learn, _ = sides(context, 2)
    turn, others = asked(context, learn[0]), asked(context, learn[1], author="bob")
    attempt, theirs = tried(context, held, turn, GOOD, RAN), tried(context, held, others, GOOD, RAN)
    told = Portability(context.store, context.turns, context.ratings, context.reviews)
    assert attempt.id in json.dumps(told.of("ann"), default=str)
    context.forgetting.forget("ann", "operator")
    assert not context.turns.get_many([turn.id, attempt.id]) and context.turns.get(theirs.id)
    assert context.store.zrange(keys.PRACTICE, 0, -1) == [theirs.id] and not context.observations.of([attempt.id])
    with pytest.raises(FenceLost):
        tried(context, held, others, GOOD, RAN)
    with RefreshLock(context.store, 30) as lock:
        assert lock.try_acquire()
        with pytest.raises(NotFound):
            tried(context, lock, turn, GOOD, RAN)
    assert not context.turns.get_many([turn.id])


@isolated
def test_a_practice_that_an_operator_cancels_keeps_what_it_had(context, monkeypatch, held):
    learn, _ = sides(context, 12)
    for text in learn:
        asked(context, text)
    context.practice.ask()
    context.store.hset(keys.REFRESH_CANCEL, mapping={"fence": "0", "who": "kim"})

    def cancelled(stage, done, total):
        if done:
            context.store.hset(keys.REFRESH_CANCEL, mapping={"fence": str(held.fence), "who": "kim"})

    def sample(self, requests):
        return [Answered(GOOD, True) for _ in requests]

    monkeypatch.setattr(Judge, "sample", sample)
    result = practise(context, held, cancelled)
    assert result.outcome == "cancelled" and "kim cancelled the refresh" in result.summary
    kept = sum(len(those) for those in context.practice.attempts().values())
    assert kept == 2 * practising.AT_ONCE and context.practice.asked(), "what is missing is tried the next time"
    assert "kim" in context.store.get(keys.REFRESH_POSTPONED)
    context.store.delete(keys.REFRESH_CANCEL)
    assert practise(context, held, quietly).answers == 12 * practising.SAMPLES - kept


@isolated
def test_the_gate_promotes_what_makes_more_programs_work(context, held, renderer):
    learn, frozen = sides(context, 12)
    tried(context, held, asked(context, learn[0]), GOOD, RAN)
    for text in frozen:
        asked(context, text)
    evaluation = refresh._permitted(context, snapshot(context, renderer).evaluation)
    assert len(evaluation) == 12 and not any(item.reference for item in evaluation)

    def compared(before: list[str], after: list[str]):
        said = {"old": before, "new": after}

        def score(version, items):
            assert all(item.reply_ids for item in items), "what nobody answered has no likelihood"
            return [-2.0] * len(items)

        return judge(
            *("new", "old", evaluation, GENERAL),
            lambda version, items: [Answered(text, True) for _, text in zip(items, said[version], strict=True)],
            score,
        )

    works = [_program(item.task.instruction) for item in evaluation]
    better, worse, same = compared([BAD] * 12, works), compared(works, [BAD] * 12), compared([GOOD] * 12, [BAD] * 12)
    assert (better.outcome, better.summary) == (
        "promote",
        "12 wins, 0 losses, 0 ties on 12 frozen instructions that are carried out; p = 0.00024.",
    )
    (part,) = [part for part in better.slices if part.name == "practice"]
    assert (part.measure, part.before, part.after) == ("share that runs", 0.0, 1.0)
    assert "practice: 12 wins, 0 losses, 0 ties, exact one-sided p = 0.00024" in as_text(better)
    assert worse.outcome == "reject" and "fewer of its answers work" in worse.summary
    assert same.outcome == "not enough evidence"


@isolated
def test_a_cycle_practises_trains_and_is_judged_by_what_was_never_practised(context, held, tiny, monkeypatch):  # noqa: F811
    for module in (refresh, practising):
        monkeypatch.setattr(module, "prepare_base", lambda model, folder: tiny)
    context = open_context(context.settings.model_copy(update={"practice": 2, "reply_tokens": 16}))
    learn, frozen = sides(context, 8)
    for text in (*learn, *frozen):
        asked(context, text)
    stages = []
    done = do_cycle(context, held, lambda stage, at, total: stages.append(stage), again=True)
    assert done.practice.answers == 8 * 2 and done.search is None
    version = context.registry.get(done.refresh.version)
    assert stages.index("practising") < stages.index("judging") < stages.index("publishing")
    (part,) = [part for part in done.refresh.report.slices if part.name == "practice"]
    assert (part.items, part.measure) == (8, "share that runs")
    tries = {a.turn.id for those in context.practice.attempts().values() for a in those}
    assert set(version.manifest.sources) & tries, "from the adapter to what it tried, and back"
    assert context.registry.marks.saw((set(version.manifest.sources) & tries).pop()) == [version.id]
    assert why_due(context.settings, context.store, context.registry, context.reviews) is None


def _program(instruction: str) -> str:
    """A program that knows the answers of its tests."""
    lines = [line.removeprefix("assert ").split(" == ", 1) for line in instruction.splitlines()[1:]]
    name = lines[0][0].partition("(")[0]
    known = ", ".join(f"{call[len(name) + 1 : -1]!r}: {value}" for call, value in lines)
    return f"```python\ndef {name}(x): return {{{known}}}[repr(x)]\n```"
