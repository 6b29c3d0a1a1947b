"""How much sooner a chat's next turn begins when its history is not read again."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.figures import measured, over
from bench.load import Load, Wave
from bench.prompts import Messages, Prompts
from bench.subjects import NEW_TOKENS, Subject

HISTORY_TOKENS = 1000
TIMES = 5
FIRST_WORDS = 8
"""New tokens of the second turn, of which only the first counts."""
NEXT = {"role": "user", "content": "Thank you. Can you say the same in fewer words?"}


def second_turns(load: Load, prompts: Prompts, subject: Subject) -> dict[str, Any]:
    """Time to first token (s, medians) of a second turn, and of one as long in a chat that was never seen before."""
    reused, fresh, lengths, errors = [], [], [], 0
    for _ in range(TIMES):
        begun, other = _asked(prompts), _asked(prompts)
        first = _ask(load, subject, begun, NEW_TOKENS)
        reply = {"role": "assistant", "content": first.answers[0].text}
        again = _ask(load, subject, [*begun, reply, NEXT], FIRST_WORDS)
        anew = _ask(load, subject, [*other, reply, NEXT], FIRST_WORDS)
        reused.append(again.answers[0].first_s)
        fresh.append(anew.answers[0].first_s)
        lengths.append(again.answers[0].prompt_tokens)
        errors += sum(len(wave.errors) for wave in (first, again, anew))
    with_reuse, without = _median(reused), _median(fresh)
    return {
        "prompt_tokens": median(lengths),
        "first_reused_s": measured(with_reuse, 4),
        "first_fresh_s": measured(without, 4),
        "sooner": measured(over(without, with_reuse), 2),
        "errors": errors,
    }


def _median(times: Sequence[float | None]) -> float:
    found = [t for t in times if t is not None]
    return median(found) if found else math.nan


def _asked(prompts: Prompts) -> Messages:
    """A history with a question at its end."""
    return [*prompts.history(HISTORY_TOKENS), prompts.take(1)[0][-1]]


def _ask(load: Load, subject: Subject, messages: Messages, new_tokens: int) -> Wave:
    return load.run(subject.url, subject.scripts([[messages]], new_tokens))
