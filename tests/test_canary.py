"""A version on trial with a share of the chats: routed, counted, and ended by itself, by time or by a person."""

import random
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from adapters.aliases import Canary
from apprentice import app
from core import keys
from core.errors import AliasMoved, FenceLost, InvalidInput
from core.records import BASE, Message, Turn, new_id, to_json
from core.settings import Settings
from feedback.audit import AuditLog, Entry
from feedback.progress import read_progress
from tests.adapter_files import publish_peft
from workers import tasks
from workers.context import open_context
from workers.due import refresh_due
from workers.trial import FEEDBACK_S, WINDOW_S, judge_canary

FENCE = 3
SHARE = 0.5
HOUR_MS = 1000 * WINDOW_S


@pytest.fixture
def settings(valkey_url, tmp_path):
    return Settings(data_dir=tmp_path, redis_url=valkey_url, refresh_min_items=5, canary_max_s=12 * WINDOW_S)


@pytest.fixture
def context(store, settings):
    store.set(keys.REFRESH_FENCE, FENCE)
    return open_context(settings)


@pytest.fixture
def canary(context) -> Canary:
    return start(context, publish_peft(context.registry, 1))


def start(context, version: str, share: float = SHARE) -> Canary:
    live = context.registry.aliases().live
    context.registry.start_canary(version, share, "gate", "3 wins, 0 losses", FENCE, live)
    return context.registry.aliases().canary


def answer(context, canary: Canary, chat: str | None, window: int, **fields) -> str:
    """A turn that a chat was answered with in a window, by the version it is routed to."""
    turn = Turn(
        id=new_id(),
        messages=(Message("user", "Is it open?", chat),),
        chat=chat,
        author=chat,
        reply="Yes.",
        adapter=context.registry.aliases().route(chat),
        status="complete",
        created_at=canary.started_at + window * HOUR_MS + 1,
    )
    turn = replace(turn, **fields)
    context.turns.open(turn)
    context.turns.close(turn)
    return turn.id


def talk(context, canary: Canary, window: int, chats: int, canary_down: float, live_down: float) -> None:
    """Chats that each ask once in a window, and put a thumb down so often."""
    draw = random.Random(window)
    for n in range(chats):
        chat = f"chat-{n}"
        turn = answer(context, canary, chat, window)
        context.ratings.rate(turn, chat, 1)
        if draw.random() < (canary_down if canary.takes(chat) else live_down):
            context.ratings.rate(turn, chat, -1)


def after_window(canary: Canary, window: int) -> int:
    """The instant at which a window is counted."""
    return canary.started_at + (window + 1) * HOUR_MS + 1000 * FEEDBACK_S


def newest(context) -> Entry:
    return AuditLog(context.store).page(count=1)[0]


def test_a_worse_version_is_taken_back_by_itself(context, canary):
    assert context.registry.get(canary.version).status == "canary"
    for window in range(3):
        talk(context, canary, window, 60, canary_down=0.7, live_down=0.1)
        judge_canary(context, after_window(canary, window))
    found = context.registry.get(canary.version)
    assert (found.status, context.registry.route("chat-1")) == ("rejected", BASE)
    entry = newest(context)
    assert (entry.what, entry.who, entry.subject) == ("canary rollback", "canary", canary.version)
    assert "worse: complaints of any kind in" in entry.why and "e-value" in entry.why
    with pytest.raises(InvalidInput, match="rejected"):
        start(context, canary.version)
    assert context.outcomes.evidence(canary.version).chats == {}, "which chat did what is not kept"


def test_a_version_that_is_not_worse_is_promoted_by_itself(context, canary):
    talk(context, canary, 0, 300, canary_down=0.1, live_down=0.4)
    judge_canary(context, after_window(canary, 0))
    aliases = context.registry.aliases()
    assert (aliases.live, aliases.previous, aliases.canary) == (canary.version, BASE, None)
    entry = newest(context)
    assert entry.what == "canary promote" and "not worse: first complaints in" in entry.why
    assert context.registry.rollback("ann", "no") == BASE


def test_the_schedule_judges_it_on_the_queue_of_short_tasks(context, canary, monkeypatch):
    monkeypatch.setattr(tasks, "settings", context.settings)
    monkeypatch.setattr(tasks, "now_ms", lambda: after_window(canary, 0))
    talk(context, canary, 0, 100, canary_down=0.9, live_down=0.1)
    entry = tasks.app.conf.beat_schedule["judge"]
    assert entry["task"] == tasks.judge.name and tasks.judge.name not in tasks.app.conf.task_routes
    tasks.judge()
    assert context.registry.get(canary.version).status == "rejected"


