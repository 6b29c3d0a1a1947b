"""From feedback to what training and the gate see: a deterministic snapshot, named by its hash."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from core.prompt import Renderer
from core.records import ReviewPolicy, Split
from feedback.likeness import normalised
from feedback.turns import question
from kinds import KINDS
from kinds.kind import Task
from training.domain import NO_DOCUMENTS, Domain
from training.effects import Effect, effects
from training.examples import EvaluationItem, Example, Outcome
from training.gathering import everything
from training.hyperparameters import Hyperparameters
from training.rendering import asked, present_prompt
from training.reservoir import Embed, Item, samples, slice_of
from training.sources import Record, Source, allowed, exempt, has_answer, opinion, weigh
from training.verdict import PRACTICE, THUMBS

MAX_REPLY_TOKENS = 1024
MAX_FROZEN = 400
"""Frozen prompts that a gate asks, of all ages together."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a snapshot is made. `learned` (ms, ascending): until when the versions that went live had learned.

    `rebuilds` is the live version, where it learned from somebody who was forgotten and is to be replaced.
    """

    system_prompt: str
    base_hash: str
    hyperparameters: Hyperparameters
    review_policy: ReviewPolicy = "all"
    author_share: float = 0.1
    reservoir_max_items: int = 2000
    learned: tuple[int, ...] = ()
    rebuilds: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one refresh learns from and is judged on. `until` is the newest feedback in it (ms).

    `passes` are the sources that each pass of a training reads. `domain` is of documents, and what is held out of them
    judges beside `evaluation`. The outcome head learns from `outcomes`, and is judged by `frozen_outcomes`.
    """

    hash: str
    train: tuple[Example, ...]
    evaluation: tuple[EvaluationItem, ...]
    until: int
    passes: tuple[frozenset[str], ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    domain: Domain = NO_DOCUMENTS
    outcomes: tuple[Outcome, ...] = ()
    frozen_outcomes: tuple[Outcome, ...] = ()

    def __str__(self) -> str:
        told = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items())) or "nothing left out"
        said = f"{len(self.train)} examples to learn from, {len(self.evaluation)} to be judged on ({told})"
        passages = f"{len(self.domain.learn)} passages to learn from, {len(self.domain.held_out)} to be judged on"
        return f"{said}; {passages}" if self.domain.hashes else said


def build(
    record: Record,
    renderer: Renderer,
    recipe: Recipe,
    domain: Domain = NO_DOCUMENTS,
    embed: Embed | None = None,
) -> Snapshot:
    """Everything said that may be learned from, rendered under the present identity, and passages of documents.

    Of more than the reservoir holds `embed` finds what represents the rest; the frozen set is a random one.

    A turn of another identity is re-rendered and counted; one of the same identity whose prompt comes out different is
    dropped and counted, as is everything else that is left out. Of what is said about one prompt the newest counts.
    """
    vouched = record.trust.vouched(recipe.review_policy)
    sources = everything(record, vouched)
    until = max((source.at for source in sources), default=0)
    counts: Counter[str] = Counter()
    used: list[Source] = []
    items: list[Example | EvaluationItem] = []
    usable = allowed(sources, record, counts)
    for split in ("train", "evaluation"):
        weighed, dropped = weigh([s for s in usable if s.split == split], recipe.author_share, exempt(record))
        counts.update(dropped)
        rendered = _rendered(weighed, renderer, recipe, counts)
        offered = [
            Item(s.turn.id, slice_of(s.at, recipe.learned), question(s.turn), normalised(s.reply)) for s, _ in rendered
        ]
        if split == "train":
            most = recipe.reservoir_max_items
            passes = samples(offered, most, recipe.hyperparameters.passes(min(len(offered), most)), embed)
            chosen = frozenset().union(*passes)
        else:
            (chosen,) = samples(offered, MAX_FROZEN, 1)
        kept = [(source, item) for source, item in rendered if source.turn.id in chosen]
        counts["beyond the reservoir"] += len(rendered) - len(kept)
        used += [source for source, _ in kept]
        items += [item for _, item in kept]
    known = effects(record, vouched)
    came = {split: _outcomes(known, split, record, renderer, recipe) for split in ("train", "evaluation")}
    return Snapshot(
        hash=snapshot_hash(used, passes, renderer.identity, recipe, domain.hashes, came),
        train=tuple(sorted((i for i in items if isinstance(i, Example)), key=lambda e: e.source)),
        evaluation=tuple(sorted((i for i in items if isinstance(i, EvaluationItem)), key=lambda e: e.id)),
        until=until,
        passes=tuple(passes),
        counts={what: count for what, count in counts.items() if count},
        domain=domain,
        outcomes=came["train"],
        frozen_outcomes=came["evaluation"],
    )


