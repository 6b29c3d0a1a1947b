"""What the outcome head learns from: what came of answers that the model wrote, by whoever may be learned from."""

import pytest

from adapters.base import load_tokenizer
from core.prompt import Renderer
from kinds import KINDS
from tests.test_examples import HOW, SYSTEM, context, served  # noqa: F401
from training.effects import effects
from training.snapshot import Recipe, build


@pytest.fixture
def renderer(base):
    return Renderer(load_tokenizer(base), "a" * 64, 512)


def values(context, policy="none") -> dict[str, float]:  # noqa: F811
    return {e.source.turn.messages[-1].content: e.value for e in effects(context.record, context.trust.vouched(policy))}


def learned(context, renderer, **recipe):  # noqa: F811
    found = build(context.record, renderer, Recipe(SYSTEM, "base", HOW, **recipe))
    return found, {outcome.source: outcome.value for outcome in (*found.outcomes, *found.frozen_outcomes)}


def test_what_counts_as_an_effect_and_what_stands_above_what(context, renderer):  # noqa: F811
    asked = {
        name: served(context, renderer, name, author="zoe")
        for name in (
            "approved",
            "edited",
            "edited to the same",
            "rejected",
            "liked",
            "torn",
            "corrected",
            "ran",
            "failed",
        )
    }
    for person in ("zoe", "ann", "bob"):
        context.people.grant(person, "member")
    decide, ratings = context.reviews.decide, context.ratings
    decide(asked["approved"].id, "approve", "op", "everyone")
    decide(asked["edited"].id, "edit", "op", "everyone", "Another answer.")
    decide(asked["edited to the same"].id, "edit", "op", "everyone", "An  answer.")
    decide(asked["rejected"].id, "reject", "op", "everyone")
    ratings.rate(asked["liked"].id, "ann", 1)
    for person, thumb in (("ann", 1), ("bob", -1), ("zoe", -1)):
        ratings.rate(asked["torn"].id, person, thumb)
    ratings.rate(asked["corrected"].id, "ann", 1)
    ratings.correct(asked["corrected"].id, "zoe", "No.")
    ratings.rate(asked["ran"].id, "ann", -1)
    context.observations.record(asked["ran"].id, 0.8, "ran")
    context.observations.record(asked["failed"].id, 0.0, "failed")
    context.observations.record(asked["approved"].id, 0.0, "failed")
    expected = {"approved": 1, "edited": 0, "edited to the same": 1, "rejected": 0, "liked": 1, "torn": 1 / 3}
    assert values(context) == expected | {"corrected": 0, "ran": 0.8, "failed": 0}
    by_operators_only = {name: expected[name] for name in ("approved", "edited", "edited to the same", "rejected")}
    assert values(context, "all") == by_operators_only | {"ran": 0.8, "failed": 0}, "no vote counts before a decision"


def test_only_what_the_model_wrote_counts_and_the_snapshots_rules_hold(context, renderer):  # noqa: F811
    context.people.set_consent("no", "no")
    ours = served(context, renderer, "ours?", reply="Said.", generated="What the model wrote.")
    kept = [
        served(context, renderer, "of one chat?"),
        served(context, renderer, "without consent?", author="no"),
        served(context, renderer, "imported?", origin="import"),
        served(context, renderer, "word for word?", origin="approved"),
    ]
    for turn in (ours, *kept):
        context.observations.record(turn.id, 1.0, "ran")
    context.reviews.decide(kept[0].id, "reject", "op", "chat")
    found, known = learned(context, renderer)
    assert known == {ours.id: 1.0}
    (outcome,) = (*found.outcomes, *found.frozen_outcomes)
    assert list(outcome.reply_ids) == renderer.reply_ids("What the model wrote.")
    assert outcome.author == "zoe" and not outcome.graded


def test_an_answer_that_was_cut_is_read_without_the_end_that_it_never_said(context, renderer):  # noqa: F811
    turn = served(context, renderer, "at length?", reply="It goes on", cut=True)
    context.observations.record(turn.id, 0.0, "failed")
    found, _ = learned(context, renderer)
    (outcome,) = (*found.outcomes, *found.frozen_outcomes)
    assert list(outcome.reply_ids) == renderer.reply_ids("It goes on")[:-1]


def test_what_came_of_answers_names_the_snapshot_and_the_frozen_side_stays_frozen(context, renderer):  # noqa: F811
    before, nothing = learned(context, renderer)
    turns = [served(context, renderer, f"What is fact number {n}?", reply=f"Fact {n}.") for n in range(40)]
    for n, turn in enumerate(turns):
        context.observations.record(turn.id, float(n % 2), "ran")
    found, known = learned(context, renderer, author_share=1.0)
    assert not nothing and len(known) == 40 and found.hash != before.hash
    assert found.outcomes and found.frozen_outcomes
    sides = dict(zip([t.id for t in turns], context.reviews.splits(turns), strict=True))
    assert {sides[o.source] for o in found.outcomes} == {"train"}
    assert {sides[o.source] for o in found.frozen_outcomes} == {"evaluation"}
    assert learned(context, renderer, author_share=1.0)[0] == found
    context.observations.record(turns[0].id, 1.0, "ran")
    assert learned(context, renderer, author_share=1.0)[0].hash != found.hash
    for n in range(8):
        context.people.set_consent(f"person {n}", "yes")
        other = served(context, renderer, f"Which of {n} is it?", f"The one of {n}.", author=f"person {n}")
        context.observations.record(other.id, 1.0, "ran")
    capped, _ = learned(context, renderer, author_share=0.05)
    by_zoe = [outcome for outcome in capped.outcomes if outcome.author == "zoe"]
    assert len(by_zoe) == 10 < len(found.outcomes), "nobody has more than a share"


def test_a_kind_says_whether_its_outcomes_are_marks(context, renderer, monkeypatch):  # noqa: F811
    graded = type("Graded", (type(KINDS["chat"]),), {"name": "graded", "loss": "mean squared error"})
    monkeypatch.setitem(KINDS, "graded", graded())
    turn = served(context, renderer, "How good?", kind="graded")
    context.observations.record(turn.id, 0.4, "marked")
    found, _ = learned(context, renderer)
    (outcome,) = (*found.outcomes, *found.frozen_outcomes)
    assert outcome.graded and outcome.value == 0.4