def test_without_a_verdict_it_ends_by_time_and_may_be_tried_again(context, canary):
    talk(context, canary, 0, 6, canary_down=0.2, live_down=0.2)
    for hour in range(12):
        judge_canary(context, canary.started_at + hour * HOUR_MS)
        assert context.registry.aliases().canary == canary
    judge_canary(context, canary.started_at + 12 * HOUR_MS)
    assert context.registry.get(canary.version).status == "candidate" and context.registry.route("chat-1") == BASE
    entry = newest(context)
    assert entry.what == "canary expire" and "not enough evidence in time: complaints in" in entry.why
    assert "windows counted: 11;" in entry.why
    again = start(context, canary.version)
    judge_canary(context, again.started_at)
    assert context.outcomes.evidence(canary.version, again.set_at).windows == 0, "a new trial begins at nought"
    judge_canary(context, after_window(again, 0))
    assert context.outcomes.evidence(canary.version).windows == 1


def test_another_worker_goes_on_where_one_was_killed(context, canary, settings):
    """The evidence after a restart is that of a worker that counted everything at once."""
    for window in range(4):
        talk(context, canary, window, 20, canary_down=0.3, live_down=0.2)
    for window in range(2):
        judge_canary(context, after_window(canary, window))
    halfway = context.outcomes.evidence(canary.version)
    other = open_context(settings)
    judge_canary(other, after_window(canary, 3))
    known = other.outcomes.evidence(canary.version)
    assert (halfway.windows, known.windows) == (2, 4)
    other.store.delete(keys.evidence(canary.version))
    judge_canary(context, after_window(canary, 3))
    assert context.outcomes.evidence(canary.version) == known
    assert not context.outcomes.keep(canary.version, canary.set_at, known), "counted already"


def test_a_verdict_that_was_reached_when_the_worker_was_killed_is_carried_out(context, canary, monkeypatch):
    for window in range(3):
        talk(context, canary, window, 60, canary_down=0.9, live_down=0.1)
    with monkeypatch.context() as patched:
        patched.setattr("workers.trial._end", lambda *given: None)
        judge_canary(context, after_window(canary, 2))
    reached = context.outcomes.evidence(canary.version).windows
    judge_canary(context, canary.started_at)
    assert context.registry.get(canary.version).status == "rejected"
    assert context.outcomes.evidence(canary.version).windows == reached


def test_a_chat_counts_once_in_a_window_with_everything_that_was_said_in_it(context, canary):
    mine = next(c for c in map(str, range(99)) if canary.takes(c))
    other = next(c for c in map(str, range(99)) if not canary.takes(c))
    for _ in range(5):
        context.ratings.rate(answer(context, canary, mine, 0), "brigading", -1)
    turn = answer(context, canary, mine, 0, reply=" ", cut=True)
    context.ratings.correct(turn, mine, "It is closed.")
    taken_back = answer(context, canary, other, 0)
    context.ratings.rate(taken_back, other, -1)
    context.ratings.rate(taken_back, other, 0)
    context.ratings.regenerated(answer(context, canary, other, 1, status="failed", reply=""), "next", other)
    judge_canary(context, after_window(canary, 0) - 1)
    assert context.outcomes.evidence(canary.version).windows == 0, "there is still time to rate what was answered"
    judge_canary(context, after_window(canary, 1))
    known = context.outcomes.evidence(canary.version)
    assert known.outcomes == (1, 2)
    only = {name: counts for name, counts in known.bad.items() if any(counts)}
    assert only == {
        "complaint": (1, 1),
        "down": (1, 0),
        "corrected": (1, 0),
        "empty": (1, 0),
        "cut": (1, 0),
        "regenerated": (0, 1),
        "failed": (0, 1),
    }


def test_what_neither_arm_answered_counts_for_neither(context, canary):
    mine = next(c for c in map(str, range(99)) if canary.takes(c))
    answer(context, canary, mine, 0, adapter=BASE)
    answer(context, canary, "pinned", 0, adapter="f" * 64)
    answer(context, canary, "approved", 0, origin="approved")
    answer(context, canary, None, 0)
    judge_canary(context, after_window(canary, 0))
    known = context.outcomes.evidence(canary.version)
    assert (known.windows, known.outcomes) == (1, (0, 0))


