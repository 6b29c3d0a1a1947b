"""Python programs: the reply's code is run in a sandbox, with the tests that stand in the instruction."""

import ast
import re
import textwrap
from itertools import islice

from kinds.chat import token_f1
from kinds.kind import Finding, Kind, Task
from kinds.sandbox import Limits, NoIsolation, Run, Sandbox

LONGEST = 2**16
"""Characters of a program that is run."""
MOST_ASSERTIONS, MOST_LINES, LONGEST_ASSERTION = 50, 20, 2000
"""Assertions of an instruction that are tried, and lines and characters of one."""
_FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.M | re.S)
_PYTHON = ("", "python", "py", "python3")
_STATEMENT = re.compile(
    r"^(?:(?:async )?def |class |import |from \S+ import |for |while |if |with |try:|@|[\w.]+\(|[\w.]+ *[-+*/]?= )",
    re.M,
)
"""How a line of a program begins, which tells a bare program from words."""
_ASSERTION = re.compile(r"^ {0,3}(?:[-*+][ \t]+|\d+[.)][ \t]+)?`{0,2}(?=assert\b)", re.M)
_MIB = 2**20


class Code(Kind):
    """The outcome is 1 where the program compiles, runs, and passes the instruction's tests, else 0."""

    name = "code"
    measure = "share that runs"
    runs = True
    practised = True
    whys = (
        *("ran", "passed", "no_code", "syntax", "failed", "test_failed"),
        *("timeout", "memory", "output", "processes", "refused", "not_run", "busy"),
    )

    def __init__(self, limits: Limits | None = None):
        self._limits = limits or Limits()
        self._sandbox = Sandbox(self._limits)

    def ending(self, task: Task) -> str:
        """The form in which a program is found."""
        return (
            "Answer with one fenced Python block that runs as it stands, with nothing but Python's standard library "
            "and without input."
        )

    def check(self, task: Task, reply: str) -> Finding | None:
        """Whether the reply's program runs; None where it may not be run for whoever asked."""
        if not task.may_run:
            return None
        code, fenced = program_of(reply)
        if code is None:
            return _NO_CODE
        examples = task.instruction if ">>>" in task.instruction else ""
        try:
            run = self._sandbox.run(code, assertions_of(task.instruction), examples, task.stop)
        except NoIsolation as error:
            return Finding(0.0, "not_run", str(error), observed=False, values={"error": str(error)})
        if run is None:
            return None
        return _NO_CODE if run.why == "syntax" and not fenced else self._finding(run)

    def repair(self, finding: Finding) -> str | None:
        """The failure, as the model is told it; what ran needs no repair."""
        if finding.value or not finding.observed:
            return None
        return f"This does not work: {finding.said}\nWrite the whole program again, without this mistake."

    def score(self, reply: str, reference: str) -> float:
        """Overlap of the words with those of a program that is known to work, which is all that can be said unrun."""
        return token_f1(reply, reference)

    def grade(self, task: Task, reply: str, reference: str) -> float:
        """Whether the program runs decides, however it is written."""
        finding = self.check(task, reply)
        return finding.value if finding and finding.observed else self.score(reply, reference)

    def _finding(self, run: Run) -> Finding:
        seconds, most = f"{run.took_ms / 1000:.2f}", self._limits
        said = {
            "ran": f"Ran in {seconds} s.",
            "passed": f"Ran in {seconds} s and passed its tests.",
            "timeout": f"It still ran after {most.wall_s:.0f} s.",
            "memory": f"It needed more than {most.memory // _MIB} MB of memory.",
            "output": f"It wrote more than {most.output // 1024} kB, or {most.scratch // _MIB} MB into files.",
            "processes": f"It wanted another process, or more than {most.threads} threads.",
        }.get(run.why, run.said)
        values = {"seconds": seconds, "error": run.said}
        return Finding(float(run.why in ("ran", "passed")), run.why, said, run.took_ms, values)


_NO_CODE = Finding(0.0, "no_code", "There is no Python program.")


def program_of(reply: str) -> tuple[str | None, bool]:
    """A reply's program, and whether it was fenced: the largest block of Python, or a reply that looks like one."""
    blocks = [text for _, language, text in _FENCED.findall(reply) if language.lower() in _PYTHON]
    code = textwrap.dedent(max(reversed(blocks), key=len) if blocks else reply)
    if not code.strip() or len(code) > LONGEST or not (blocks or _STATEMENT.search(code)):
        return None, bool(blocks)
    return code, bool(blocks)


def assertions_of(instruction: str) -> str:
    """The assertions that begin a line of an instruction, in or outside a fence, as one text."""
    starts = _ASSERTION.finditer(instruction)
    found = (
        _assertion(instruction[match.end() : match.end() + LONGEST_ASSERTION])
        for match in islice(starts, MOST_ASSERTIONS)
    )
    return "\n".join(assertion for assertion in found if assertion)


def _assertion(text: str) -> str | None:
    """The assertion with which a text begins, in as many lines as it takes."""
    lines = text.splitlines()
    for count in range(1, min(len(lines), MOST_LINES) + 1):
        candidate = "\n".join(lines[:count]).rstrip().rstrip("`").rstrip()
        try:
            ast.parse(candidate)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return candidate
    return None
