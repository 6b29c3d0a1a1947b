"""The index on disk: immutable generations, each written whole, checked, and pointed at by one file.

`<data_dir>/index/<id>/` holds `vectors.faiss`, `chunks.jsonl` and `meta.json` (sources with their digests, the
embedder's id, checksums), and `questions.safetensors` where the search has learned how to read questions: that is
published with the vectors it was learned for. `<data_dir>/index/current` names the generation in use. The one before
it is kept, for readers that are still opening it.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from filelock import FileLock

from core.errors import DiskFull, IndexDamaged
from core.records import new_id
from retrieval.chunks import EVERYONE, Chunk

CURRENT, META, CHUNKS, VECTORS = "current", "meta.json", "chunks.jsonl", "vectors.faiss"
ADAPTER = "questions.safetensors"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ATTEMPTS = 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """An ingested file, as one audience sees it. `name` is what people are shown of its path.

    `author` is who sent it to a chat, where somebody did, and `added_at` when (ms).
    """

    path: str
    name: str
    scope: str
    digest: str
    author: str | None = None
    added_at: int = 0


@dataclass(frozen=True, slots=True)
class Generation:
    """Everything the index holds. `vectors` is a FAISS index with a row for each chunk.

    `adapter` is what the search learned of reading questions (see `retrieval.tuned`); None where it has not.
    """

    id: str
    embedder: str
    sources: tuple[Source, ...]
    chunks: tuple[Chunk, ...]
    vectors: Any
    adapter: bytes | None = None

    @property
    def learned(self) -> str | None:
        """The id of what the search learned."""
        return None if self.adapter is None else learned_id(self.adapter)

    def rows(self) -> np.ndarray:
        """The vectors as [n, dim] float32."""
        return self.vectors.reconstruct_n(0, len(self.chunks))


def home(data_dir: Path) -> Path:
    """The folder of all generations."""
    return data_dir / "index"


def current(data_dir: Path) -> str | None:
    """The id of the generation in use; None before the first."""
    try:
        return (home(data_dir) / CURRENT).read_text().strip()
    except FileNotFoundError:
        return None


@contextmanager
def writing(data_dir: Path) -> Iterator[None]:
    """Only one process at a time makes a new generation from the current one."""
    home(data_dir).mkdir(parents=True, exist_ok=True)
    with FileLock(home(data_dir) / ".lock"):
        yield


def load(data_dir: Path) -> Generation | None:
    """The generation in use, its checksums verified; None before the first.

    Raises: IndexDamaged.
    """
    return _opened(data_dir, _read)


def current_learned(data_dir: Path) -> str | None:
    """The id of what the search has learned, looked up without opening the index.

    Raises: IndexDamaged.
    """
    return _opened(data_dir, lambda folder: _meta(folder).get("learned"))


def learned_id(adapter: bytes) -> str:
    """The name of what a search learned: 32 hexadecimal digits of the hash of its file."""
    return _sha256(adapter)[:32]


def _opened(data_dir: Path, read: Callable[[Path], T]) -> T | None:
    """What is read of the generation in use, though it is replaced meanwhile."""
    for _ in range(ATTEMPTS):
        name = current(data_dir)
        if name is None:
            return None
        try:
            return read(home(data_dir) / name)
        except FileNotFoundError:
            if name == current(data_dir):
                raise _damaged(home(data_dir), "a file is missing") from None
    raise _damaged(home(data_dir), "it changes faster than it can be read")


def public_chunks(data_dir: Path) -> tuple[Chunk, ...]:
    """The chunks that everyone may see; none before the first generation.

    Raises: IndexDamaged.
    """
    generation = load(data_dir)
    return tuple(chunk for chunk in generation.chunks if chunk.scope == EVERYONE) if generation else ()


def publish(
    data_dir: Path,
    embedder: str,
    sources: Sequence[Source],
    chunks: Sequence[Chunk],
    rows: np.ndarray,
    adapter: bytes | None = None,
) -> str:
    """Write a generation, make it the current one, and drop those before its predecessor. Returns its id.

    Raises: DiskFull; what was current stays so.
    """
    import faiss

    vectors = faiss.IndexFlatIP(rows.shape[1])
    vectors.add(rows)
    name, previous, folder = new_id(), current(data_dir), home(data_dir)
    draft = folder / f".draft-{name}"
    files = {
        VECTORS: faiss.serialize_index(vectors).tobytes(),
        CHUNKS: "".join(json.dumps(asdict(chunk), ensure_ascii=False) + "\n" for chunk in chunks).encode(),
    }
    if adapter is not None:
        files[ADAPTER] = adapter
    meta = {"v": 1, "embedder": embedder, "files": {file: _sha256(data) for file, data in files.items()}}
    meta["learned"] = None if adapter is None else learned_id(adapter)
    meta["sources"] = [asdict(source) for source in sources]
    text = json.dumps(meta, ensure_ascii=False).encode()
    try:
        draft.mkdir()
        for file, data in (files | {META: _sha256(text).encode() + b"\n" + text}).items():
            _write(draft / file, data)
        os.replace(draft, folder / name)
        _write(folder / f".{CURRENT}", name.encode())
        os.replace(folder / f".{CURRENT}", folder / CURRENT)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(folder / name, ignore_errors=True)
        if error.errno in FULL:
            raise DiskFull(f"the disk under {folder} is full; free some space and ingest again.") from error
        raise
    _prune(folder, {name, previous})
    return name


def drop_previous(data_dir: Path) -> None:
    """Delete every generation but the one in use; who is just opening one of them opens the newest instead."""
    _prune(home(data_dir), {current(data_dir)})


def _read(folder: Path) -> Generation:
    import faiss

    meta = _meta(folder)
    files = {file: (folder / file).read_bytes() for file in meta["files"]}
    for file, data in files.items():
        if _sha256(data) != meta["files"][file]:
            raise _damaged(folder.parent, f"{file} does not match its checksum")
    return Generation(
        id=folder.name,
        embedder=meta["embedder"],
        sources=tuple(Source(**source) for source in meta["sources"]),
        chunks=tuple(Chunk(**json.loads(line)) for line in files[CHUNKS].decode().split("\n") if line),
        vectors=faiss.deserialize_index(np.frombuffer(files[VECTORS], dtype=np.uint8)),
        adapter=files.get(ADAPTER),
    )


def _meta(folder: Path) -> dict[str, Any]:
    checksum, _, text = (folder / META).read_bytes().partition(b"\n")
    if _sha256(text).encode() != checksum:
        raise _damaged(folder.parent, f"{META} does not match its checksum")
    return json.loads(text)


def _damaged(folder: Path, why: str) -> IndexDamaged:
    return IndexDamaged(
        f"the index in {folder} is damaged ({why}): delete that folder and ingest your documents again."
    )


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _prune(folder: Path, kept: set[str | None]) -> None:
    """Drop older generations, and drafts that a killed process left behind."""
    for other in folder.iterdir():
        if other.is_dir() and other.name not in kept:
            shutil.rmtree(other, ignore_errors=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