def test_chats_are_routed_for_good_in_their_share(context):
    version, other = (publish_peft(context.registry, n) for n in (1, 2))
    chats = [f"chat-{n}" for n in range(4000)]
    canary = start(context, version, 0.2)
    taken = {chat for chat in chats if context.registry.aliases().route(chat) == version}
    assert abs(len(taken) - 800) < 3 * (4000 * 0.2 * 0.8) ** 0.5
    assert taken == {chat for chat in chats if replace(canary, set_at=0, against=other).takes(chat)}, "always the same"
    assert taken < {chat for chat in chats if replace(canary, share=0.3).takes(chat)}
    both = sum(replace(canary, version=other).takes(chat) for chat in taken)
    assert both < 0.3 * len(taken), "another version is tried with other chats"
    assert context.registry.route() == context.registry.route(None) == BASE


def test_another_share_moves_only_the_chats_between_the_two(context, canary, settings, monkeypatch):
    registry, chats = context.registry, [f"chat-{n}" for n in range(400)]

    def taken() -> set[str]:
        return {chat for chat in chats if registry.aliases().route(chat) == canary.version}

    half = taken()
    registry.share_canary(0.2, "ann", "too many complain")
    fifth = taken()
    monkeypatch.setattr("apprentice._settings", lambda: settings)
    run = CliRunner().invoke
    told = run(app, ["adapters", "share", "0.7", "--why", "they do not"])
    assert told.output == f"{canary.version[:12]} is tried with 70% of the chats.\n"
    assert fifth < half < taken()
    assert [(e.what, e.subject, e.who, e.why) for e in AuditLog(context.store).page(count=2)] == [
        ("canary share", canary.version, "operator", "from 20% to 70%. they do not"),
        ("canary share", canary.version, "ann", "from 50% to 20%. too many complain"),
    ]
    assert registry.aliases().canary.set_at == canary.set_at, "it is the same trial"
    for share, words in ((0.7, "already"), (0, "more than 0"), (1, "less than 1")):
        with pytest.raises(InvalidInput, match=words):
            registry.share_canary(share, "ann", "")
    with pytest.raises(AliasMoved):
        registry.end_canary(canary, "rollback", "canary", "by a share of before")
    registry.end_canary(registry.aliases().canary, "expire", "canary", "")
    assert "no version is on trial" in str(run(app, ["adapters", "share", "0.5"]).exception)


def test_who_changes_over_is_left_out_of_that_hour_and_the_evidence_goes_on(context, canary):
    chats = [f"chat-{n}" for n in range(40)]
    halfway = canary.started_at + HOUR_MS + HOUR_MS // 2
    after_it = canary.with_share(0.2, halfway)
    movers = {chat for chat in chats if canary.takes(chat) and not after_it.takes(chat)}
    stay = {chat for chat in chats if after_it.takes(chat)}
    assert movers and stay and len(chats) > len(movers | stay)

    for chat in chats:
        for window in range(2):
            answer(context, canary, chat, window)
    moved = replace(context.registry.aliases(), canary=after_it)
    context.store.hset(keys.ALIASES, "canary", to_json(moved.canary))
    for chat in chats:
        answer(context, canary, chat, 1, created_at=halfway + 1)
        answer(context, canary, chat, 2)
    counts = []
    for window in range(3):
        judge_canary(context, after_window(canary, window))
        evidence = context.outcomes.evidence(canary.version, canary.set_at)
        counts.append(evidence.outcomes)
    first = (len(movers | stay), len(chats) - len(movers | stay))
    second = (first[0] + len(stay), first[1] + len(chats) - len(movers | stay))
    assert counts == [first, second, (second[0] + len(stay), second[1] + len(chats) - len(stay))]
    assert evidence.chats_seen == first, "nobody is new to the trial"


def test_a_share_that_changes_twice_leaves_out_who_was_moved_at_all(context):
    canary = Canary("v" * 64, 0.2, BASE, 1, 1_000).with_share(0.6, 2_000).with_share(0.4, 3_000)
    chats = [f"chat-{n}" for n in range(200)]
    lots = {chat: [replace(canary, share=share).takes(chat) for share in (0.2, 0.4, 0.6)] for chat in chats}

    def took(since: int, until: int) -> dict[str, bool | None]:
        return {chat: canary.took(chat, since, until) for chat in chats}

    assert took(1_000, 2_000) == {chat: fifth for chat, (fifth, _, _) in lots.items()}, "all of it before"
    assert took(2_000, 3_000) == {chat: most for chat, (_, _, most) in lots.items()}
    assert took(3_000, 4_000) == {chat: now for chat, (_, now, _) in lots.items()}
    assert took(1_500, 3_500) == {chat: three[0] if len(set(three)) == 1 else None for chat, three in lots.items()}


