"""Approved answers that a document disputes: about the same thing it states other facts, or denies what they say."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.facts import days, denies, missing, names, numbers
from core.records import Passage
from core.sentences import content_stems, sentences
from retrieval.conflicts import objects, opposed
from retrieval.contradictions import YES_OR_NO, says_no
from retrieval.embedder import Embedder
from retrieval.grounding import MIN_NEW_WORDS, Unit, ranked

BEST = 3
"""Sentences that answer a question best, of those that were found; see `retrieval.grounding`."""
FACTS = (numbers, days, names)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A sentence of an approved answer, and one of a passage that states otherwise."""

    said: str
    stated: str
    source: str
    title: str


def find_dispute(question: str, answer: str, passages: Sequence[Passage], embedder: Embedder) -> Dispute | None:
    """The first sentence of an answer that a passage disputes, with the one that does.

    Both are about the same thing where half of what question and answer speak of stands in the passage's sentence. They
    differ where both have numbers, days or names, and none in common, or where only one of them denies. What stands in
    any sentence found is not disputed by the others.
    """
    if not passages:
        return None
    units, said = ranked(question, frozenset(content_stems(question)), passages, embedder), sentences(answer)
    agreeing = [(sentence, unit) for sentence in said for unit in units if _agrees(sentence, unit)]
    settled, agreed = {sentence for sentence, _ in agreeing}, {unit for _, unit in agreeing}
    for sentence in said:
        for unit in units[:BEST]:
            if sentence not in settled and unit not in agreed and _disputes(unit, question, sentence):
                passage = passages[unit.number - 1]
                return Dispute(sentence, unit.text, passage.source, passage.title)
    return None


def _agrees(sentence: str, unit: Unit) -> bool:
    """Whether a passage's sentence holds every fact of an answer's, and not with the opposite sense."""
    if not any(of(sentence) for of in FACTS) or missing(sentence, unit.context):
        return False
    return not (_denied(sentence, unit.text) and opposed(sentence, unit.text))


def _disputes(unit: Unit, question: str, sentence: str) -> bool:
    spoken, own = objects(question).keys() | objects(sentence).keys(), objects(sentence).keys()
    if len(spoken & unit.stems) < MIN_NEW_WORDS * len(spoken):
        return False
    if any(_states_others(of(sentence), of(unit.text), of(unit.context)) for of in FACTS):
        return True
    return bool(own) and len(own & unit.stems) >= MIN_NEW_WORDS * len(own) and _denied(sentence, unit.text)


def _states_others(mine: set[str], theirs: set[str], around: set[str]) -> bool:
    """Whether facts of one kind are other ones altogether; an answer with one of the passage's, and more, says more."""
    return bool(mine and theirs) and not mine & around


def _denied(sentence: str, other: str) -> bool:
    """Whether an answer's sentence denies what another says, or the other way; "not open" says what "closed" does.

    It must do so with its first "yes" or "no", which is about the question, as well as without.
    """
    senses = says_no(sentence), denies(YES_OR_NO.sub("", sentence))
    return all((sense != denies(other)) != opposed(sentence, other) for sense in senses)
