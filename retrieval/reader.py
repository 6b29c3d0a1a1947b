"""Reading a document that somebody sent, in a process of its own: what it holds cannot hurt who reads it."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from core.errors import DocumentRefused
from retrieval.documents import Document, read

READ_S, MEMORY_BYTES = 120, 4 * 2**30
"""How long a document may take to be read, and how much address space that may take."""
MAX_CHARACTERS = 5_000_000
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT")
"""What the process is told of the environment: no secrets."""


def read_apart(path: Path) -> Document:
    """One file as a document, as `retrieval.documents.read` gives it.

    Raises: DocumentRefused also where it takes too long or too much memory, or holds more text than a search can use.
    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "retrieval.reader", str(path)], env=environment, capture_output=True, timeout=READ_S
        )
    except subprocess.TimeoutExpired:
        raise DocumentRefused(
            f"{path.name} takes too long to read; split it into parts.", "document_too_much", name=path.name
        ) from None
    if done.returncode:
        raise DocumentRefused(
            f"{path.name} cannot be read within the memory there is; split it into parts.",
            "document_too_much",
            name=path.name,
        )
    found = json.loads(done.stdout)
    if "refused" in found:
        raise DocumentRefused(found["refused"], found["code"], **found["values"])
    document = Document(**found)
    if len(document.text) > MAX_CHARACTERS:
        raise DocumentRefused(
            f"{path.name} holds more than {MAX_CHARACTERS:,} characters; split it into parts.",
            "document_too_much",
            name=path.name,
        )
    return document


def _main(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (READ_S, READ_S))
    try:
        found = asdict(read(path))
    except DocumentRefused as refusal:
        found = {"refused": str(refusal), "code": refusal.code, "values": refusal.values}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