def test_a_trial_starts_when_every_serving_process_has_the_version(context):
    registry, version = context.registry, publish_peft(context.registry, 1)
    registry.heartbeat("r1", [BASE], {})
    canary = start(context, version)
    assert canary.started_at is None and version in registry.wanted(2)
    chat = next(c for c in map(str, range(99)) if canary.takes(c))
    judge_canary(context, canary.set_at + 6 * HOUR_MS)
    assert registry.route(chat) == BASE and not registry.settle()
    registry.heartbeat("r1", [BASE, version], {})
    assert registry.settle() and registry.route(chat) == version and not registry.settle()
    assert newest(context).what == "canary start"


def test_a_trial_that_never_starts_ends_by_time(context):
    context.registry.heartbeat("r1", [BASE], {})
    canary = start(context, publish_peft(context.registry, 1))
    judge_canary(context, canary.set_at + 12 * HOUR_MS)
    assert context.registry.aliases().canary is None
    assert "not every serving process" in newest(context).why


def test_nothing_else_moves_by_itself_during_a_trial(context, canary):
    other = publish_peft(context.registry, 2)
    with pytest.raises(AliasMoved, match="is on trial"):
        context.registry.promote(other, "gate", "", FENCE, BASE)
    with pytest.raises(AliasMoved, match="is on trial"):
        start(context, other)
    assert context.registry.aliases().canary == canary


def test_a_trial_is_not_begun_by_who_lost_the_lock_or_judged_against_another(context):
    registry, version, other = context.registry, *(publish_peft(context.registry, n) for n in (1, 2))
    with pytest.raises(FenceLost):
        registry.start_canary(version, SHARE, "gate", "", FENCE - 1, BASE)
    with pytest.raises(AliasMoved, match="judged against"):
        registry.start_canary(version, SHARE, "gate", "", FENCE, other)
    registry.heartbeat("r1", [BASE], {})
    registry.promote(other, "ann", "")
    with pytest.raises(AliasMoved, match="about to be live"):
        registry.start_canary(version, SHARE, "gate", "", FENCE, BASE)


def test_a_promotion_by_hand_ends_the_trial(context, canary):
    other = publish_peft(context.registry, 2)
    context.registry.promote(other, "ann", "I know better")
    assert context.registry.aliases().canary is None and context.registry.route("chat-1") == other
    assert context.registry.get(canary.version).status == "candidate"
    assert [e.what for e in AuditLog(context.store).page(count=2)] == ["promote", "canary end"]
    with pytest.raises(AliasMoved, match="ended already"):
        context.registry.end_canary(canary, "promote", "canary", "late")


def test_a_rollback_by_hand_takes_the_trial_back_and_leaves_live(context, canary, settings, monkeypatch):
    monkeypatch.setattr("apprentice._settings", lambda: settings)
    talk(context, canary, 0, 20, canary_down=0.2, live_down=0.2)
    judge_canary(context, after_window(canary, 0))
    run = CliRunner().invoke
    listed = run(app, ["adapters", "list"]).output
    assert "canary" in listed and "on trial: complaints in" in listed and "windows counted: 1;" in listed
    assert '"share": 0.5' in run(app, ["adapters", "show", canary.version, "--json"]).output
    assert run(app, ["adapters", "rollback"]).output == f"The trial of {canary.version[:12]} has ended; base is live.\n"
    assert context.registry.get(canary.version).status == "rejected" and newest(context).who == "operator"
    judge_canary(context, after_window(canary, 2))
    assert "windows counted: 1;" in run(app, ["adapters", "show", canary.version]).output, "what was known stays"


def test_no_refresh_is_due_while_a_trial_runs_and_people_are_told(context, canary):
    turns = [Turn(new_id(), (Message("user", f"q{n}"),), reply="a", status="complete") for n in range(5)]
    context.turns.add_closed(turns)
    for turn in turns:
        context.reviews.decide(turn.id, "edit", "operator", "everyone", "b")
    assert refresh_due(context) is None
    assert "on trial with some chats" in str(read_progress(context.store, 5))
    context.registry.end_canary(canary, "expire", "canary", "")
    assert refresh_due(context) == "5 newly approved items"
    assert "on trial" not in str(read_progress(context.store, 5))
