"""What a kind of task asks of the engine: the form of a reply, or the replies of which the likeliest is the answer."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp

from core.prompt import Renderer
from core.records import Choice
from kinds.kind import UNSURE, Kind, Task
from serving.engine import GenerationRequest


def in_form(request: GenerationRequest, kind: Kind, task: Task, renderer: Renderer) -> GenerationRequest:
    """A request whose reply takes the form that its kind prescribes."""
    choices = kind.choice_ids(renderer, task)
    if choices:
        return replace(request, choices=choices, max_tokens=max(map(len, choices)))
    return replace(request, schema=kind.schema(task))


def can_say(kind: Kind, task: Task) -> bool:
    """Whether there is anything to say: words, or at least one reply to choose from."""
    choices = kind.choices(task)
    return choices is None or bool(choices)


def weighed(choices: Sequence[str], likelihoods: Sequence[float]) -> tuple[Choice, ...]:
    """Choices with their probabilities among themselves, the likeliest first; `likelihoods` are logarithms (nats)."""
    best = max(likelihoods, default=0.0)
    weights = [exp(likelihood - best) for likelihood in likelihoods]
    found = [Choice(text, weight / sum(weights)) for text, weight in zip(choices, weights, strict=True)]
    return tuple(sorted(found, key=lambda choice: -choice.probability))


def decided(choices: Sequence[Choice], least: float) -> str:
    """The likeliest choice, where there is another one and it has at least this probability; else that it is unsure."""
    return choices[0].text if len(choices) > 1 and choices[0].probability >= least else UNSURE
