"""Keeping the index in step with the files it is made from."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from core.errors import DocumentRefused, NotFound
from retrieval import documents
from retrieval.chunks import EVERYONE, Chunk, chunk
from retrieval.embedder import Embedder
from retrieval.generations import Generation, Source, load, publish, writing

log = logging.getLogger(__name__)
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
class Draft:
    """The next generation, while documents are read into it."""

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
        draft = draft_of(before, scope_chat or EVERYONE)
        for path in paths:
            path = path.expanduser().resolve()
            _sweep(draft, path)
            if not path.exists():
                continue
            files = documents.find(path)
            for done, file in enumerate(files):
                progress("reading", done, len(files))
                draft.take(file, str(file.relative_to(path.parent)))
        chunks = publish_draft(data_dir, before, draft, embedder, progress)
    return IngestReport(**draft.counts, refused=draft.refused, chunks=chunks)


def remove(data_dir: Path, source: str, scope_chat: str | None = None) -> None:
    """Take a document out of the index, by its path or by the name people are shown.

    Raises: NotFound; DiskFull and IndexDamaged as `ingest` does.
    """
    with writing(data_dir):
        before = load(data_dir)
        draft = draft_of(before, scope_chat or EVERYONE)
        wanted = {source, str(Path(source).expanduser().resolve())}
        mine = [s for s in draft.sources.values() if s.scope == draft.scope]
        found = [s for s in mine if s.path in wanted] or [s for s in mine if s.name == source]
        if len(found) != 1:
            many = f"{len(found)} documents are called {source}; name one by its path."
            raise NotFound(many if found else f"{source} is not in the index.")
        draft.drop((found[0].path, found[0].scope))
        publish_draft(data_dir, before, draft, None, lambda stage, done, total: None)


def embed(chunks: Sequence[Chunk], embedder: Embedder, progress: Progress) -> dict[str, np.ndarray]:
    """The vector of each chunk, [dim] float32, by its id."""
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(chunks), EMBED_AT_ONCE):
        progress("embedding", start, len(chunks))
        batch = chunks[start : start + EMBED_AT_ONCE]
        found |= {c.id: v for c, v in zip(batch, embedder.embed([c.searched for c in batch]), strict=True)}
    return found


def draft_of(before: Generation | None, scope: str) -> Draft:
    """What the index holds, to be changed for one audience."""
    draft = Draft(scope, {(s.path, s.scope): s for s in before.sources} if before else {}, {})
    for found in before.chunks if before else ():
        draft.chunks.setdefault((found.source, found.scope), []).append(found)
    return draft


def _sweep(draft: Draft, path: Path) -> None:
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


def publish_draft(
    data_dir: Path,
    before: Generation | None,
    draft: Draft,
    embedder: Embedder | None,
    progress: Progress,
    embedded: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> int:
    """Embed what is new, and not `embedded` already (vectors by chunk), and write the generation, if anything changed.

    What the search learned goes with it, unless the installation has another embedder now than learned it. Returns how
    many chunks there are. Raises: DiskFull; what was current stays so.
    """
    chunks = [found for of_source in draft.chunks.values() for found in of_source]
    stays = before is not None and (embedder is None or before.embedder == embedder.id)
    if stays and not any(draft.counts[what] for what in ("added", "changed", "removed")):
        return len(chunks)
    if before is None and not chunks:
        return 0
    adapter = before.adapter if before is not None else None
    if adapter is not None and not stays:
        log.warning("the search had learned for another embedder: that is dropped with it, and learned anew in time.")
        adapter = None
    rows = before.rows() if before is not None and stays else None
    known = {c.id: rows[n] for n, c in enumerate(before.chunks)} if before is not None and rows is not None else {}
    known |= embedded
    if embedder:
        known |= embed([c for c in chunks if c.id not in known], embedder, progress)
    dim = embedder.dim if embedder else before.vectors.d
    vectors = np.array([known[c.id] for c in chunks], dtype=np.float32).reshape(len(chunks), dim)
    name = embedder.id if embedder else before.embedder
    publish(data_dir, name, list(draft.sources.values()), chunks, vectors, adapter)
    return len(chunks)