def snapshot_hash(
    used: Iterable[Source],
    passes: Iterable[Iterable[str]],
    identity: str,
    recipe: Recipe,
    passages: Sequence[str] = (),
    came: Mapping[str, Sequence[Outcome]] = MappingProxyType({}),
) -> str:
    """The name of a refresh: what it learns from, rendered how, on which base, trained how. Holds nobody's text."""
    said = sorted((s.turn.id, s.at, s.split, s.objective, s.weight) for s in used)
    how = [sorted(each) for each in passes]
    facts = [identity, recipe.system_prompt, recipe.base_hash, recipe.hyperparameters.as_dict(), said, how]
    if recipe.rebuilds is not None:
        facts.append(recipe.rebuilds)
    if passages:
        facts.append(sorted(passages))
    if any(came.values()):
        facts.append({split: [(o.source, o.value, o.graded) for o in those] for split, those in came.items()})
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _outcomes(
    known: Sequence[Effect], split: Split, record: Record, renderer: Renderer, recipe: Recipe
) -> tuple[Outcome, ...]:
    """What came of answers on a side that may be learned from; of more than the reservoir holds, the newest.

    An answer that was cut never said its end, and is read without it.
    """
    found = {effect.source.turn.id: effect for effect in known if effect.source.split == split}
    usable = allowed([e.source for e in found.values()], record, Counter())
    weighed, _ = weigh(usable, recipe.author_share, exempt(record))
    outcomes = []
    for source in sorted(weighed, key=lambda s: (-s.at, s.turn.id))[: recipe.reservoir_max_items]:
        if source.turn.kind not in KINDS:
            continue
        prompt_ids = _prompt_ids(source, asked(source.turn), renderer, recipe, Counter())
        effect, turn = found[source.turn.id], source.turn
        reply_ids = renderer.reply_ids(source.reply)[: -1 if turn.cut else None]
        if prompt_ids is not None and len(reply_ids) <= MAX_REPLY_TOKENS:
            outcome = Outcome(prompt_ids, tuple(reply_ids), turn.id, turn.author or "", effect.value, effect.graded)
            outcomes.append(outcome)
    return tuple(sorted(outcomes, key=lambda outcome: outcome.source))


def _rendered(
    sources: Sequence[Source], renderer: Renderer, recipe: Recipe, counts: Counter[str]
) -> list[tuple[Source, Example | EvaluationItem]]:
    """Sources with their items: of one prompt what people said last, and what a check says only where nobody did."""
    by_prompt: dict[tuple[int, ...], tuple[Source, Example | EvaluationItem]] = {}
    for source in sorted(sources, key=lambda s: (not s.checked, s.at, s.turn.id)):
        item = _item(source, renderer, recipe, counts)
        if item is not None:
            by_prompt[item.prompt_ids] = source, item
    return list(by_prompt.values())


def _item(source: Source, renderer: Renderer, recipe: Recipe, counts: Counter[str]) -> Example | EvaluationItem | None:
    turn = source.turn
    if turn.kind not in KINDS:
        counts["of a kind that is not known"] += 1
        return None
    task = _task(source)
    reply = tuple(renderer.reply_ids(source.reply))
    rejected = tuple(renderer.reply_ids(source.rejected)) if source.objective == "pair" else ()
    prompt_ids = _prompt_ids(source, task, renderer, recipe, counts)
    if prompt_ids is None:
        return None
    if max(len(reply), len(rejected)) > MAX_REPLY_TOKENS:
        counts["too long"] += 1
        return None
    if source.split == "evaluation":
        choices = KINDS[turn.kind].choice_ids(renderer, task)
        if source.checked:
            return EvaluationItem(turn.id, prompt_ids, (), "", turn.kind, PRACTICE, task=task, choices=choices)
        if not has_answer(source):
            return EvaluationItem(turn.id, prompt_ids, reply, "", turn.kind, THUMBS, opinion(source), task, choices)
        age = slice_of(source.at, recipe.learned)
        return EvaluationItem(turn.id, prompt_ids, reply, source.reply, turn.kind, age, task=task, choices=choices)
    return Example(
        prompt_ids,
        reply,
        turn.id,
        turn.author or "",
        source.weight,
        source.objective,
        rejected,
        turn.kind,
        task,
    )


def _task(source: Source) -> Task:
    """What a turn was asked for, without personal data, as it is learned with what was approved."""
    task = asked(source.turn)
    return KINDS[source.turn.kind].taught(task, source.reply) if source.objective != "undesirable" else task


def _prompt_ids(
    source: Source, task: Task, renderer: Renderer, recipe: Recipe, counts: Counter[str]
) -> tuple[int, ...] | None:
    found = present_prompt(source.turn, source.conversation, task, renderer, recipe.system_prompt, counts)
    return found.ids if found else None
