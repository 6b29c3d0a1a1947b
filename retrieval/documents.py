"""Files to text: Markdown, plain text, HTML, PDF and DOCX, read here and never over the network."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from core.errors import DocumentRefused

PLAIN = frozenset({".md", ".markdown", ".txt", ".text"})
CONVERTED = frozenset({".html", ".htm", ".pdf", ".docx"})
MAX_BYTES = 50_000_000
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """One file's text as Markdown. `source` is its absolute path, `digest` the SHA-256 of its bytes."""

    source: str
    title: str
    text: str
    digest: str


def find(path: Path) -> list[Path]:
    """The files to read: a file itself, or those of a known type in a folder (hidden ones left out)."""
    if not path.is_dir():
        return [path]
    return [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in PLAIN | CONVERTED
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]


def digest(path: Path) -> str:
    """The SHA-256 of a file's bytes.

    Raises: DocumentRefused where it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DocumentRefused(f"{path.name} cannot be read ({error.strerror}); check its permissions.") from error


def read(path: Path) -> Document:
    """One file as a document.

    Raises: DocumentRefused for an unknown type, and for a file that is too large, broken, unreadable or without text.
    """
    kind = path.suffix.lower()
    if kind not in PLAIN | CONVERTED:
        raise DocumentRefused(
            f"{path.name} is of no known type; Markdown, text, HTML, PDF and DOCX can be read.",
            "document_unknown",
            name=path.name,
        )
    checksum = digest(path)
    if path.stat().st_size > MAX_BYTES:
        megabytes = MAX_BYTES // 1_000_000
        raise DocumentRefused(
            f"{path.name} is larger than {megabytes} MB; split it into parts.",
            "document_too_large",
            name=path.name,
            megabytes=megabytes,
        )
    title, text = _plain(path) if kind in PLAIN else _converted(path)
    text = unicodedata.normalize("NFC", text).replace("\0", "").replace("\r\n", "\n").strip()
    if not re.search(r"\w", text):
        hint = " (a scan has pictures of text only: run text recognition first)" if kind == ".pdf" else ""
        raise DocumentRefused(f"{path.name} holds no text{hint}.", "document_empty", name=path.name)
    heading = _HEADING.search(text)
    name = path.stem.replace("_", " ").replace("-", " ").strip()
    return Document(str(path), (title or (heading[1] if heading else name)).strip(), text, checksum)


def _plain(path: Path) -> tuple[str | None, str]:
    try:
        return None, path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentRefused(
            f"{path.name} is not UTF-8 text; save it as UTF-8 and ingest it again.", "document_not_utf8", name=path.name
        ) from error


def _converted(path: Path) -> tuple[str | None, str]:
    """By the converter of its type alone: markitdown's own choice falls back to reading a broken PDF as plain text."""
    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter, HtmlConverter, PdfConverter

    converter = {".pdf": PdfConverter, ".docx": DocxConverter}.get(path.suffix.lower(), HtmlConverter)()
    charset = "utf-8" if isinstance(converter, HtmlConverter) else None
    try:
        with path.open("rb") as file:
            result = converter.convert(file, StreamInfo(extension=path.suffix.lower(), charset=charset))
    except Exception as error:  # each converter has its own failures; what they share is that the file is broken
        raise DocumentRefused(
            f"{path.name} cannot be read as {path.suffix[1:].upper()} ({type(error).__name__}): "
            "it is broken, protected, or of another type.",
            "document_broken",
            name=path.name,
        ) from error
    return result.title, result.markdown
