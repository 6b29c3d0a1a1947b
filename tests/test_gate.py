"""The gate's three outcomes, with its own thresholds: stories of candidates first, then what is counted and vetoed."""

import json
from dataclasses import replace

import pytest

from core.records import BASE, GateReport, from_json, to_json
from training.examples import EvaluationItem
from training.gate import Answered, judge
from training.verdict import LIKELIHOOD_TIE, Paired, decide

ITEMS = [EvaluationItem(f"i{n}", (1,), (2,), f"the right answer number {n}") for n in range(12)]
GENERAL = [EvaluationItem(f"g{n}", (1,), (2,), "x") for n in range(10)]


def verdict(
    right_before: int, right_after: int, general_loss: float = 0.0, items=ITEMS, bad: str | None = None, ended=True
):
    """A gate over versions that answer the first so many prompts rightly."""

    def generate(version, asked):
        right = right_after if version == "new" else right_before
        texts = [item.reference if n < right else "something else entirely" for n, item in enumerate(asked)]
        if bad is not None and version == "new":
            texts = [bad] * len(texts)
        return [Answered(text, ended or version != "new") for text in texts]

    def score(version, asked):
        return [-2.0 - (general_loss if version == "new" else 0.0)] * len(asked)

    return judge("new", "old", items, GENERAL, generate, score)


def test_significantly_better_is_promoted():
    report = verdict(2, 9)
    assert (report.outcome, len(report.wins), len(report.losses), len(report.ties)) == ("promote", 7, 0, 5)
    assert report.p == pytest.approx(1 / 128)
    new, general = report.slices
    assert new.after > new.before and new.low < new.after - new.before < new.high
    assert general.before == general.after == -2.0


def test_a_little_better_is_not_enough_evidence():
    assert verdict(2, 5).outcome == "not enough evidence"
    assert verdict(0, 6, items=ITEMS[:6]).outcome == "not enough evidence", "too few frozen prompts"
    assert verdict(0, 0, items=[]).outcome == "not enough evidence"


def test_worse_is_rejected():
    assert verdict(9, 2).outcome == "reject"


def test_harm_on_the_general_slice_is_rejected():
    report = verdict(0, 12, general_loss=0.3)
    assert report.outcome == "reject" and "general slice lost 0.300" in report.summary


@pytest.mark.parametrize(("bad", "ended", "what"), [("", True, "empty"), ("the right answer number", False, "endless")])
def test_empty_and_endless_answers_are_vetoed(bad, ended, what):
    report = verdict(0, 12, bad=bad, ended=ended)
    assert report.outcome == "reject" and what in report.vetoes[0]


def aged(name: str, count: int) -> list[EvaluationItem]:
    return [EvaluationItem(f"{name} {n}", (1,), (2,), f"{name} answer {n}", slice=name) for n in range(count)]


OLD = [*aged("older 1", 20), *aged("older 2", 20)]
CHECKED = [
    *(EvaluationItem(f"safety:{n}", (1,), (), '{"absent": ["idiot"]}', "checked", "safety") for n in range(4)),
    *(EvaluationItem(f"format:{n}", (1,), (), '{"matches": "yes|no"}', "checked", "format") for n in range(10)),
]
TAUGHT = [EvaluationItem(f"t{n}", (1,), (2,), f"taught {n}") for n in range(8)]


def compare(knows: dict[str, int], knew: dict[str, int] | None = None, **given) -> GateReport:
    """A gate over a candidate and a live version that know the first so many answers of each slice.

    `says` (by version and id) overrides what is answered; base answers nothing rightly.
    """
    says = given.pop("says", {})
    known = {"new": knows, "old": knew or {"new": 2, "older 1": 20, "older 2": 20}, BASE: {}}
    asked_of: dict[str, list[EvaluationItem]] = {}

    def generate(version, asked):
        asked_of.setdefault(version, []).extend(asked)
        seen: dict[str, int] = {}
        answers = []
        for item in asked:
            place = seen[item.slice] = seen.get(item.slice, 0) + 1
            right = place <= known[version].get(item.slice, 0)
            answers.append(Answered(says.get((version, item.id), item.reference if right else "I do not know."), True))
        return answers

    def score(version, asked):
        return [{"new": -1.5, "old": -1.75, BASE: -2.0}[version]] * len(asked)

    given.setdefault("evaluation", [*ITEMS, *OLD])
    return judge("new", "old", given.pop("evaluation"), GENERAL, generate, score, **given)


ALL = {"new": 12, "older 1": 20, "older 2": 20}


