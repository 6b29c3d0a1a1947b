"""The gate: whether a candidate answers better than what is live, on prompts no version was trained on.

It asks both versions the same frozen prompts and scores their answers; `training.verdict` decides. A candidate that is
rejected or lacks evidence is kept, and never promoted by itself.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.records import BASE, GateReport, ItemScore, SliceScore, now_ms
from kinds import KINDS
from training.examples import EvaluationItem
from training.statistics import TIE, mean_difference, sign_test
from training.verdict import (
    CHECKED,
    DOMAIN,
    EVIDENCE,
    GENERAL,
    LIKELIHOOD_TIE,
    NEW,
    THUMBS,
    Paired,
    bad_answers,
    checked_vetoes,
    decide,
)

MIN_LEARNED = 3
"""Training prompts that base answers otherwise than approved, without which silence says nothing."""

LIKELIHOODS = {
    GENERAL: "log-likelihood",
    THUMBS: "log-likelihood of liked answers, less that of disliked ones",
    DOMAIN: "log-likelihood",
}
"""How slices are measured that are scored without an answer (nats a token)."""

Generate = Callable[[str, Sequence[EvaluationItem]], list["Answered"]]
"""Answers of a version (greedy, as served) to frozen prompts."""
Score = Callable[[str, Sequence[EvaluationItem]], list[float]]
"""Mean log-likelihood (nats a token) of the reference answers under a version."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A version's answer; `ended` is False where it ran into the token limit."""

    text: str
    ended: bool


@dataclass(frozen=True, slots=True)
class _Slice:
    """A slice's prompts with their scores under both versions, and the log-likelihoods of their references."""

    name: str
    measure: str
    items: tuple[EvaluationItem, ...]
    scores: Paired
    likelihoods: Paired | None = None


def judge(
    candidate: str,
    against: str,
    evaluation: Sequence[EvaluationItem],
    general: Sequence[EvaluationItem],
    generate: Generate,
    score: Score,
    *,
    checked: Sequence[EvaluationItem] = (),
    learned: Sequence[EvaluationItem] = (),
    rebuild: bool = False,
) -> GateReport:
    """Compare a candidate with the version that is live.

    `evaluation` holds the frozen prompts of the new and of every older slice, thumbs and passages; `general` and
    `checked` (safety, refusals and format) what ships with the package; `learned` some of the candidate's own training
    prompts. With `rebuild` the candidate replaces a version that must go, and need only be no worse.
    """
    slices, vetoes = _compare(candidate, against, evaluation, general, checked, generate, score)
    scores = {name: part.scores for name, part in slices.items()}
    vetoes += checked_vetoes(scores)
    taught, changed = _learned(candidate, learned, generate)
    silent = taught >= MIN_LEARNED and not changed
    outcome, summary = decide(scores, vetoes, silent, rebuild)
    wins, losses, ties = _outcomes(slices[NEW])
    return GateReport(
        version=candidate,
        against=against,
        wins=wins,
        losses=losses,
        ties=ties,
        p=sign_test(len(wins), len(losses)),
        slices=tuple(_summary(slices[name]) for name in sorted(slices, key=_order)),
        vetoes=tuple(vetoes),
        outcome=outcome,
        summary=summary,
        created_at=now_ms(),
        frozen=frozen_hash(item.id for part in slices.values() for item in part.items),
        learned=taught,
        learned_changed=changed,
        rebuild=rebuild,
    )


