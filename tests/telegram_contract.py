"""An independent model of the Bot API: grammY's types. Every recorded call must compile against them."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.telegram_api import Call

FOLDER = ROOT / ".cache" / "bot-api-types"
PACKAGES = ("@grammyjs/types@5.0.0", "typescript@5.9.3")
OPTIONS = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext")
HEAD = """import type { ApiMethods, Opts } from "@grammyjs/types";
type Params<M extends keyof ApiMethods<never>> = Opts<never>[M];
"""


def check_calls(calls: Iterable[Call]) -> None:
    """Type-check the parameters of calls; skips the test where npm or its registry is not there."""
    folder = _installed()
    lines = [
        f'export const call{n}: Params<"{call.method}"> = {json.dumps(_typed(call.params))};'
        for n, call in enumerate(c for c in calls if c.method != "getMe")
    ]
    source = folder / "calls.ts"
    source.write_text(HEAD + "\n".join(lines) + "\n")
    done = _tsc(folder, source)
    assert done.returncode == 0, done.stdout
    source.write_text(HEAD + 'export const wrong: Params<"sendMessage"> = { chat_id: 1, text: 1 };\n')
    assert _tsc(folder, source).returncode != 0, "the check must be able to fail"


def _typed(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters in which files that were sent along are named, as the types have them."""
    is_file = {name: isinstance(value, dict) and "file_id" in value for name, value in params.items()}
    return {name: value["file_id"] if is_file[name] else value for name, value in params.items()}


def _installed() -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    if not (FOLDER / "node_modules" / ".bin" / "tsc").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "package.json").write_text('{"private": true}')
        done = subprocess.run([npm, "install", "--no-audit", "--no-fund", *PACKAGES], cwd=FOLDER, capture_output=True)
        if done.returncode:
            pytest.skip("the types of the Bot API cannot be installed with npm")
    return FOLDER


def _tsc(folder: Path, source: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "node_modules" / ".bin" / "tsc", *OPTIONS, source], cwd=folder, capture_output=True, text=True
    )
