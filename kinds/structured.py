"""Reports: JSON that fits a schema, or Markdown with the sections that the instruction names."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import Draft202012Validator, extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from core.errors import InvalidInput
from kinds.chat import token_f1
from kinds.kind import Finding, Kind, Task

MAX_FIELDS = 40
"""Fields of a schema that the prompt names."""
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)\s*#*$", re.MULTILINE)
_ITEM = r"[ \t]*(?:[-*+•]|\d+[.)])[ \t]+"
_NAMED = re.compile(
    r"\b[Ss]ections?\b(?:\s+(?:named|called|titled))?(?:\s*:\s*|\s+(?=[\"“']|[A-Z]|[-*+•]\s))"
    rf"(?P<names>{_ITEM}[^\n]+(?:\n{_ITEM}[^\n]+)*|[^.:\n]+)"
)
_BORDER = re.compile(rf"\s*(?:,|;|\band\b|\n{_ITEM})\s*")
_NUMBERED = re.compile(rf"^{_ITEM}")
_MARKS = " \t\"'“”‘’*_:："


class Report(Kind):
    """The outcome is 1 for JSON that fits, or Markdown with every section, and 0 for what is invalid."""

    name = "report"
    measure = "token F1"
    whys = ("valid", "no_json", "misfit", "all_sections", "sections_missing")
    max_tokens = 768

    def ending(self, task: Task) -> str:
        """The form that is checked."""
        if task.schema is not None:
            return f"Answer with JSON and nothing else.{_fields(task.schema)}"
        named = sections(task.instruction)
        return "Write Markdown with these sections:\n" + "\n".join(f"## {name}" for name in named) if named else ""

    def check(self, task: Task, reply: str) -> Finding | None:
        """Whether a report has its form; None where none is prescribed."""
        if task.schema is not None:
            return _fits(task.schema, reply)
        named = sections(task.instruction)
        if not named:
            return None
        missing = _missing(named, reply)
        if not missing:
            return Finding(1.0, "all_sections", "Every section is there.")
        listed = ", ".join(missing)
        return Finding(0.0, "sections_missing", f"Missing or empty: {listed}.", values={"sections": listed})

    def score(self, reply: str, reference: str) -> float:
        """Overlap of words."""
        return token_f1(reply, reference)


def check_schema(schema: str) -> str:
    """A schema, if it is one.

    Raises: InvalidInput where it is no JSON, or no JSON schema.
    """
    try:
        found = json.loads(schema)
        validator_for(found, Draft202012Validator).check_schema(found)
    except (ValueError, TypeError, SchemaError, RecursionError) as error:
        raise InvalidInput(f"it holds no JSON schema ({str(error).splitlines()[0]}).") from None
    return schema


def sections(instruction: str) -> list[str]:
    """The sections that an instruction names: as a list after the word, or as headings.

    A list where it asks, above the first heading or in the last paragraph, stands above headings, for those may be of
    a text that it is about.
    """
    headings = [heading[2] for heading in _HEADING.finditer(instruction)]
    above, last = _HEADING.split(instruction, maxsplit=1)[0], instruction.rstrip().rpartition("\n\n")[2]
    found = _NAMED.search(above) or _NAMED.search(last)
    names = _BORDER.split(found["names"]) if found else headings
    return list(dict.fromkeys(name for name in map(_plain, names) if name))


def _plain(heading: str) -> str:
    """A heading without its number and the marks around it."""
    return _NUMBERED.sub("", heading.strip(_MARKS)).strip(_MARKS)


def _missing(named: Sequence[str], reply: str) -> list[str]:
    """The sections that a report lacks, or has nothing below: neither text, nor a subsection with text."""
    found = [(len(h[1]), _plain(h[2]).casefold(), h.start(), h.end()) for h in _HEADING.finditer(reply)]
    wanted, there = {name.casefold() for name in named}, set()
    for n, (level, name, _, begin) in enumerate(found):
        ends = (start for depth, other, start, _ in found[n + 1 :] if depth <= level or other in wanted)
        if _HEADING.sub("", reply[begin : next(ends, len(reply))]).strip():
            there.add(name)
    return [name for name in named if name.casefold() not in there]


def _fields(schema: str) -> str:
    try:
        fields = json.loads(schema)["properties"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    names = list(fields)[:MAX_FIELDS] if isinstance(fields, dict) else ()
    return f" Its fields: {', '.join(names)}." if names else ""


def _fits(schema: str, reply: str) -> Finding:
    fenced = _FENCED.fullmatch(reply.strip())
    try:
        report = json.loads(fenced[1] if fenced else reply)
    except (ValueError, RecursionError):
        return Finding(0.0, "no_json", "This is not JSON, or not all of it.")
    try:
        error = best_match(_validator(json.loads(schema)).iter_errors(report))
    except Unresolvable:
        return _misfit("The schema refers to another one, which is not fetched.", "$ref")
    except Exception:  # a schema is whatever somebody sent, and it may refer to itself without end
        return _misfit("The report cannot be checked by this schema.", "$schema")
    if error is None:
        return Finding(1.0, "valid", "The report fits its schema.")
    where = ".".join(str(step) for step in error.absolute_path) or "$"
    return _misfit(f"The report does not fit its schema at {where}.", where)


def _misfit(said: str, where: str) -> Finding:
    return Finding(0.0, "misfit", said, values={"field": where})


def _validator(schema: Any) -> Any:
    """A validator that fetches nothing. Patterns are left to the grammar that kept the reply to them: on a text that
    does not match, Python's own may take for ever. What depends on patterns is left with them."""
    default = validator_for(schema, Draft202012Validator)
    rules = {"pattern": _passed, "patternProperties": _passed}
    if "patternProperties" in json.dumps(schema):
        rules |= {"additionalProperties": _additional(default), "unevaluatedProperties": _passed}
    return extend(default, rules)(schema, registry=Registry())


def _additional(default: Any) -> Callable[..., Iterable[Any]]:
    """The check of further properties, which are not told from those that patterns name."""
    checked = default.VALIDATORS.get("additionalProperties", _passed)

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterable[Any]:
        return () if "patternProperties" in schema else checked(validator, value, instance, schema)

    return check


def _passed(validator: Any, value: Any, instance: Any, schema: Any) -> Iterable[Any]:
    return ()