def test_better_on_what_is_new_and_nothing_forgotten_is_promoted():
    report = compare(ALL, checked=CHECKED, learned=TAUGHT, says={("new", "t3"): "taught 3"})
    assert report.outcome == "promote" and report.vetoes == ()
    assert [s.name for s in report.slices] == ["new", "older 1", "older 2", "general", "safety", "format"]
    assert (report.learned, report.learned_changed) == (8, 8)
    assert [s.likelihood for s in report.slices] == [0.25] * 3 + [None] * 3


def test_better_on_what_is_new_but_an_older_slice_forgotten_is_rejected_by_name():
    report = compare(ALL | {"older 2": 12})
    assert report.outcome == "reject" and "older 2 lost 0.4" in report.summary and "older 1" not in report.summary
    assert len(report.wins) == 10, "the new slice alone would have promoted it"
    forgotten = report.slices[2]
    assert [s.id for s in forgotten.scores if s.after < s.before] == [f"older 2 {n}" for n in range(12, 20)]


def test_what_looks_forgotten_on_few_prompts_is_held_back_and_not_rejected():
    few = [*ITEMS, *aged("older 1", 8)]
    report = compare({"new": 12, "older 1": 5}, {"new": 0, "older 1": 8}, evaluation=few)
    assert report.outcome == "not enough evidence" and "older 1 lost" in report.summary
    report = compare({"new": 12, "older 1": 7}, {"new": 0, "older 1": 8}, evaluation=few)
    assert report.outcome == "promote", "one of eight is no sign of harm"


def test_a_little_lost_everywhere_is_seen_in_all_slices_together():
    slices = [aged(f"older {n}", 10) for n in range(1, 7)]
    knew = {f"older {n}": 10 for n in range(1, 7)} | {"new": 0}
    report = compare(
        {name: 8 for name in knew} | {"new": 12}, knew, evaluation=[*ITEMS, *(i for s in slices for i in s)]
    )
    assert report.outcome == "reject" and "all together lost" in report.summary and "older 3" not in report.summary


def test_one_that_changes_nothing_it_was_taught_is_told_so():
    report = compare(ALL, learned=TAUGHT)
    assert report.outcome == "promote"
    silent = compare(ALL, learned=TAUGHT, says={("new", i.id): "I do not know." for i in TAUGHT})
    assert silent.outcome == "reject" and "does not change the answers to its own training prompts" in silent.summary
    assert (silent.learned, silent.learned_changed) == (8, 0)


def test_what_base_knows_already_says_nothing_about_silence():
    known = {(version, i.id): i.reference for i in TAUGHT for version in ("new", BASE)}
    report = compare(ALL, learned=TAUGHT, says=known)
    assert (report.outcome, report.learned) == ("promote", 0)


def test_a_rebuild_need_only_be_no_worse():
    same = {"new": 2, "older 1": 20, "older 2": 20}
    assert compare(same).outcome == "not enough evidence"
    rebuilt = compare(same, rebuild=True)
    assert rebuilt.outcome == "promote" and rebuilt.rebuild and "no worse" in rebuilt.summary
    assert compare(same | {"older 1": 10}, rebuild=True).outcome == "reject"
    assert compare(same, {"new": 12, "older 1": 20, "older 2": 20}, rebuild=True).outcome == "reject"


def test_one_answer_that_must_not_be_given_is_a_veto_unless_it_was_given_before():
    insult = {("new", "safety:2"): "You idiot."}
    report = compare(ALL, checked=CHECKED, says=insult)
    assert report.outcome == "reject" and report.vetoes == ("safety: 1 of 4 answers no longer pass, 0 newly do",)
    assert compare(ALL, checked=CHECKED, says=insult | {("old", "safety:2"): "Idiot!"}).outcome == "promote"


def test_form_is_lost_when_more_answers_lose_it_than_by_chance():
    obeyed = {("old", f"format:{n}"): "yes" for n in range(10)}
    kept = {("new", f"format:{n}"): "yes" for n in range(7)}
    assert compare(ALL, checked=CHECKED, says=obeyed | kept).outcome == "promote"
    kept.popitem()
    report = compare(ALL, checked=CHECKED, says=obeyed | kept)
    assert report.outcome == "reject" and report.vetoes == ("format: 4 of 10 answers no longer pass, 0 newly do",)


THUMBS = [EvaluationItem(f"thumb {n}", (1,), (2,), "", slice="thumbs", sign=1 if n % 2 else -1) for n in range(12)]


def by_thumbs(change: float, evaluation=THUMBS, answer: str = "Yes.") -> GateReport:
    """A gate over thumbs: by so much (nats a token) liked answers became likelier, and disliked ones less likely."""

    def generate(version, asked):
        return [Answered(answer if version == "new" else "Yes.", True) for _ in asked]

    def score(version, asked):
        return [-2.0 + (item.sign * change if version == "new" and item in THUMBS else 0.0) for item in asked]

    return judge("new", "old", evaluation, GENERAL, generate, score)


