"""Making the index anew: the files that everyone's documents were read from are read again, where they still are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import DocumentRefused
from retrieval.chunks import EVERYONE, chunk
from retrieval.embedder import Embedder
from retrieval.generations import Source, load, writing
from retrieval.ingest import Draft, Progress, draft_of, publish_draft
from retrieval.reader import read_apart
from retrieval.sent import SENT


@dataclass(frozen=True, slots=True)
class Renewed:
    """What reading again did: files read, how many of them say something else now, those that are not where they were,
    a sentence for each that was refused, and the passages now in the index."""

    read: int
    changed: int
    missing: tuple[str, ...]
    refused: tuple[str, ...]
    passages: int


def renew(data_dir: Path, embedder: Embedder, progress: Progress) -> Renewed:
    """Read everyone's files again, and embed every passage anew where the index is another embedder's.

    What cannot be read, is gone, or was sent and has no file, keeps the passages that it has.

    Raises: DiskFull and IndexDamaged; the index in use stays as it was.
    """
    with writing(data_dir):
        before = load(data_dir)
        draft = draft_of(before, EVERYONE)
        files = list(_files(draft))
        found = [source for source in files if Path(source.path).is_file()]
        for done, source in enumerate(found):
            progress("reading", done, len(found))
            _read_again(draft, source)
        passages = publish_draft(data_dir, before, draft, embedder, progress)
    return Renewed(
        len(found) - len(draft.refused),
        draft.counts["changed"],
        tuple(source.name for source in files if source not in found),
        tuple(draft.refused.values()),
        passages,
    )


def _files(draft: Draft) -> Iterator[Source]:
    return (s for s in draft.sources.values() if s.scope == EVERYONE and not s.path.startswith(SENT))


def _read_again(draft: Draft, source: Source) -> None:
    key = (source.path, source.scope)
    try:
        document = read_apart(Path(source.path))
    except DocumentRefused as refusal:
        draft.refused[source.path] = str(refusal)
        return
    chunks = chunk(document, source.scope)
    if chunks != draft.chunks.get(key):
        draft.counts["changed"] += 1
    draft.sources[key], draft.chunks[key] = replace(source, digest=document.digest), chunks
