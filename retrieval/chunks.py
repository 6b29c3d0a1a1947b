"""Documents to chunks: pieces small enough to search, on the borders of paragraphs and sentences."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.records import Passage
from core.sentences import sentences
from retrieval.documents import Document

WORDS = 160
"""A chunk grows up to this many words: the embedder reads 256 tokens, and five chunks fit a prompt."""
EVERYONE = "everyone"
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. `title` is the document's and the headings above it, `scope` "everyone" or a chat."""

    id: str
    source: str
    title: str
    text: str
    scope: str

    @property
    def searched(self) -> str:
        """What is embedded and matched: the text under its headings."""
        return f"{self.title}\n{self.text}"

    def passage(self, source: str, score: float) -> Passage:
        """This chunk as a search found it; `source` is the name people are shown of its file."""
        return Passage(self.id, source, self.title, self.text, score, "everyone" if self.scope == EVERYONE else "chat")


def chunk(document: Document, scope: str) -> list[Chunk]:
    """A document's chunks in order, each beginning with the heading it stands under."""
    found: dict[str, Chunk] = {}
    for path, body in _sections(document.text):
        title = " › ".join(dict.fromkeys([document.title, *path]))
        for piece in _pieces(body):
            text = f"## {path[-1]}\n{piece}" if path else piece
            name = hashlib.sha256(f"{document.source}\0{scope}\0{title}\0{text}".encode()).hexdigest()[:32]
            found.setdefault(name, Chunk(name, document.source, title, text, scope))
    return list(found.values())


def _sections(text: str) -> Iterator[tuple[list[str], str]]:
    """Each stretch of text below a heading, with the path of headings above it; code fences hold no headings."""
    path: dict[int, str] = {}
    body: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            body.append(line)
            continue
        yield list(path.values()), "\n".join(body)
        level = len(heading[1])
        path = {n: name for n, name in path.items() if n < level} | {level: heading[2]}
        body = []
    yield list(path.values()), "\n".join(body)


def _pieces(body: str) -> Iterator[str]:
    """The text in pieces of at most WORDS words, cut between paragraphs where that is possible."""
    gathered: list[str] = []
    size = 0
    for block in _blocks(body):
        length = len(block.split())
        if gathered and size + length > WORDS:
            yield "\n\n".join(gathered)
            gathered, size = [], 0
        gathered.append(block)
        size += length
    if gathered:
        yield "\n\n".join(gathered)


def _blocks(body: str) -> Iterator[str]:
    """Paragraphs; one that is too long comes as runs of sentences, a sentence that is too long as runs of words."""
    for paragraph in re.split(r"\n\s*\n", body):
        paragraph = paragraph.strip()
        if not re.search(r"\w", paragraph):
            continue
        if len(paragraph.split()) <= WORDS:
            yield paragraph
            continue
        run: list[str] = []
        for part in (part for sentence in sentences(paragraph) for part in _bounded(sentence)):
            if run and len(" ".join(run).split()) + len(part.split()) > WORDS:
                yield " ".join(run)
                run = []
            run.append(part)
        if run:
            yield " ".join(run)


def _bounded(sentence: str) -> Iterator[str]:
    found = sentence.split()
    for start in range(0, len(found), WORDS):
        yield " ".join(found[start : start + WORDS])
