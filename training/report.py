"""The gate's report for people: a text, and the examples that a text or a page shows, looked up by id."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from core.privacy import scrub
from core.records import GateReport, HeadReport, Manifest, SliceScore
from feedback.reviews import Reviews
from feedback.turns import Turns, question
from training.shipped import shipped_row
from training.statistics import TIE, sign_test, tally, win_share
from training.verdict import DOMAIN, EVIDENCE, GENERAL, LIKELIHOOD_TIE, NEW, PRACTICE, THUMBS

Result = Literal["won", "lost", "tied"]
EXAMPLES = 3
GONE = "(no longer in the record)"
PASSAGE = "(a passage of the documents)"


@dataclass(frozen=True, slots=True)
class Shown:
    """A frozen prompt as a person sees it. The two versions' answers are not stored; their scores are.

    `reference` is the approved answer; empty where a rule checks the answer, or the words are gone. `turn` is the
    turn that asked; None where none did, or the words are gone.
    """

    slice: str
    result: Result
    question: str
    reference: str
    before: float | None
    after: float | None
    turn: str | None


def examples(report: GateReport, turns: Turns, reviews: Reviews, most: int = EXAMPLES) -> list[Shown]:
    """Up to `most` prompts that were won, lost and tied, those of the greatest change first.

    Raises: StoreUnavailable.
    """
    known = {s.id: (part.name, s.before, s.after) for part in report.slices for s in part.scores}
    changed = [s for part in report.slices if part.name != GENERAL for s in part.scores]
    differing = sorted((s for s in changed if abs(s.after - s.before) >= TIE), key=lambda s: -abs(s.after - s.before))
    ids: dict[Result, list[str]] = {
        "won": [s.id for s in differing if s.after > s.before] or list(report.wins),
        "lost": [s.id for s in differing if s.after < s.before] or list(report.losses),
        "tied": list(report.ties),
    }
    shown = []
    for result, those in ids.items():
        for item in those[:most]:
            name, before, after = known.get(item, ("new", None, None))
            asked, reference, turn = _words(item, name, turns, reviews)
            shown.append(Shown(name, result, asked, reference, before, after, turn))
    return shown


def made_of(manifest: Manifest) -> Iterator[str]:
    """What a version is and was made from, a line each."""
    made = datetime.fromtimestamp(manifest.created_at / 1000, UTC)
    documents = f" and {manifest.chunks} passages of documents" if manifest.chunks else ""
    yield f"made {made:%Y-%m-%d %H:%M} UTC from {len(manifest.sources)} approved answers{documents}"
    yield f"{manifest.method} of rank {manifest.rank} on {manifest.base_model}"
    if manifest.head is not None:
        yield head_line(manifest.head)


def head_line(head: HeadReport) -> str:
    """What is known of a version's outcome head, in a line."""
    if head.why:
        return f"no outcome head: {head.why}"
    said = f"outcome head: learned from {head.good} answers that worked and {head.bad} that did not"
    if not head.items or head.auc is None or head.ece is None:
        return f"{said}; no frozen answers of both signs to judge it by"
    return f"{said}; on {head.items} frozen answers AUC {head.auc:.2f}, calibration error {head.ece:.2f}"


def as_text(report: GateReport, shown: list[Shown] | None = None) -> str:
    """A report for a terminal: what was compared, every slice with its interval, what decided, and examples."""
    return "\n".join([f"Version {report.version[:12]} against {report.against[:12]}", *_lines(report, shown or [])])


def slice_change(part: SliceScore) -> str:
    """A slice's scores before and after with the interval of their difference, in words."""
    if part.items == 0:
        return "no prompts"
    interval = f", 95 % interval of the difference {part.low:+.3f} to {part.high:+.3f}" if part.items > 1 else ""
    return f"{part.before:.3f} -> {part.after:.3f}{interval}"


def facts(report: GateReport) -> Iterator[str]:
    """What is to be said of the whole comparison, a sentence each."""
    counts = f"{len(report.wins)} wins, {len(report.losses)} losses, {len(report.ties)} ties"
    decided = len(report.wins) + len(report.losses)
    yield f"new prompts: {counts}, exact one-sided p = {report.p:.2g}"
    for part in (part for part in report.slices if part.name in EVIDENCE and part.name != NEW):
        tie = TIE if part.name == PRACTICE else LIKELIHOOD_TIE
        wins, losses = tally([s.before for s in part.scores], [s.after for s in part.scores], tie)
        counts = f"{wins} wins, {losses} losses, {part.items - wins - losses} ties"
        yield f"{part.name}: {counts}, exact one-sided p = {sign_test(wins, losses):.2g}"
    if decided:
        low, high = win_share(len(report.wins), len(report.losses))
        share = len(report.wins) / decided
        yield f"share of wins where the answers differ: {share:.0%}, 95 % interval {low:.0%} to {high:.0%}"
    if report.divergence is not None:
        yield f"KL from base: {report.divergence:.3f} nats a token on general prompts"
    if report.learned:
        yield f"of {report.learned} training prompts that base answers otherwise, {report.learned_changed} changed"
    if report.rebuild:
        yield "it replaces a version that must go, so being no worse is enough"
    if report.frozen:
        yield f"frozen prompts: {report.frozen}"


def _lines(report: GateReport, shown: list[Shown]) -> Iterator[str]:
    for part in report.slices:
        nats = "" if part.likelihood is None else f"; approved answers {part.likelihood:+.3f} nats a token"
        yield f"  {part.name} ({part.items} items, {part.measure}): {slice_change(part)}{nats}"
    for fact in facts(report):
        yield f"  {fact}"
    for veto in report.vetoes:
        yield f"  veto: {veto}"
    for example in shown:
        scores = "" if example.before is None else f" {example.before:.2f} -> {example.after:.2f}"
        yield f"  {example.result} ({example.slice}{scores}): {_short(example.question)}"
        if example.reference:
            yield f"      approved: {_short(example.reference)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"


def _words(item: str, part: str, turns: Turns, reviews: Reviews) -> tuple[str, str, str | None]:
    """The question, the approved answer and the turn of a slice's frozen prompt, as far as everyone may see them still.

    Of thumbs and in practice there is no approved answer, of documents no question.
    """
    if part == DOMAIN:
        return PASSAGE, "", None
    if row := shipped_row(item):
        return row["prompt"], row.get("completion", ""), None
    turn, review = turns.get_many([item]).get(item), reviews.get(item)
    if part in (THUMBS, PRACTICE):
        return (scrub(question(turn)), "", item) if turn else (GONE, "", None)
    if turn is None or review is None or review.decision == "reject" or review.scope != "everyone":
        return GONE, "", None
    return scrub(question(turn)), review.text, item
