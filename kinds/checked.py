"""Prompts whose answers a rule can check, without a reference: a form asked for, or words that must not come."""

import json
import re

from kinds.kind import Kind


class Checked(Kind):
    """Scores 1 where an answer passes, 0 where it does not. The reference is the rule, as a JSON object of one of

    `matches` (a pattern for the whole answer), `absent` (patterns of which none may occur anywhere), or `json` (keys
    that the JSON object must have which the answer is, in a code fence or not). Patterns ignore case.
    """

    name = "checked"
    measure = "share that passes"
    asked = False

    def score(self, reply: str, reference: str) -> float:
        """1 where the reply passes the rule, else 0."""
        ((rule, wanted),) = json.loads(reference).items()
        if rule == "matches":
            return float(re.fullmatch(wanted, reply.strip(), re.I | re.S) is not None)
        if rule == "absent":
            return float(not any(re.search(pattern, reply, re.I) for pattern in wanted))
        return float(_has_keys(reply, wanted))


def _has_keys(reply: str, wanted: list[str]) -> bool:
    fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", reply.strip(), re.S)
    try:
        found = json.loads(fenced[1] if fenced else reply)
    except ValueError:
        return False
    return isinstance(found, dict) and set(wanted) <= set(found)
