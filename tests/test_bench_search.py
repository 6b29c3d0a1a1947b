"""A small share of the search figures, over XQuAD where it is present, with quotes alone."""

import os
from pathlib import Path

import pytest
from knowledge import embedder, retriever, shown

from bench.search import TUNING, Reply, grounded, holds, load, unanswerable, write
from core.errors import InvalidInput
from retrieval.grounding import NOTICE
from retrieval.ingest import ingest

DATA = Path(os.environ.get("APPRENTICE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


class Quoting:
    """An assistant without a model."""

    def __init__(self, data_dir: Path):
        self.data_dir, self.retriever = data_dir, retriever(data_dir)

    def ingest(self, folder):
        ingest(self.data_dir, [folder], embedder())

    def ask(self, question):
        passages = self.retriever.relevant(self.retriever.search(question, None))
        if not passages:
            return Reply(NOTICE, "", 0)
        found = shown(question, "", passages)
        return Reply(found.text, "", len(found.citations))


@pytest.mark.skipif(
    not (DATA / "xquad").is_dir(), reason="XQuAD is not there; APPRENTICE_TEST_DATA names the folder with xquad/ in it"
)
def test_xquad_is_answered_from_its_articles_and_not_without_them(tmp_path):
    articles, questions = load(DATA)
    titles = sorted(articles)[::6]
    some = {title: articles[title] for title in titles}
    asked = [q for q in questions[TUNING:] if q.article in some][:90]
    assistant = Quoting(tmp_path / "data")
    write(some, tmp_path / "docs")
    assistant.ingest(tmp_path / "docs")
    figures = grounded(asked, assistant, print)
    assert figures["message_holds_answer"] >= 0.75
    assert figures["most_quoted_sentences"] <= 3
    assert unanswerable(asked, some, tmp_path / "docs", assistant, print)["says_nothing_found"] >= 0.9


def test_missing_data_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="--data"):
        load(tmp_path)


def test_an_answer_is_held_apart_from_case_and_punctuation():
    assert holds("It was “Luke Kuechly”, he said.", "Luke Kuechly.")
    assert not holds("It was 1308.", "308")