def test_thumbs_alone_promote_what_makes_liked_answers_likelier_and_reject_the_opposite():
    better, worse, same = by_thumbs(0.1), by_thumbs(-0.1), by_thumbs(LIKELIHOOD_TIE / 2)
    assert (better.outcome, better.summary) == (
        "promote",
        "12 wins, 0 losses, 0 ties on 12 frozen thumbs; p = 0.00024.",
    )
    assert [s.name for s in better.slices] == ["new", "thumbs", "general"]
    assert better.slices[1].after - better.slices[1].before == pytest.approx(0.1)
    assert worse.outcome == "reject" and "it answers more like what people disliked" in worse.summary
    assert same.outcome == "not enough evidence" and "12 ties" in same.summary
    assert by_thumbs(0.1, THUMBS[:7]).outcome == "not enough evidence"


def test_what_thumbs_are_about_is_asked_again_for_answers_that_became_empty():
    report = by_thumbs(0.1, answer="")
    assert report.outcome == "reject" and report.vetoes == ("12 of 12 answers became empty",)


def won(wins: int, losses: int = 0, items: int = 8) -> Paired:
    return Paired([0.0] * items, [1.0] * wins + [-1.0] * losses + [0.0] * (items - wins - losses))


FLAT = {"general": Paired([], [])}


def test_evidence_shares_one_level_among_the_slices_that_have_enough():
    alone = decide(FLAT | {"new": won(5)})
    assert alone == ("promote", "5 wins, 0 losses, 3 ties on 8 frozen prompts; p = 0.031.")
    outcome, why = decide(FLAT | {"new": won(5), "domain": won(0)})
    assert outcome == "not enough evidence" and "p = 0.031 (new), p = 1 (domain), and 0.025 is needed" in why
    assert decide(FLAT | {"new": won(5), "domain": won(0, items=7)})[0] == "promote", "seven passages are no evidence"
    assert decide(FLAT | {"new": won(0, items=3), "domain": won(6), "thumbs": won(0)})[0] == "promote"


def test_one_kind_of_evidence_that_is_lost_rejects_whatever_another_says():
    for lost, told in (("new", "answers worse"), ("thumbs", "people disliked"), ("domain", "knows the documents less")):
        slices = {name: won(8) for name in ("new", "thumbs", "domain")} | {lost: won(0, 5)}
        outcome, why = decide(FLAT | slices)
        assert outcome == "reject" and told in why


def test_a_rebuild_may_lose_no_evidence_and_is_judged_on_documents_alone_where_nothing_else_is_left():
    nothing = {"new": won(0, items=0)}
    assert decide(FLAT | nothing | {"domain": won(0)}, rebuild=True)[0] == "promote"
    assert decide(FLAT | nothing | {"domain": won(0, 5)}, rebuild=True)[0] == "reject"
    assert decide(FLAT | nothing | {"domain": won(0, items=7)}, rebuild=True)[0] == "not enough evidence"


def test_the_frozen_set_is_named_by_its_ids_in_any_order():
    one, other = compare(ALL), compare(ALL, evaluation=[*reversed(OLD), *reversed(ITEMS)])
    assert one.frozen == other.frozen and len(one.frozen) == 64
    assert compare(ALL, evaluation=[replace(ITEMS[0], id="other"), *ITEMS[1:], *OLD]).frozen != one.frozen


def test_a_report_holds_nobodys_text_and_reads_as_it_was_written():
    report = compare(ALL, checked=CHECKED)
    assert from_json(GateReport, to_json(report)) == report
    assert "answer" not in json.dumps([s["scores"] for s in json.loads(to_json(report))["slices"]])


OF_0_1 = (
    '{"version":"c","against":"base","wins":["a"],"losses":[],"ties":["b"],"p":0.5,"slices":[{"name":"new","items":2,'
    '"measure":"token F1","before":0.1,"after":0.6,"low":-0.2,"high":1.2}],"vetoes":[],"outcome":"not enough evidence",'
    '"summary":"1 wins, 0 losses, 1 ties on 2 frozen prompts; p = 0.5, and 0.05 is needed.","created_at":5,"v":1}'
)


def test_a_report_of_release_0_1_is_read():
    report = from_json(GateReport, OF_0_1)
    assert (report.wins, report.frozen, report.divergence, report.rebuild) == (("a",), "", None, False)
    assert report.slices[0].scores == () and report.slices[0].likelihood is None
