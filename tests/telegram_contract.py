"""An independent model of the Bot API: grammY's types. Every recorded call must compile against them."""

import json
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "bot-api-types"
PACKAGES = ("@grammyjs/types@5.0.0", "typescript@5.9.3")
OPTIONS = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext")
HEAD = """import type { ApiMethods, Opts } from "@grammyjs/types";
type Sent = { sent: "file" };
type Params<M extends keyof ApiMethods<Sent>> = Opts<Sent>[M];
// @ts-expect-error: the check must be able to fail
export const wrong: Params<"sendMessage"> = { chat_id: 1, text: 1 };
// @ts-expect-error: also of files
export const thumbnail: Params<"sendDocument"> = { chat_id: 1, document: { sent: "file" }, thumbnail: "text" };
"""


_recorded: set[str] = set()
"""A line of TypeScript for each shape of a call: numbers, and texts that are no names, count as one."""


def record(calls: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Keep what calls (methods and parameters) look like, for the check at the end of the run."""
    for method, params in calls:
        if method != "getMe":
            _recorded.add(f'Params<"{method}"> = {json.dumps(_shape(params))}')


def check_recorded() -> None:
    """Type-check all that was recorded; warns where npm or its registry is not there."""
    if not _recorded:
        return
    folder = _installed()
    if folder is None:
        warnings.warn("calls to Telegram are not type-checked: npm, or its registry, is not there", stacklevel=2)
        return
    done = _tsc(folder, sorted(_recorded))
    assert done.returncode == 0, done.stdout


def _shape(value: Any) -> Any:
    """A parameter without what makes no difference to its type; a file that was sent along is of a type of its own."""
    match value:
        case {"file_id": _, "file_unique_id": _}:
            return {"sent": "file"}
        case dict():
            return {name: _shape(each) for name, each in value.items()}
        case list():
            return [_shape(each) for each in value]
        case bool() | None:
            return value
        case int() | float():
            return 1
    return value if re.fullmatch("[a-zA-Z_]{1,32}", value) else "text"


def _installed() -> Path | None:
    npm = shutil.which("npm")
    if npm is None:
        return None
    with FileLock(FOLDER.with_suffix(".lock")):
        if not (FOLDER / "node_modules" / ".bin" / "tsc").exists():
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / "package.json").write_text('{"private": true}')
            install = [npm, "install", "--no-audit", "--no-fund", *PACKAGES]
            if subprocess.run(install, cwd=FOLDER, capture_output=True).returncode:
                return None
    return FOLDER


def _tsc(folder: Path, calls: Sequence[str]) -> subprocess.CompletedProcess[str]:
    source = folder / f"calls-{os.getpid()}.ts"
    source.write_text(HEAD + "".join(f"export const call{n}: {call};\n" for n, call in enumerate(calls)))
    try:
        return subprocess.run(
            [folder / "node_modules" / ".bin" / "tsc", *OPTIONS, source], cwd=folder, capture_output=True, text=True
        )
    finally:
        source.unlink()
