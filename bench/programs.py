"""Simple Python instructions with their tests: one function each, of thirty-two families."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

NUMBERS = tuple(range(2, 16))
LETTERS = tuple("abcdeghiklmnop")
WORDINGS = (
    "Write a Python function `{name}` that {does}.",
    "Define `{name}` in Python: a function that {does}.",
    "I need a Python function called `{name}`. It {does}.",
)
TEXTS = ("banana", "the cat sat on the mat", "Python", "", "a good kettle")
LISTS = ([3, 8, 12, 5], [1], [20, 2, 7, 7, 14, 9], [4, 4, 4])


@dataclass(frozen=True, slots=True)
class Family:
    """Functions of one shape: what one does, how it is made of a parameter, and what its tests give it."""

    name: str
    does: str
    of: Callable[[Any], Callable[..., Any]]
    inputs: Sequence[Any]
    parameters: Sequence[Any] = NUMBERS


FAMILIES = (
    Family("add_{n}", "adds {n} to a number", lambda n: lambda x: x + n, (1, 10, -4)),
    Family("subtract_{n}", "subtracts {n} from a number", lambda n: lambda x: x - n, (1, 10, -4)),
    Family("times_{n}", "multiplies a number by {n}", lambda n: lambda x: x * n, (1, 10, -4)),
    Family("power_{n}", "raises a number to the power of {n}", lambda n: lambda x: x**n, (1, 2, -3)),
    Family("divide_by_{n}", "divides a number by {n}", lambda n: lambda x: x / n, (0, 30, 60)),
    Family("rest_by_{n}", "returns the remainder of a number divided by {n}", lambda n: lambda x: x % n, (7, 30, 101)),
    Family(
        "is_multiple_of_{n}", "tells whether a number can be divided by {n}", lambda n: lambda x: x % n == 0, (30, 7, 0)
    ),
    Family("is_above_{n}", "tells whether a number is greater than {n}", lambda n: lambda x: x > n, (1, 100, 8)),
    Family("is_below_{n}", "tells whether a number is less than {n}", lambda n: lambda x: x < n, (1, 100, 8)),
    Family("at_most_{n}", "returns a number, or {n} if it is greater than {n}", lambda n: lambda x: min(x, n), (1, 99)),
    Family("at_least_{n}", "returns a number, or {n} if it is less than {n}", lambda n: lambda x: max(x, n), (1, 99)),
    Family("first_{n}", "returns the first {n} characters of a text", lambda n: lambda t: t[:n], TEXTS),
    Family("last_{n}", "returns the last {n} characters of a text", lambda n: lambda t: t[-n:], TEXTS),
    Family("without_first_{n}", "returns a text without its first {n} characters", lambda n: lambda t: t[n:], TEXTS),
    Family("repeat_{n}", "repeats a text {n} times", lambda n: lambda t: t * n, ("ab", "x", "")),
    Family(
        "longer_than_{n}", "tells whether a text has more than {n} characters", lambda n: lambda t: len(t) > n, TEXTS
    ),
    Family("take_{n}", "returns the first {n} items of a list", lambda n: lambda v: v[:n], LISTS),
    Family("plus_{n}_each", "adds {n} to every number of a list", lambda n: lambda v: [x + n for x in v], LISTS),
    Family("times_{n}_each", "multiplies every number of a list by {n}", lambda n: lambda v: [x * n for x in v], LISTS),
    Family(
        "above_{n}",
        "returns the numbers of a list that are above {n}",
        lambda n: lambda v: [x for x in v if x > n],
        LISTS,
    ),
    Family(
        "below_{n}",
        "returns the numbers of a list that are below {n}",
        lambda n: lambda v: [x for x in v if x < n],
        LISTS,
    ),
    Family(
        "count_above_{n}",
        "counts the numbers of a list that are above {n}",
        lambda n: lambda v: sum(x > n for x in v),
        LISTS,
    ),
    Family("has_{n}", "tells whether a list contains the number {n}", lambda n: lambda v: n in v, LISTS),
    Family("sum_plus_{n}", "returns the sum of a list, plus {n}", lambda n: lambda v: sum(v) + n, LISTS),
    Family(
        "multiples_of_{n}",
        "returns the first k multiples of {n} as a list, from {n} on",
        lambda n: lambda k: [n * i for i in range(1, k + 1)],
        (1, 3, 5),
    ),
    Family(
        "up_to_{n}",
        "returns the list of the numbers from a start to {n}, both included",
        lambda n: lambda s: list(range(s, n + 1)),
        (0, 1, 2),
    ),
    Family(
        "count_{n}", "counts how often the letter {n!r} is in a text", lambda n: lambda t: t.count(n), TEXTS, LETTERS
    ),
    Family(
        "remove_{n}", "removes every letter {n!r} from a text", lambda n: lambda t: t.replace(n, ""), TEXTS, LETTERS
    ),
    Family(
        "starts_with_{n}",
        "tells whether a text starts with the letter {n!r}",
        lambda n: lambda t: t.startswith(n),
        TEXTS,
        LETTERS,
    ),
    Family(
        "ends_with_{n}",
        "tells whether a text ends with the letter {n!r}",
        lambda n: lambda t: t.endswith(n),
        TEXTS,
        LETTERS,
    ),
    Family(
        "join_by_{n}",
        "joins a list of texts with the letter {n!r} between them",
        lambda n: lambda v: n.join(v),
        (["u", "v"], ["w"], []),
        LETTERS,
    ),
    Family("split_at_{n}", "splits a text at every letter {n!r}", lambda n: lambda t: t.split(n), TEXTS, LETTERS),
)


def programs(seed: int = 7) -> tuple[list[str], list[str]]:
    """Instructions to learn from and unseen ones, of every family half each, in a fixed random order.

    No instruction is in both; unseen ones have other parameters.
    """
    order = random.Random(seed)
    learn: list[str] = []
    unseen: list[str] = []
    for family in FAMILIES:
        parameters = order.sample(list(family.parameters), len(family.parameters))
        for place, parameter in enumerate(parameters):
            (learn if place % 2 else unseen).append(
                instruction(family, parameter, WORDINGS[place // 2 % len(WORDINGS)])
            )
    return order.sample(learn, len(learn)), order.sample(unseen, len(unseen))


def instruction(family: Family, parameter: Any, wording: str) -> str:
    """One instruction, with an assertion for each input."""
    name, function = family.name.format(n=parameter), family.of(parameter)
    says = wording.format(name=name, does=family.does.format(n=parameter))
    return "\n".join([says, *(f"assert {name}({given!r}) == {function(given)!r}" for given in family.inputs)])
