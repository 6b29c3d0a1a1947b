"""Kinds of task, torch-free: how a prompt ends, what constrains the reply, how its outcome is checked and scored."""

from core.errors import InvalidInput
from kinds.chat import Chat
from kinds.checked import Checked
from kinds.kind import Kind
from kinds.label import Label
from kinds.qa import Qa
from kinds.structured import Report
from kinds.summary import Summary

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Chat(), Qa(), Label(), Summary(), Report(), Checked())}


def asked_kinds() -> list[str]:
    """The kinds that a request may name."""
    return sorted(name for name, kind in KINDS.items() if kind.asked)


def of_one_memory(kind: Kind) -> frozenset[str]:
    """The kinds whose approved answers are said word for word for this one too."""
    return frozenset(name for name, other in KINDS.items() if other.memory == kind.memory)


def check_asked(name: str) -> str:
    """The name of a kind that may be asked for.

    Raises: InvalidInput where there is none of this name.
    """
    if name not in asked_kinds():
        raise InvalidInput(f"there is no kind of task called {name!r}; choose one of {', '.join(asked_kinds())}.")
    return name
