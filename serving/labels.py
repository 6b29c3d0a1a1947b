"""Which labels are known: those that were approved as answers, from the moment they are."""

import threading
from collections.abc import Sequence

from core.records import ApprovedAnswer, now_ms
from kinds import KINDS
from kinds.kind import UNSURE

MAX_LABEL = 100
"""Characters of a label; what is longer, or goes over a line, was meant as another answer."""


class KnownLabels:
    """Approved answers of the kinds that learn their labels so. May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, ApprovedAnswer] = {}

    def add(self, answers: Sequence[ApprovedAnswer]) -> None:
        """Remember approved answers; a later one for the same turn replaces the earlier."""
        with self._lock:
            for answer in answers:
                self._known.pop(answer.turn, None)
                is_label = len(answer.answer) <= MAX_LABEL and "\n" not in answer.answer
                if is_label and answer.kind in KINDS and KINDS[answer.kind].learns_labels:
                    self._known[answer.turn] = answer

    def forget(self, turn: str) -> None:
        """No longer know what was approved for a turn."""
        with self._lock:
            self._known.pop(turn, None)

    def of(self, kind: str, chat: str | None, system: str) -> tuple[str, ...]:
        """The labels of a kind that a chat may be given under a system text, in alphabetical order."""
        with self._lock:
            known, now = list(self._known.values()), now_ms()
        found = {
            answer.answer
            for answer in known
            if (answer.kind, answer.system) == (kind, system)
            and (answer.scope == "everyone" or (chat is not None and answer.chat == chat))
            and (answer.until is None or answer.until > now)
        }
        return tuple(sorted(found - {UNSURE}))
