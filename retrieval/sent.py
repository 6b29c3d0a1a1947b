"""Documents that people send: into a chat's own part of the index, or everyone's, and out of it for good."""

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import DocumentRefused, NotFound
from core.records import now_ms
from retrieval.chunks import EVERYONE, Chunk, chunk
from retrieval.embedder import Embedder
from retrieval.generations import Generation, Source, drop_previous, load, writing
from retrieval.ingest import Progress, draft_of, embed, publish_draft
from retrieval.reader import read_apart

SENT = "sent:"
"""How the path of a source begins that was sent, and is no file of ours."""
GONE = "this document is not in the sources any more."
MAX_NAME = 100
MAX_OF_A_CHAT = 200
"""Documents that one chat may have of its own."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A document of the index: its name, how many passages it has, and whether everyone sees it."""

    id: str
    name: str
    passages: int
    everyone: bool
    author: str | None
    added_at: int
    from_file: bool = False
    """Whether it was read from a file of this machine's, and not sent."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A document as it is kept: its passages in order, as text."""

    name: str
    added_at: int
    passages: tuple[str, ...]


def add(
    data_dir: Path,
    name: str,
    content: bytes,
    embedder: Embedder,
    chat: str | None,
    author: str | None,
    progress: Progress,
) -> Listed:
    """Read a document into a chat's own part of the index, or everyone's where `chat` is None.

    What the same author sent there under this name is replaced. Who sent a document for everyone is not kept.

    Raises: DocumentRefused; DiskFull and IndexDamaged, and the index stays as it was.
    """
    name, scope = _plain_name(name), chat or EVERYONE
    author = author if chat else None
    progress("reading", 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        document = replace(read_apart(file), source=f"{SENT}{author or ''}/{name}")
    chunks = chunk(document, scope)
    vectors = embed(chunks, embedder, progress)
    source = Source(document.source, name, scope, document.digest, author, now_ms())
    with writing(data_dir):
        before = load(data_dir)
        draft, key = draft_of(before, scope), (source.path, scope)
        if chat and key not in draft.sources and sum(s == scope for _, s in draft.sources) >= MAX_OF_A_CHAT:
            raise DocumentRefused(
                f"this chat has {MAX_OF_A_CHAT} documents already; remove one first.",
                "document_too_many",
                most=MAX_OF_A_CHAT,
            )
        if key in draft.sources:
            draft.drop(key)
        draft.sources[key], draft.chunks[key] = source, chunks
        draft.counts["added"] += 1
        publish_draft(data_dir, before, draft, embedder, progress, vectors)
        drop_previous(data_dir)
    return _listed(source, len(chunks))


def listed(data_dir: Path, chat: str | None) -> list[Listed]:
    """The documents that a chat sees, its own first, then by name.

    Raises: IndexDamaged.
    """
    generation = load(data_dir)
    found = [s for s in generation.sources if s.scope in (EVERYONE, chat)] if generation else []
    passages = Counter((c.source, c.scope) for c in generation.chunks) if generation else {}
    documents = [_listed(source, passages[source.path, source.scope]) for source in found]
    return sorted(documents, key=lambda d: (d.everyone, d.name, d.id))


def opened(data_dir: Path, document: str, chat: str | None) -> tuple[Listed, list[Chunk]]:
    """One document of a chat, or of everyone where `chat` is None, by its id, with its passages in order.

    Raises: NotFound, IndexDamaged.
    """
    generation, scope = load(data_dir), chat or EVERYONE
    found = [s for s in generation.sources if s.scope == scope and _id(s) == document] if generation else []
    if not found:
        raise NotFound(GONE)
    chunks = _chunks(generation, found[0])
    return _listed(found[0], len(chunks)), chunks


def take_out(data_dir: Path, document: str, chat: str | None) -> str:
    """Remove one document of a chat, or of everyone where `chat` is None, by its id, and return its name.

    Raises: NotFound; DiskFull and IndexDamaged as `add` does.
    """
    scope = chat or EVERYONE
    gone = _drop(data_dir, lambda source: source.scope == scope and _id(source) == document)
    if not gone:
        raise NotFound(GONE)
    return gone[0].name


def take_out_all(data_dir: Path, author: str) -> int:
    """Remove every document that somebody sent to a chat, also from generations of before; returns how many.

    Raises: DiskFull and IndexDamaged as `add` does.
    """
    return len(_drop(data_dir, lambda source: source.author == author))


def of_author(data_dir: Path, author: str) -> list[Whole]:
    """Every document that somebody sent to a chat, with its text.

    Raises: IndexDamaged.
    """
    generation = load(data_dir)
    found = [s for s in generation.sources if s.author == author] if generation else []
    return [Whole(s.name, s.added_at, tuple(c.text for c in _chunks(generation, s))) for s in found]


def _drop(data_dir: Path, goes: Callable[[Source], bool]) -> list[Source]:
    with writing(data_dir):
        before = load(data_dir)
        draft = draft_of(before, EVERYONE)
        gone = [source for source in draft.sources.values() if goes(source)]
        for source in gone:
            draft.drop((source.path, source.scope))
        if gone:
            publish_draft(data_dir, before, draft, None, lambda stage, done, total: None)
        drop_previous(data_dir)
    return gone


def _chunks(generation: Generation, source: Source) -> list[Chunk]:
    return [c for c in generation.chunks if (c.source, c.scope) == (source.path, source.scope)]


def _listed(source: Source, passages: int) -> Listed:
    return Listed(
        _id(source),
        source.name,
        passages,
        source.scope == EVERYONE,
        source.author,
        source.added_at,
        not source.path.startswith(SENT),
    )


def _id(source: Source) -> str:
    """32 hexadecimal digits that name a source to the outside."""
    return hashlib.sha256(f"{source.scope}\0{source.path}".encode()).hexdigest()[:32]


def _plain_name(name: str) -> str:
    """A file's name without folders and what does not print; its ending stays."""
    plain = re.sub(r"[^\w .()-]", "", re.split(r"[/\\]", name)[-1]).strip(" .") or "document"
    stem, dot, ending = plain.rpartition(".")
    return f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}" if dot else plain[:MAX_NAME]
