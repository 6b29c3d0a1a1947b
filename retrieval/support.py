"""Which passage of the index supports a text: what an answer that somebody wrote must have been taken from."""

from collections.abc import Sequence

import numpy as np

from core.facts import denies, missing
from core.sentences import content_stems, sentences
from retrieval.chunks import Chunk
from retrieval.lexicon import Lexicon

LOOKED_AT = 10
"""Chunks that are compared sentence by sentence: those that hold most of the text's words."""
MIN_WORDS = 3
"""A text that adds fewer words to its question stands somewhere by chance."""
MIN_SHARE = 0.7
"""What a sentence adds to the question must stand, to this share of its words, in the passage."""


class Support:
    """Looks for the support of texts in one generation's chunks."""

    def __init__(self, chunks: Sequence[Chunk]):
        self._chunks = chunks
        self._lexicon = Lexicon([chunk.searched for chunk in chunks])
        self._everywhere = np.ones(len(chunks), dtype=bool)

    def of(self, text: str, question: str) -> Chunk | None:
        """The chunk that supports every sentence of a text; None where none does, or several do equally well."""
        if not self._chunks or len(_new(text, question)) < MIN_WORDS:
            return None
        covered = self._lexicon.coverage(text, self._everywhere)
        best = np.argsort(-covered, kind="stable")[:LOOKED_AT]
        found = [int(row) for row in best if supports(self._chunks[int(row)], text, question)]
        if not found or (len(found) > 1 and covered[found[0]] == covered[found[1]]):
            return None
        return self._chunks[found[0]]


def supports(chunk: Chunk, text: str, question: str) -> bool:
    """Whether a chunk says what each sentence of a text does: its new words, its facts, and what it denies."""
    stems = set(content_stems(chunk.searched))
    return all(_says(chunk.searched, stems, sentence, question) for sentence in sentences(text) or [text])


def _says(passage: str, stems: set[str], sentence: str, question: str) -> bool:
    new = _new(sentence, question)
    return (
        len(new & stems) >= MIN_SHARE * len(new)
        and not missing(sentence, passage)
        and (not denies(sentence) or denies(passage))
    )


def _new(text: str, question: str) -> set[str]:
    return set(content_stems(text)) - set(content_stems(question))
