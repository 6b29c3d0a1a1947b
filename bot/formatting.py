"""Markdown as models write it, to text and entities: code and tables in monospace, and no word lost."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from aiogram.types import MessageEntity
from markdown_it import MarkdownIt
from markdown_it.token import Token
from wcwidth import wcswidth

from bot.splitting import Formatted, units, visible

BULLET, RULE = "•", "———"
_LINK = re.compile(r"(https?://|tg://|mailto:)\S{1,2000}$", re.IGNORECASE)
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u2028-\u202e]")
_INLINE = {"strong": "bold", "em": "italic", "s": "strikethrough"}


class _Markdown(MarkdownIt):
    """CommonMark with tables and strikethrough, without what would hide words: HTML, references, escaped entities."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable(["table", "strikethrough"]).disable(["reference", "entity"])

    def normalizeLink(self, url: str) -> str:  # noqa: N802 (the library's name)
        return url


_MARKDOWN = _Markdown()


@dataclass(slots=True)
class _Block:
    token: Token
    children: list["_Block"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Open:
    """An entity that has begun."""

    kind: str
    offset: int
    url: str | None = None


def shown(text: str) -> str:
    """A text without what Telegram does not show: control characters, and halves of surrogate pairs."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _UNSHOWN.sub("", whole.replace("\r\n", "\n").replace("\r", "\n"))


def formatted(markdown: str) -> Formatted:
    """What Markdown says. What is no Markdown stays as it is written, as does all where a letter would be lost, or
    nothing left to see.
    """
    source = shown(markdown)
    writer = _Writer(source.split("\n"))
    for block in _nested(_MARKDOWN.parse(source)):
        writer.block(block)
    result = writer.result()
    kept = "".join([result.text, *(f"{e.url or ''}{e.language or ''}" for e in result.entities)])
    is_lost = Counter(_letters(source)) - Counter(_letters(kept)) or not visible(result.text)
    return Formatted(source) if is_lost else result


def _nested(tokens: list[Token]) -> list[_Block]:
    top: list[_Block] = []
    levels = [top]
    for token in tokens:
        if token.nesting < 0:
            levels.pop()
            continue
        block = _Block(token)
        levels[-1].append(block)
        if token.nesting > 0:
            levels.append(block.children)
    return top


class _Writer:
    """Writes blocks below each other. Entities that must not lie in each other are interrupted by the inner one."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._parts: list[str] = []
        self._length = 0
        self._open: list[_Open] = []
        self._entities: list[MessageEntity] = []
        self._gap = ""
        self._indent = ""

    def result(self) -> Formatted:
        """What was written."""
        return Formatted("".join(self._parts), tuple(sorted(self._entities, key=lambda e: (e.offset, -e.length))))

    def block(self, block: _Block) -> None:
        """Write one block, at the distance that the one before it keeps."""
        match block.token.type:
            case "inline":
                self._inline(block.token.children or [])
                return
            case "paragraph_open":
                self._all(block.children)
            case "heading_open" | "blockquote_open" as kind:
                with self._within("bold" if kind == "heading_open" else "blockquote"):
                    self._all(block.children)
            case "bullet_list_open" | "ordered_list_open":
                self._list(block)
            case "fence" | "code_block":
                self._code_block(block.token)
            case "table_open":
                self._alone("pre", _table(block, self._lines))
            case "hr":
                self._write(RULE)
        self._gap = "\n" if block.token.hidden or self._indent and block.token.type.endswith("list_open") else "\n\n"

    def _all(self, blocks: list[_Block]) -> None:
        for block in blocks:
            self.block(block)

    def _list(self, block: _Block) -> None:
        outer = self._indent
        for item in block.children:
            number = item.token.info
            self._write(f"{number}{item.token.markup} " if number else f"{BULLET} ")
            self._indent = outer + "  "
            self._all(item.children)
            self._gap, self._indent = "\n", outer

    def _code_block(self, token: Token) -> None:
        language, _, rest = token.info.strip().partition(" ")
        if rest.strip() or not token.content.strip():
            self._write(token.info.strip())
            self._gap, language = "\n", ""
        self._alone("pre", token.content.strip("\n"), language)

    def _inline(self, tokens: list[Token]) -> None:
        for token in tokens:
            kind = _INLINE.get(token.type.removesuffix("_open").removesuffix("_close"))
            match token.type:
                case "softbreak" | "hardbreak":
                    self._write(f"\n{self._indent}")
                case "code_inline" if not any(o.kind == "text_link" for o in self._open):
                    self._alone("code", token.content)
                case "link_open":
                    self._begin("text_link", str(token.attrGet("href")))
                case "link_close":
                    self._end_link()
                case "image":
                    self._write(f"{token.content} ({token.attrGet('src')})")
                case _ if kind and token.nesting > 0:
                    self._begin(kind)
                case _ if kind:
                    self._end(kind)
                case _:
                    self._write(token.content)

    def _write(self, text: str) -> None:
        if text:
            self._keep_distance(self._indent)
            self._append(text)

    def _keep_distance(self, indent: str) -> None:
        gap, self._gap = self._gap, ""
        if gap and self._parts:
            begun = self._length
            self._append(gap + indent)
            self._open = [replace(o, offset=self._length) if o.offset == begun else o for o in self._open]

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += units(text)

    @contextmanager
    def _within(self, kind: str) -> Iterator[None]:
        self._begin(kind)
        yield
        self._end(kind)

    def _begin(self, kind: str, url: str | None = None) -> None:
        self._open.append(_Open(kind, self._length, url))

    def _end(self, kind: str) -> None:
        at = max(n for n, o in enumerate(self._open) if o.kind == kind)
        self._close(self._open.pop(at))

    def _end_link(self) -> None:
        """A link that Telegram would not open is written out."""
        link = next(o for o in reversed(self._open) if o.kind == "text_link")
        if _LINK.match(link.url or "") and link.offset < self._length:
            self._end("text_link")
            return
        self._open.remove(link)
        if link.url:
            self._write(f" ({link.url})")

    def _close(self, opened: _Open) -> None:
        """Note an entity, unless one like it goes on around it."""
        if self._length > opened.offset and all(o.kind != opened.kind for o in self._open):
            self._note(opened.kind, opened.offset, url=opened.url)

    def _note(self, kind: str, offset: int, url: str | None = None, language: str | None = None) -> None:
        length = self._length - offset
        self._entities.append(MessageEntity(type=kind, offset=offset, length=length, url=url, language=language))

    def _alone(self, kind: str, text: str, language: str = "") -> None:
        """Write what no other entity may contain: those that are open end before it, and begin again after it."""
        if not text.strip():
            return
        around, self._open = self._open, []
        for opened in {o.kind: o for o in reversed(around)}.values():
            self._close(opened)
        self._keep_distance("" if kind == "pre" else self._indent)
        begun = self._length
        self._append(text)
        self._note(kind, begun, language=language or None)
        self._open = [replace(o, offset=self._length) for o in around]


def _table(block: _Block, lines: list[str]) -> str:
    """A table in columns of equal width; as it was written where it has cells beyond its columns."""
    rows = [[_cell(cell) for cell in row.children] for part in block.children for row in part.children]
    widths = [max(_width(cell) for cell in column) for column in zip_longest(*rows, fillvalue="")]
    drawn = [" │ ".join(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=False)).rstrip() for row in rows]
    drawn.insert(1, "─┼─".join("─" * width for width in widths))
    begin, end = block.token.map or (0, 0)
    source, table = "\n".join(lines[begin:end]), "\n".join(drawn)
    return table if _letters(table) == _letters(source) else source


def _cell(block: _Block) -> str:
    texts, url = [], ""
    for token in (t for child in block.children for t in child.token.children or []):
        if token.type == "link_open":
            url = str(token.attrGet("href"))
        texts.append(f" ({url})" if token.type == "link_close" else token.content)
    return "".join(texts)


def _width(text: str) -> int:
    return max(wcswidth(text), 0)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))
