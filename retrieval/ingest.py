"""Keeping the index in step with the files it is made from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.errors import DocumentRefused, NotFound
from retrieval import documents
from retrieval.chunks import EVERYONE, Chunk, chunk
from retrieval.embedder import Embedder
from retrieval.generations import Generation, Source, load, publish, writing

EMBED_AT_ONCE = 64
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did: counts of files, the refused ones with a sentence each, and the chunks now in the index."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    chunks: int = 0


@dataclass
class _Draft:
    """The next generation, while files are read into it."""

    scope: str
    sources: dict[tuple[str, str], Source]
    chunks: dict[tuple[str, str], list[Chunk]]
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("added", "changed", "removed", "unchanged"), 0)
    )
    refused: dict[str, str] = field(default_factory=dict)

    def take(self, file: Path, name: str) -> None:
        """Read one file, unless it is known as it is; a file that cannot be read keeps what was read before."""
        key = (str(file), self.scope)
        known = self.sources.get(key)
        try:
            if known and known.digest == documents.digest(file):
                self.counts["unchanged"] += 1
                return
            document = documents.read(file)
        except DocumentRefused as refusal:
            self.refused[str(file)] = str(refusal)
            return
        self.sources[key] = Source(document.source, name, self.scope, document.digest)
        self.chunks[key] = chunk(document, self.scope)
        self.counts["changed" if known else "added"] += 1

    def drop(self, key: tuple[str, str]) -> None:
        """Forget a source."""
        del self.sources[key]
        self.chunks.pop(key, None)
        self.counts["removed"] += 1


def ingest(
    data_dir: Path,
    paths: list[Path],
    embedder: Embedder,
    scope_chat: str | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> IngestReport:
    """Bring the index in step with files and folders, for everyone or for one chat.

    A changed file replaces its chunks, what vanished from a named folder goes, and vectors of chunks that stay are
    kept. A file that cannot be read is in the report, and the others go on.

    Raises: DiskFull and IndexDamaged; the index in use stays as it was.
    """
    with writing(data_dir):
        before = load(data_dir)
        draft = _draft(before, scope_chat or EVERYONE)
        for path in paths:
            path = path.expanduser().resolve()
            _sweep(draft, path)
            if not path.exists():
                continue
            files = documents.find(path)
            for done, file in enumerate(files):
                progress("reading", done, len(files))
                draft.take(file, str(file.relative_to(path.parent)))
        chunks = _publish(data_dir, before, draft, embedder, progress)
    return IngestReport(**draft.counts, refused=draft.refused, chunks=chunks)


def remove(data_dir: Path, source: str, scope_chat: str | None = None) -> None:
    """Take a document out of the index, by its path or by the name people are shown.

    Raises: NotFound; DiskFull and IndexDamaged as `ingest` does.
    """
    with writing(data_dir):
        before = load(data_dir)
        draft = _draft(before, scope_chat or EVERYONE)
        wanted = {source, str(Path(source).expanduser().resolve())}
        mine = [s for s in draft.sources.values() if s.scope == draft.scope]
        found = [s for s in mine if s.path in wanted] or [s for s in mine if s.name == source]
        if len(found) != 1:
            many = f"{len(found)} documents are called {source}; name one by its path."
            raise NotFound(many if found else f"{source} is not in the index.")
        draft.drop((found[0].path, found[0].scope))
        _publish(data_dir, before, draft, None, lambda stage, done, total: None)


def _draft(before: Generation | None, scope: str) -> _Draft:
    draft = _Draft(scope, {(s.path, s.scope): s for s in before.sources} if before else {}, {})
    for found in before.chunks if before else ():
        draft.chunks.setdefault((found.source, found.scope), []).append(found)
    return draft


def _sweep(draft: _Draft, path: Path) -> None:
    """Drop what came from this path and is no longer there; a path that is neither there nor known is refused."""
    gone = [
        key
        for key in draft.sources
        if key[1] == draft.scope and Path(key[0]).is_relative_to(path) and not Path(key[0]).exists()
    ]
    for key in gone:
        draft.drop(key)
    if not gone and not path.exists():
        draft.refused[str(path)] = f"{path} does not exist; name a file or a folder."


def _publish(
    data_dir: Path, before: Generation | None, draft: _Draft, embedder: Embedder | None, progress: Progress
) -> int:
    """Embed what is new and write the generation, if anything changed; return how many chunks there are."""
    chunks = [found for of_source in draft.chunks.values() for found in of_source]
    stays = before is not None and (embedder is None or before.embedder == embedder.id)
    if stays and not any(draft.counts[what] for what in ("added", "changed", "removed")):
        return len(chunks)
    if before is None and not chunks:
        return 0
    rows = before.rows() if before is not None and stays else None
    known = {c.id: rows[n] for n, c in enumerate(before.chunks)} if before is not None and rows is not None else {}
    new = [c for c in chunks if c.id not in known]
    for start in range(0, len(new) if embedder else 0, EMBED_AT_ONCE):
        progress("embedding", start, len(new))
        batch = new[start : start + EMBED_AT_ONCE]
        known |= {c.id: v for c, v in zip(batch, embedder.embed([c.searched for c in batch]), strict=True)}
    dim = embedder.dim if embedder else before.vectors.d
    vectors = np.array([known[c.id] for c in chunks], dtype=np.float32).reshape(len(chunks), dim)
    publish(data_dir, embedder.id if embedder else before.embedder, list(draft.sources.values()), chunks, vectors)
    return len(chunks)
