"""The flood drill: a real bot, a Bot API server that refuses every tenth call, and many chats at once."""

import json

import pytest
from typer.testing import CliRunner

import apprentice
from bench.telegram import CALM, FIRST_CALM, LONG_EVERY, QUESTIONS, _is_exact, _reply, bars, run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("chats", [LONG_EVERY, pytest.param(50, marks=pytest.mark.long)])
def test_in_a_flood_every_answer_arrives_whole_once_and_in_order(chats, monkeypatch):
    if chats == LONG_EVERY:
        monkeypatch.setattr("bench.telegram.RETRY_AFTER_S", 1)
        monkeypatch.setattr("bench.telegram.CALM", 5)
    said = []
    figures = run(said.append, chats)
    flood = figures["flood"]
    assert (flood["chats"], flood["questions"]) == (chats, chats * QUESTIONS)
    assert flood["refused"] >= flood["calls"] // 10 > 0
    assert (flood["answers_not_exact"], flood["calls_inside_a_pause"]) == (0, 0)
    assert 0 < flood["first_text_s"]["median"] <= flood["first_text_s"]["p95"] <= flood["all_complete_s"]
    assert 0 < figures["overhead_ms"]["median"] <= figures["overhead_ms"]["p95"]
    overhead, *others = figures["bars"]
    assert (overhead["figure"], overhead["most"]) == (figures["overhead_ms"]["median"], 50), "slow machines miss it"
    assert len(others) == 2 and all(bar["reached"] for bar in others)
    assert len(said) == 2 and json.dumps(figures)


@pytest.mark.parametrize(
    ("median", "not_exact", "inside", "reached"),
    [(50, 0, 0, [True, True, True]), (50.1, 1, 1, [False, False, False]), (9.5, 0, 1, [True, True, False])],
)
def test_the_bars_are_kept_or_missed_and_the_command_says_so(median, not_exact, inside, reached, monkeypatch):
    figures = {
        "overhead_ms": {"median": median, "p95": 99.0},
        "flood": {"answers_not_exact": not_exact, "calls_inside_a_pause": inside},
    }
    found = [bar.as_dict() for bar in bars(figures)]
    assert [bar["reached"] for bar in found] == reached
    monkeypatch.setattr("bench.telegram.run", lambda say: figures | {"bars": found})
    shown = CliRunner().invoke(apprentice.app, ["bench", "telegram"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0 and shown.output.count("not reached") == reached.count(False)


def test_what_is_missing_doubled_or_out_of_order_is_not_exact():
    first, second = ("".join(_reply(f"chat 1 question {n}")).replace("**", "") for n in range(QUESTIONS))
    assert _is_exact(1, [first, second]) and _is_exact(1, [first[:90], first[90:], second])
    assert not any(
        _is_exact(1, texts) for texts in ([second, first], [first], [first, first, second], ["…", first, second])
    )
    assert len("".join(_reply(f"chat {LONG_EVERY} question 0"))) > 2 * 4096
    assert len("".join(_reply(f"chat {FIRST_CALM + CALM} question 0"))) < 4096
