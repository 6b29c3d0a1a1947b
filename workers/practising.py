"""Practice before a refresh: the live version answers the record's own instructions, and each answer is carried out."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

from adapters.base import Base, prepare_base, renderer_of
from core.errors import Busy, NotFound, ServingUnavailable
from core.prompt import Renderer
from core.records import BASE, Turn, new_id, now_ms
from feedback.spent import note_beside
from kinds import KINDS
from kinds.kind import Finding, Task
from serving.engine import GenerationRequest, Sampling
from serving.engines import context_tokens
from training.calibration import WORKS
from training.gate import Answered
from training.lessons import to_practise
from training.rendering import asked, documents, present_prompt, recorded_prompt
from training.room import NotEnoughMemory, enough_memory
from training.sources import Source
from workers.cancelling import RefreshCancelled, take_back
from workers.context import Context
from workers.judging import Judge, open_judge
from workers.lock import RefreshLock
from workers.refresh import Progress, again_later, comparable, give_way, put_off, watched

log = logging.getLogger(__name__)
SAMPLES = 4
"""Answers to an instruction, where practice is asked for and the settings name no number."""
TEMPERATURE = 0.3
MOST_INSTRUCTIONS = 400
"""Instructions that one refresh practises, the least practised first."""
AT_ONCE = 8
"""Instructions whose answers are sampled, carried out and kept before the next."""
RUNS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class PracticeResult:
    """How it ended: `practised`, or `postponed` or `cancelled`, whereupon no refresh follows."""

    outcome: str
    summary: str
    answers: int = 0
    works: int = 0


@dataclass(frozen=True, slots=True)
class _Exercise:
    """An answer that is to be written: its turn without the answer, what it is checked for, and its prompt."""

    turn: Turn
    task: Task
    request: GenerationRequest


def practise(context: Context, lock: RefreshLock, progress: Progress) -> PracticeResult | None:
    """Have the live version answer what it was asked before, where the settings say so or somebody asked; else None.

    Each instruction whose check suffices, that may be learned from, and that stands on the side of training is answered
    so often by the live version as the settings say, once and for all. What is there already is not done again.

    Raises: FenceLost, DiskFull, StoreUnavailable.
    """
    wanted = context.practice.asked()
    samples = context.settings.practice or (SAMPLES if wanted else 0)
    if not samples or context.registry.aliases().canary:
        return None
    give_way()
    began = now_ms()
    try:
        with enough_memory():
            result = _practise(context, lock, samples, watched(context, lock, progress))
    except (NotEnoughMemory, Busy, ServingUnavailable) as error:
        lock.check()
        put_off(context.store, str(error))
        return PracticeResult("postponed", again_later(str(error)))
    except RefreshCancelled as error:
        lock.check()
        take_back(context.store, "", {}, error.who)
        return PracticeResult("cancelled", f"{error.who} cancelled the refresh; the answers that it tried are kept.")
    note_beside(context.store, began, now_ms())
    context.practice.settle(wanted)
    log.info("practice: %s", result.summary)
    return result


def _practise(context: Context, lock: RefreshLock, samples: int, progress: Progress) -> PracticeResult:
    settings = context.settings
    base = prepare_base(settings.model, settings.data_dir)
    renderer = renderer_of(base, settings.prompt_tokens)
    version = comparable(context.registry, context.registry.route(), base)
    exercises = list(_exercises(context, renderer, version, samples))
    if not exercises:
        said = "there is nothing that the live version has not tried yet; it practises programs that people asked for."
        return PracticeResult("practised", said)
    folders = {version: context.registry.path(version)}
    outcomes = asyncio.run(_all_done(context, lock, base, folders, exercises, progress))
    works = sum(found.value >= WORKS for found in outcomes)
    named = "the base model" if version == BASE else f"version {version[:12]}"
    said = f"{named} tried {len(outcomes)} answers to what it had been asked, and {works} of them work."
    return PracticeResult("practised", said, len(outcomes), works)


async def _all_done(
    context: Context,
    lock: RefreshLock,
    base: Base,
    folders: dict[str, Path],
    exercises: Sequence[_Exercise],
    progress: Progress,
) -> list[Finding]:
    async with open_judge(context.settings, base, folders, len(exercises)) as judge:
        return await asyncio.to_thread(_done, context, lock, judge, exercises, progress)


def _done(
    context: Context, lock: RefreshLock, judge: Judge, exercises: Sequence[_Exercise], progress: Progress
) -> list[Finding]:
    """What came of every answer, each kept before the next are begun."""
    outcomes: list[Finding] = []
    remaining = iter(exercises)
    with ThreadPoolExecutor(RUNS_AT_ONCE, "run") as runs:
        while several := list(islice(remaining, AT_ONCE)):
            progress("practising", len(outcomes), len(exercises))
            answers = judge.sample([each.request for each in several])
            found = runs.map(_checked, several, answers)
            for each, answer, finding in zip(several, answers, found, strict=True):
                if finding is not None and finding.observed and _kept(context, lock, each, answer, finding):
                    outcomes.append(finding)
    return outcomes


def _checked(exercise: _Exercise, answer: Answered) -> Finding | None:
    return KINDS[exercise.turn.kind].check(exercise.task, answer.text)


def _kept(context: Context, lock: RefreshLock, exercise: _Exercise, answer: Answered, found: Finding) -> bool:
    """Keep an answer, unless its instruction was forgotten or is too old since."""
    turn = replace(exercise.turn, reply=answer.text, cut=not answer.ended, created_at=now_ms())
    try:
        context.practice.add(turn, found, lock.value)
    except NotFound:
        return False
    return True


def _exercises(context: Context, renderer: Renderer, version: str, samples: int) -> Iterator[_Exercise]:
    """The answers that the version has not given yet, to the least practised instructions first."""
    attempts = context.practice.attempts()
    sources = to_practise(context.record)
    sources.sort(key=lambda s: (len(attempts.get(s.turn.id, ())), _lot(s.turn.id)))
    for source in sources[:MOST_INSTRUCTIONS]:
        given = sum(attempt.turn.adapter == version for attempt in attempts.get(source.turn.id, ()))
        if given < samples:
            yield from islice(_of(context, renderer, version, source), given, samples)


def _of(context: Context, renderer: Renderer, version: str, source: Source) -> Iterator[_Exercise]:
    """As many answers to an instruction as are wanted, each drawing numbers of its own; none where it cannot be asked.

    It is asked as it would be learned: without personal data, and without what memory said.
    """
    settings, asking = context.settings, source.turn
    kind, task = KINDS[asking.kind], replace(asked(asking), may_run=context.permission.may_run(asking.author))
    prompt = present_prompt(asking, source.conversation, task, renderer, settings.system_prompt, Counter())
    room = context_tokens(settings) - len(prompt.ids) if prompt else 0
    if prompt is None or (kind.runs and not task.may_run):
        return
    limit = min(kind.max_tokens or settings.reply_tokens, room)
    turn = Turn(
        "",
        asking.messages,
        parent=asking.parent,
        author=asking.author,
        kind=asking.kind,
        system=settings.system_prompt,
        passages=documents(asking),
        origin="practice",
        adapter=version,
        prompt_identity=renderer.identity,
        status="complete",
        labels=asking.labels,
        schema=asking.schema,
        beside=asking.id,
    )
    turn = replace(turn, prompt_hash=recorded_prompt(turn, source.conversation, renderer).hash)
    for number in count():
        sampling = Sampling(temperature=TEMPERATURE, seed=_lot(f"{asking.id} {version} {number}"))
        request = GenerationRequest(prompt.ids, version, limit, sampling, schema=kind.schema(task))
        yield _Exercise(replace(turn, id=new_id()), task, request)


def _lot(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
