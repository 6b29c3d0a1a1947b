"""Free text: people's feedback is the outcome, and overlap with the approved answer the score."""

import re
from collections import Counter
from collections.abc import Sequence

from kinds.kind import Kind


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class Chat(Kind):
    """Scores by token F1 (as SQuAD does: Rajpurkar et al. 2016)."""

    name = "chat"
    measure = "token F1"
    grounded = True

    def score(self, reply: str, reference: str) -> float:
        """Overlap of words."""
        return token_f1(reply, reference)


def token_f1(reply: str, reference: str) -> float:
    """Harmonic mean of precision and recall over words, in [0, 1]; 1 where both are empty."""
    return overlap(_words(reply), _words(reference))


def overlap(reply: Sequence[str], reference: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over tokens, in [0, 1]; 1 where both are empty."""
    ours, theirs = Counter(reply), Counter(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())
