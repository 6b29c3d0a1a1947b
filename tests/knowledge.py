"""Parts for tests of retrieval: one embedder for the whole run, and documents of every kind, made by hand."""

import asyncio
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from core.records import Citation, Origin, Passage
from core.settings import Settings
from retrieval.embedder import Embedder
from retrieval.search import Retriever
from serving.knowledge import Found, Writer


@cache
def embedder() -> Embedder:
    """The bundled embedder."""
    return Embedder.load(None)


def retriever(data_dir: Path) -> Retriever:
    """A retriever with the settings as they come."""
    return Retriever(Settings(data_dir=data_dir), embedder())


@dataclass(frozen=True)
class Shown:
    """What a person sees of a draft."""

    text: str
    origin: Origin
    citations: tuple[Citation, ...]


def shown(question: str, draft: str, passages: Sequence[Passage]) -> Shown:
    """A draft as it is shown, given a few characters at a time."""

    async def write() -> Shown:
        writer = Writer(embedder(), Found(question, tuple(passages)))
        pieces = [piece for at in range(0, len(draft), 7) for piece in await writer.write(draft[at : at + 7])]
        pieces += await writer.finish()
        return Shown("".join(pieces), writer.origin, writer.citations)

    return asyncio.run(write())


def write_pdf(path: Path, lines: list[str]) -> None:
    """The smallest PDF that shows some lines of text."""
    shown = " T* ".join("(" + line.replace("(", r"\(").replace(")", r"\)") + ") Tj" for line in lines)
    content = f"BT /F1 12 Tf 14 TL 72 720 Td {shown} ET".encode()
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        data.rfind(b"endobj\n") + 7,
    )
    path.write_bytes(data)


def write_docx(path: Path, heading: str, paragraphs: list[str]) -> None:
    """The smallest Word document with a heading and some paragraphs."""
    office = "http://schemas.openxmlformats.org"
    styled = f'<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>{escape(heading)}</w:t></w:r></w:p>'
    plain = "".join(f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>" for text in paragraphs)
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{office}/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="rId1" '
            f'Type="{office}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
            "</Relationships>",
        )
        archive.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{office}/wordprocessingml/2006/main"><w:body>{styled}{plain}</w:body></w:document>',
        )
