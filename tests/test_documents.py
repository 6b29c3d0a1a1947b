"""Files become text and chunks; what cannot be read says why."""

import pytest
from knowledge import write_docx, write_pdf

from core.errors import DocumentRefused
from core.sentences import sentences
from retrieval.chunks import WORDS, chunk
from retrieval.documents import Document, find, read


def test_every_kind_of_file_becomes_text(tmp_path):
    (tmp_path / "a.md").write_text("# Opening hours\n\nWe open at nine.")
    (tmp_path / "b_c.txt").write_text("We open at nine.")
    (tmp_path / "d.html").write_text(
        "<html><head><title>Hours</title></head><body><script>no()</script><p>We open at nine.</p></body></html>"
    )
    write_pdf(tmp_path / "e.pdf", ["We open at nine."])
    write_docx(tmp_path / "f.docx", "Hours in Word", ["We open at nine."])
    found = [read(path) for path in find(tmp_path)]
    assert [d.title for d in found] == ["Opening hours", "b c", "Hours", "e", "Hours in Word"]
    assert all("We open at nine." in d.text for d in found)
    assert "no()" not in found[2].text


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.md", b" \n", "holds no text"),
        ("broken.pdf", b"%PDF-1.4 and then nothing", "cannot be read as PDF"),
        ("broken.docx", b"PK not a zip", "cannot be read as DOCX"),
        ("latin.txt", b"caf\xe9 \xff", "is not UTF-8"),
        ("tool.exe", b"MZ", "is of no known type"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DocumentRefused, match=reason) as refused:
        read(tmp_path / name)
    assert name in str(refused.value)


def test_a_folder_is_searched_without_hidden_and_unknown_files(tmp_path):
    for name in ("a.md", ".git/b.md", "deep/c.txt", "deep/.d.txt", "e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    assert [p.relative_to(tmp_path).as_posix() for p in find(tmp_path)] == ["a.md", "deep/c.txt"]


def test_chunks_end_on_borders_and_know_their_headings():
    sentence = "This is a sentence of exactly eight words. "
    text = (
        f"# Guide\n\nHello there.\n\n## Returns\n\n{sentence * 30}\n\n```\n# no heading\n```\n\n### Shoes\n\nBy Friday."
    )
    found = chunk(Document("/g.md", "Guide", text, ""), "everyone")
    assert [c.title for c in found] == ["Guide", "Guide › Returns", "Guide › Returns", "Guide › Returns › Shoes"]
    assert all(len(c.text.split()) <= WORDS + 4 for c in found)
    assert all(c.text.startswith("## ") for c in found)
    assert found[1].text.endswith("words.")
    assert "# no heading" in found[2].text
    assert len({c.id for c in found}) == 4


def test_text_without_any_border_is_still_cut():
    found = chunk(Document("/g.txt", "g", " ".join(f"word{n}" for n in range(1000)), ""), "everyone")
    assert sum(len(c.text.split()) for c in found) == 1000
    assert max(len(c.text.split()) for c in found) <= WORDS


def test_sentences_survive_hard_line_breaks_and_abbreviations():
    wrapped = (
        "The workshop of Dr. Ada B. Meyer opens at 9.30 a.m. on weekdays, apart from\n"
        "Wednesday, when it stays shut. It is on St. James St. in the old mill.\n"
        "- Bring gloves\n- Bring a mask\n\n| Day | Hours |\n| --- | --- |\n| Mon | 9-17 |"
    )
    assert sentences(wrapped) == [
        "The workshop of Dr. Ada B. Meyer opens at 9.30 a.m. on weekdays, apart from Wednesday, when it stays shut.",
        "It is on St. James St. in the old mill.",
        "Bring gloves",
        "Bring a mask",
        "| Day | Hours |",
        "| --- | --- |",
        "| Mon | 9-17 |",
    ]
    assert sentences("Monday: 9-17\nTuesday: 9-18") == ["Monday: 9-17", "Tuesday: 9-18"]


@pytest.mark.parametrize(
    "two",
    [
        ("Das Tor geht um neun auf.", "Äpfel gibt es z. B. im Hof."),
        ("El museo abre a las nueve.", "¿Dónde está?"),
        ("Музей находится в г. Москва.", "Он открыт."),
    ],
)
def test_sentences_begin_with_capitals_of_other_languages_too(two):
    assert sentences(" ".join(two)) == list(two)