def frozen_hash(ids: Iterable[str]) -> str:
    """SHA-256 of sorted ids, one a line: two gates with one hash asked the same prompts."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def _compare(
    candidate: str,
    against: str,
    evaluation: Sequence[EvaluationItem],
    general: Sequence[EvaluationItem],
    checked: Sequence[EvaluationItem],
    generate: Generate,
    score: Score,
) -> tuple[dict[str, _Slice], list[str]]:
    """Ask both versions everything: the scores by slice, and vetoes for answers that became empty or endless.

    What people liked or disliked is asked for these vetoes only; without any prompts, the checked ones are looked at.
    """
    prompts = [item for item in evaluation if item.slice not in LIKELIHOODS]
    answered = [item for item in prompts if item.reply_ids]
    thumbs, passages = ([item for item in evaluation if item.slice == name] for name in (THUMBS, DOMAIN))
    asked = [*prompts, *checked, *thumbs]
    before, after = generate(against, asked), generate(candidate, asked)
    likelihoods = zip(score(against, answered), score(candidate, answered), strict=True)
    known = {item.id: both for item, both in zip(answered, likelihoods, strict=True)}
    judged = len(prompts) + len(checked)
    slices = _slices(asked[:judged], before[:judged], after[:judged], known)
    for name, items in ((THUMBS, thumbs), (DOMAIN, passages)):
        if items:
            slices[name] = _by_likelihood(name, items, candidate, against, score)
    slices[GENERAL] = _by_likelihood(GENERAL, general, candidate, against, score)
    pairs = list(zip(before, after, strict=True))
    return slices, _bad_answers([*pairs[: len(prompts)], *pairs[judged:]] or pairs)


def _by_likelihood(name: str, items: Sequence[EvaluationItem], candidate: str, against: str, score: Score) -> _Slice:
    """Items by the log-likelihood of their replies, turned around where a reply is disliked."""
    before, after = (
        [item.sign * found for item, found in zip(items, score(version, items), strict=True)]
        for version in (against, candidate)
    )
    return _Slice(name, LIKELIHOODS[name], tuple(items), Paired(before, after, LIKELIHOOD_TIE))


def _bad_answers(pairs: Sequence[tuple[Answered, Answered]]) -> list[str]:
    empty = sum(not new.text.strip() and bool(old.text.strip()) for old, new in pairs)
    return bad_answers(empty, sum(not new.ended and old.ended for old, new in pairs), len(pairs))


def _slices(
    asked: Sequence[EvaluationItem],
    before: Sequence[Answered],
    after: Sequence[Answered],
    likelihoods: Mapping[str, tuple[float, float]],
) -> dict[str, _Slice]:
    """The prompts by slice, scored; `likelihoods` of approved answers by id. The new slice is there even if empty."""
    places: dict[str, list[int]] = {NEW: []}
    for place, item in enumerate(asked):
        places.setdefault(item.slice, []).append(place)
    found = {}
    for name, those in places.items():
        items = tuple(asked[n] for n in those)
        old = [_grade(asked[n], before[n].text) for n in those]
        new = [_grade(asked[n], after[n].text) for n in those]
        measures = {KINDS[item.kind].measure for item in items}
        measure = measures.pop() if len(measures) == 1 else "score"
        known = [likelihoods[item.id] for item in items if item.id in likelihoods]
        reference = Paired([old for old, _ in known], [new for _, new in known]) if known else None
        found[name] = _Slice(name, measure, items, Paired(old, new), reference)
    return found


def _grade(item: EvaluationItem, reply: str) -> float:
    return KINDS[item.kind].grade(item.task, reply, item.reference)


def _learned(candidate: str, learned: Sequence[EvaluationItem], generate: Generate) -> tuple[int, int]:
    """Training prompts that base does not answer as approved, and how many the candidate answers otherwise."""
    if not learned:
        return 0, 0
    answers = zip(learned, generate(BASE, learned), generate(candidate, learned), strict=True)
    taught = [(old, new) for item, old, new in answers if 1 - KINDS[item.kind].score(old.text, item.reference) >= TIE]
    return len(taught), sum(old.text != new.text for old, new in taught)


def _outcomes(part: _Slice) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Ids of the prompts won, lost and tied."""
    differences = [
        (item.id, new - old) for item, old, new in zip(part.items, part.scores.before, part.scores.after, strict=True)
    ]
    return (
        tuple(i for i, d in differences if d >= TIE),
        tuple(i for i, d in differences if d <= -TIE),
        tuple(i for i, d in differences if abs(d) < TIE),
    )


def _summary(part: _Slice) -> SliceScore:
    before, after = part.scores.before, part.scores.after
    n = len(before)
    low, high = mean_difference(before, after)
    return SliceScore(
        name=part.name,
        items=n,
        measure=part.measure,
        before=sum(before) / n if n else 0.0,
        after=sum(after) / n if n else 0.0,
        low=low,
        high=high,
        likelihood=part.likelihoods.change if part.likelihoods else None,
        scores=tuple(ItemScore(i.id, b, a) for i, b, a in zip(part.items, before, after, strict=True)),
    )


def _order(name: str) -> tuple[int, int, str]:
    """What may promote, the older slices from the newest on, then what ships with the package."""
    first, last = EVIDENCE, (GENERAL, *CHECKED)
    place = first.index(name) if name in first else len(first) + (1 + last.index(name) if name in last else 0)
    return place, len(name), name
