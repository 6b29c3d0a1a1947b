"""Reports: JSON that fits a schema, or Markdown with the sections that the instruction names."""

import json
import re
from collections.abc import Sequence
from typing import Any

from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import Draft202012Validator, extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from core.errors import InvalidInput
from kinds.chat import token_f1
from kinds.kind import Finding, Kind, Loss, Task

MAX_FIELDS = 40
"""Fields of a schema that the prompt names."""
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_NAMED = re.compile(r"\b[Ss]ections?\b(?:\s+(?:named|called|titled))?(?:\s*:\s*|\s+(?=[\"“']|[A-Z]))(?P<names>[^.\n]+)")


class Report(Kind):
    """The outcome is 1 or 0 for JSON, and the share of the sections that are there for Markdown."""

    name = "report"
    measure = "token F1"
    loss: Loss = "mean squared error"
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
        missing = [name for name in named if name.casefold() not in _written(reply)]
        if not missing:
            return Finding(1.0, "all_sections", "Every section is there.")
        listed = ", ".join(missing)
        value = 1 - len(missing) / len(named)
        return Finding(value, "sections_missing", f"Missing or empty: {listed}.", values={"sections": listed})

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
    except (ValueError, SchemaError) as error:
        raise InvalidInput(f"it holds no JSON schema ({str(error).splitlines()[0]}).") from None
    return schema


def sections(instruction: str) -> list[str]:
    """The sections that an instruction names: as headings, or as a list after the word."""
    headings = _HEADING.findall(instruction)
    if headings:
        return list(dict.fromkeys(headings))
    found = _NAMED.search(instruction)
    names = re.split(r"\s*(?:,|;|\band\b)\s*", found["names"]) if found else []
    return list(dict.fromkeys(name.strip(" \"'“”*") for name in names if name.strip(" \"'“”*")))


def _written(reply: str) -> set[str]:
    """The headings of a report below which something stands, without their case."""
    found = list(_HEADING.finditer(reply))
    ends = [*(heading.start() for heading in found[1:]), len(reply)]
    written = (heading[1] for heading, end in zip(found, ends, strict=True) if reply[heading.end() : end].strip())
    return {heading.strip("*: ").casefold() for heading in written}


def _fields(schema: str) -> str:
    names = list(_parsed(schema).get("properties", {}))[:MAX_FIELDS]
    return f" Its fields: {', '.join(names)}." if names else ""


def _fits(schema: str, reply: str) -> Finding:
    fenced = _FENCED.fullmatch(reply.strip())
    try:
        report = json.loads(fenced[1] if fenced else reply)
    except (ValueError, RecursionError):
        return Finding(0.0, "no_json", "This is not JSON, or not all of it.")
    try:
        error = best_match(_validator(_parsed(schema)).iter_errors(report))
    except Unresolvable:
        return Finding(
            0.0, "misfit", "The schema refers to another one, which is not fetched.", values={"field": "$ref"}
        )
    if error is None:
        return Finding(1.0, "valid", "The report fits its schema.")
    where = ".".join(str(step) for step in error.absolute_path) or "$"
    return Finding(0.0, "misfit", f"The report does not fit its schema at {where}.", values={"field": where})


def _parsed(schema: str) -> dict[str, Any]:
    found = json.loads(schema)
    return found if isinstance(found, dict) else {}


def _validator(schema: dict[str, Any]) -> Any:
    """A validator that fetches nothing. Patterns are left to the grammar that kept the reply to them: on a text that
    does not match, Python's own may take for ever."""
    kind = extend(validator_for(schema, Draft202012Validator), {"pattern": _passed, "patternProperties": _passed})
    return kind(schema, registry=Registry())


def _passed(validator: Any, value: Any, instance: Any, schema: Any) -> Sequence[Any]:
    return ()
