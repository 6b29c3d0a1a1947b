"""What runs in the sandbox ahead of the code: it gives up its rights, sets the limits, runs the code, and reports.

`kinds/sandbox` hands this text to the interpreter in there; nothing imports it. The standard library is all there is.
"""

import builtins
import errno
import json
import linecache
import os
import resource
import sys
import time
import traceback
import types
from collections.abc import Callable

LONGEST = 300
"""Characters of what is said of a failure."""
FORBIDDEN, FULL = (errno.EPERM, errno.EACCES, errno.EROFS), (errno.EFBIG, errno.ENOSPC)


def main() -> None:
    """Read the request from standard input, do what it asks for, and write what came of it to its own pipe.

    Where it failed the program ends here; else it ends by itself, with its threads.
    """
    request = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.environ.clear()
    _confine(request)
    space = _module(request["code"], request["asserts"])
    spare = bytearray(2**20)
    began = time.perf_counter()
    why, said = _carry_out(request, space)
    took_ms = int(1000 * (time.perf_counter() - began))
    del spare
    report = {"proof": request["proof"], "why": why, "said": said[:LONGEST], "took_ms": took_ms}
    os.write(request["report"], json.dumps(report).encode() + b"\n")
    os.close(request["report"])
    if why not in ("ran", "passed"):
        os._exit(1)


def _confine(request: dict) -> None:
    user = request["user"]
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for name, most in request["limits"].items():
        # The processor's limit first asks to end, and kills a second later.
        resource.setrlimit(getattr(resource, name), (most, most + (name == "RLIMIT_CPU")))


def _module(code: str, asserts: str) -> dict:
    """The names of a fresh `__main__`; its source is known, so that failures show the line."""
    module = types.ModuleType("__main__")
    module.__builtins__ = builtins
    sys.modules["__main__"] = module
    sys.argv = ["code.py"]
    for name, text in (("code.py", code), ("tests.py", asserts)):
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    return module.__dict__


def _carry_out(request: dict, space: dict) -> tuple[str, str]:
    try:
        program = compile(request["code"], "code.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "syntax", _last_line(error)
    failure = _failure(lambda: exec(program, space), "failed")
    if failure or not request["asserts"] + request["examples"]:
        return failure or ("ran", "")
    tests = compile(request["asserts"], "tests.py", "exec")
    failure = _failure(lambda: exec(tests, space), "test_failed")
    return failure or _failure(lambda: _try_examples(request["examples"], space), "test_failed") or ("passed", "")


def _failure(work: Callable[[], object], otherwise: str) -> tuple[str, str] | None:
    """Why it failed, and its last line; None where it did not."""
    try:
        work()
        sys.stdout.flush()
    except SystemExit as error:
        if error.code not in (None, 0):
            return otherwise, f"SystemExit: {error.code}"
    except MemoryError as error:
        error.__traceback__ = None
        return "memory", "MemoryError"
    except BaseException as error:
        traceback.print_exc()
        return _reason(error) or otherwise, _last_line(error)
    return None


def _reason(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in FORBIDDEN:
        return "refused"
    if isinstance(error, OSError) and error.errno in FULL:
        return "output"
    if isinstance(error, BlockingIOError) or "can't start new thread" in str(error):
        return "processes"
    return None


def _last_line(error: BaseException) -> str:
    """The exception as a traceback ends with it; of an assertion without words, what was asserted."""
    if isinstance(error, AssertionError) and not error.args:
        frames = traceback.extract_tb(error.__traceback__)
        return f"AssertionError: {frames[-1].line.removeprefix('assert ')}" if frames else "AssertionError"
    return traceback.format_exception_only(error)[-1].strip()


def _try_examples(text: str, space: dict) -> None:
    """Run the examples (>>>) of a text."""
    if not text:
        return
    import doctest

    try:
        examples = doctest.DocTestParser().get_doctest(text, space, "examples", None, 0)
    except ValueError:
        return
    try:
        doctest.DebugRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, clear_globs=False)
    except doctest.UnexpectedException as unexpected:
        raise unexpected.exc_info[1] from None
    except doctest.DocTestFailure as failure:
        asked, got = failure.example.source.strip(), failure.got.strip()
        raise AssertionError(f"{asked} gave {got}, not {failure.example.want.strip()}") from None


if __name__ == "__main__":
    main()
