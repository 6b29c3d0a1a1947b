"""Learning from one's own answers: which instructions are practised, and what is learned of the attempts.

Rejection sampling (Zelikman et al. 2022, "STaR"; Yuan et al. 2023): of the answers that versions wrote to an
instruction, the shortest that its kind's check passed is learned, since what else it says was not checked, rather than
the newest that did not pass; where none passed, that one is how not to answer. Instructions of the frozen side are
never practised: they judge, by that check.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.privacy import holds_personal_data
from core.records import Split, Turn
from feedback.practice import Attempt
from feedback.turns import question
from kinds import KINDS
from training.calibration import WORKS
from training.sources import Record, Source, allowed, own_words, preferred


@dataclass(frozen=True, slots=True)
class Instruction:
    """A turn whose instruction a check can judge, the side on which it stands, and what came of it when it was asked.

    `served` are the answers that its author got in its chat, oldest first: the turn's own, what was tried after it
    failed or because another was wanted, and what came when the same was asked again.
    """

    turn: Turn
    split: Split
    served: tuple[Attempt, ...]


def instructions(record: Record) -> list[Instruction]:
    """What was asked that a check alone can judge, each conversation's question once, as it was asked first.

    Where an operator decided on an answer, that is learned instead.

    Raises: StoreUnavailable.
    """
    observed = record.observations.all()
    turns = [turn for turn in record.turns.get_many(list(observed)).values() if _can_be_practised(turn)]
    decided = record.reviews.get_many([turn.id for turn in turns])
    answered = {_question(turn) for turn in turns if turn.id in decided}
    asked: defaultdict[tuple[str | None, str, str], list[Attempt]] = defaultdict(list)
    for turn in sorted(turns, key=lambda t: (t.created_at, t.id)):
        if _question(turn) not in answered:
            asked[_question(turn)].append(Attempt(replace(turn, reply=own_words(turn)), observed[turn.id]))
    first = [attempts[0].turn for attempts in asked.values()]
    served = [
        tuple(a for a in attempts if (a.turn.author, a.turn.chat) == (turn.author, turn.chat))
        for turn, attempts in zip(first, asked.values(), strict=True)
    ]
    return [Instruction(*each) for each in zip(first, record.reviews.splits(first), served, strict=True)]


def practised(record: Record) -> Iterator[Source]:
    """What was learned in practice; and, where anything ever was, the frozen instructions that judge by a check.

    Raises: StoreUnavailable.
    """
    attempts = record.practice.attempts()
    if not attempts:
        return
    for each in instructions(record):
        if each.split == "train" and each.turn.id in attempts:
            yield from _lesson(each, [*each.served, *attempts[each.turn.id]])
        elif each.split == "evaluation":
            yield _itself(each)


def to_practise(record: Record) -> list[Source]:
    """The instructions that may be practised, each as its turn and conversation.

    Raises: StoreUnavailable.
    """
    return allowed([_itself(each) for each in instructions(record) if each.split == "train"], record, Counter())


def _itself(instruction: Instruction) -> Source:
    """An instruction whatever its answer was."""
    turn = instruction.turn
    at = instruction.served[0].observation.created_at
    return Source(turn, turn.reply, instruction.split, at, reviewed=False, checked=True)


def _lesson(instruction: Instruction, attempts: Sequence[Attempt]) -> Iterator[Source]:
    """One example of the attempts that said something: the shortest that worked rather than the newest that did not."""
    said = [attempt for attempt in attempts if attempt.turn.reply.strip()]
    works = [attempt.turn for attempt in said if attempt.observation.value >= WORKS]
    fails = [attempt.turn for attempt in said if attempt.observation.value < WORKS]
    taken = min(reversed(works), key=lambda turn: len(turn.reply), default=fails[-1] if fails else None)
    if taken is not None:
        at = max(attempt.observation.created_at for attempt in attempts)
        source = Source(taken, taken.reply, instruction.split, at, reviewed=False, checked=True)
        disliked = fails[-1].reply if fails else ""
        yield preferred(source, disliked) if works else replace(source, objective="undesirable")


def _can_be_practised(turn: Turn) -> bool:
    """Whether a turn is somebody's question, of a kind whose check suffices, answered by a version.

    Tests out of which personal data was taken are no longer those that were asked for.
    """
    known = turn.kind in KINDS and KINDS[turn.kind].practised
    whole = not holds_personal_data(question(turn))
    return known and whole and turn.origin in ("model", "quote") and turn.beside is None


def _question(turn: Turn) -> tuple[str | None, str, str]:
    return turn.parent, turn.system, " ".join(question(turn).split())
