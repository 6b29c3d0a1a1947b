"""The kind code: which program an answer holds, which tests an instruction, and what comes of running the two."""

import pytest

from kinds import KINDS
from kinds.code import LONGEST, assertions_of, program_of
from kinds.kind import Task
from kinds.sandbox import NoIsolation, what_is_lacking

CODE = KINDS["code"]
isolated = pytest.mark.skipif(what_is_lacking() is not None, reason=what_is_lacking() or "")
ADD = """Write `add`.
assert add(1, 2) == 3
- `assert add(0, 0) == 0`
```python
assert add(
    "a",
    "b",
) == "ab", "texts too"
```
    assert local == 1
Please assert nothing else; assert nothing."""


@pytest.mark.parametrize(
    "reply, program",
    [
        ("```python\nprint(1)\n```", "print(1)\n"),
        ("Here:\n```\nf()\n```\nand\n~~~py\ndef f():\n    return 1\n~~~\nDone.", "def f():\n    return 1\n"),
        ("```python\nf(1)\n```\n```python\nf(2)\n```", "f(2)\n"),
        ("  ```python\n  print(1)\n  ```", "print(1)\n"),
        ("```python\nprint(1", "print(1"),
        ("print(1)", "print(1)"),
        ("x = 1\nprint(x)", "x = 1\nprint(x)"),
        ("```bash\nls\n```\n```python\nprint(1)\n```", "print(1)\n"),
        ("```bash\nls\n```", None),
        ("```python\n```", None),
        ("Paris (France)", None),
        ("42", None),
        ("", None),
        ("x = 1\n" * LONGEST, None),
    ],
)
def test_the_program_is_the_largest_block_of_python_or_a_reply_that_looks_like_one(reply, program):
    assert program_of(reply)[0] == program


def test_assertions_are_found_in_and_outside_of_fences_in_as_many_lines_as_they_take():
    assert assertions_of(ADD).splitlines() == [
        "assert add(1, 2) == 3",
        "assert add(0, 0) == 0",
        "assert add(",
        '    "a",',
        '    "b",',
        ') == "ab", "texts too"',
    ]
    assert assertions_of("assert (\n" * 10_000) == "" and assertions_of("Assert yourself.") == ""


@isolated
@pytest.mark.parametrize(
    "instruction, reply, value, why, said",
    [
        ("Say hi.", "```python\nprint('hi')\n```", 1.0, "ran", "Ran in"),
        (ADD, "```python\nadd = lambda a, b: a + b\n```", 1.0, "passed", "and passed its tests"),
        (ADD, "```python\nadd = max\n```", 0.0, "test_failed", "AssertionError: add(1, 2) == 3"),
        ("As in\n\n>>> double(2)\n4\n", "def double(x):\n    return 2 * x", 1.0, "passed", "and passed its tests"),
        ("As in\n\n>>> double(2)\n4\n", "def double(x):\n    return x", 0.0, "test_failed", "gave 2, not 4"),
        (ADD, "I cannot.", 0.0, "no_code", "There is no Python program."),
        (ADD, "import this: it (alas", 0.0, "no_code", "There is no Python program."),
        (ADD, "```python\ndef add(a, b) return\n```", 0.0, "syntax", "SyntaxError: expected ':'"),
        ("Loop.", "```python\nimport os\nos.fork()\n```", 0.0, "processes", "wanted another process"),
    ],
)
def test_what_comes_of_an_answer(instruction, reply, value, why, said):
    finding = CODE.check(Task(instruction, may_run=True), reply)
    assert (finding.value, finding.why) == (value, why) and said in finding.said and why in CODE.whys
    told = CODE.repair(finding)
    assert told is None if value else finding.said in told
    assert CODE.grade(Task(instruction, may_run=True), reply, "a reference") == value


def test_nothing_runs_for_whom_it_is_off(monkeypatch):
    monkeypatch.setattr(CODE, "_sandbox", None)
    reply = "```python\nprint(1)\n```"
    assert CODE.check(Task("Say 1."), reply) is None
    assert CODE.grade(Task("Say 1."), reply, reply) == 1.0 and CODE.grade(Task("Say 1."), "no", reply) == 0.0


def test_without_isolation_the_person_is_told_and_nothing_is_observed(monkeypatch):
    def refuse(*_):
        raise NoIsolation("install bubblewrap.")

    monkeypatch.setattr(CODE._sandbox, "run", refuse)
    finding = CODE.check(Task("Say 1.", may_run=True), "```python\nprint(1)\n```")
    assert (finding.why, finding.said, finding.observed) == ("not_run", "install bubblewrap.", False)
    assert CODE.repair(finding) is None
