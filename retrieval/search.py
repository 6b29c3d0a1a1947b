"""Searching what is indexed now: a new generation is picked up by itself."""

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.errors import IndexDamaged
from core.records import Passage
from retrieval.embedder import Embedder
from retrieval.generations import CURRENT, home, load
from retrieval.index import Index
from retrieval.tuned import Tuned

log = logging.getLogger(__name__)


class SearchSettings(Protocol):
    """The settings that a search needs."""

    @property
    def data_dir(self) -> Path: ...
    @property
    def passages(self) -> int: ...
    @property
    def min_similarity(self) -> float: ...


@dataclass(frozen=True, slots=True)
class _Open:
    """A generation and what reads questions for it: taken and replaced as one, so that no search mixes two."""

    index: Index
    embedder: Embedder


class Retriever:
    """Finds passages for questions. May be called from several threads."""

    def __init__(self, settings: SearchSettings, embedder: Embedder):
        self._settings = settings
        self._embedder = embedder
        self._tuned = Tuned(embedder)
        self._lock = threading.Lock()
        self._open = _Open(Index(None), embedder)
        self._seen: tuple[int, int] | None = None

    @property
    def generation(self) -> tuple[int, int] | None:
        """What changes whenever documents do; None while there are none."""
        self._newest()
        return self._seen

    def __len__(self) -> int:
        """Chunks in the generation in use."""
        return len(self._newest().index)

    def has_documents(self, chat: str | None) -> bool:
        """Whether anything is indexed that this chat may see."""
        return self._newest().index.has_documents(chat)

    def search(self, question: str, chat: str | None) -> list[Passage]:
        """The best passages that this chat may see, best first, relevant or not."""
        now = self._newest()
        if not now.index.has_documents(chat):
            return []
        return now.index.search(question, now.embedder.embed([question])[0], self._settings.passages, chat)

    def relevant(self, passages: list[Passage]) -> list[Passage]:
        """Those that are likely to speak of what was asked."""
        return [passage for passage in passages if passage.score >= self._settings.min_similarity]

    def _newest(self) -> _Open:
        """The generation in use; a damaged one, or one of another embedder, is logged and passed over."""
        stamp = _stamp(home(self._settings.data_dir) / CURRENT)
        if stamp != self._seen:
            with self._lock:
                if stamp != self._seen:
                    self._pick_up()
                    self._seen = stamp
        return self._open

    def _pick_up(self) -> None:
        try:
            generation = load(self._settings.data_dir)
        except IndexDamaged as error:
            log.error("%s", error)
            return
        if generation is not None and generation.embedder != self._embedder.id:
            log.error("the index is another embedder's; `apprentice ingest PATH...` with your documents makes it anew.")
            generation = None
        self._open = _Open(Index(generation), self._tuned.for_questions(generation))


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes whenever the file is replaced; None while there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
