"""From tokens to text as it streams: whole characters only, and nothing of a stop string."""

from collections.abc import Sequence

from core.prompt import Tokenizer

HALF_CHARACTER = "\ufffd"


class Speller:
    """Turns one reply's tokens into text. What may yet become a stop string is held back."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]):
        self._tokenizer = tokenizer
        self._stop = [s for s in stop if s]
        self._ids: list[int] = []
        self._read = 0
        self._held = ""
        self._count = 0
        self.stopped = False

    def add(self, token: int) -> str:
        """The text that this token makes readable."""
        self._ids.append(token)
        self._count += 1
        before = self._decode(self._ids[: self._read])
        text = self._decode(self._ids)
        if text.endswith(HALF_CHARACTER):
            return ""
        self._held += text[len(before) :]
        self._ids = self._ids[self._read :]
        self._read = len(self._ids)
        return self._release()

    def rest(self) -> str:
        """What is still held when the reply ends."""
        if self.stopped:
            return ""
        tail = self._decode(self._ids)[len(self._decode(self._ids[: self._read])) :]
        text, self._held = self._held + tail.rstrip(HALF_CHARACTER), ""
        return text

    def take_count(self) -> int:
        """Tokens since the last call."""
        count, self._count = self._count, 0
        return count

    def _release(self) -> str:
        for stop in self._stop:
            at = self._held.find(stop)
            if at >= 0:
                text, self._held, self.stopped = self._held[:at], "", True
                return text
        keep = max((n for s in self._stop for n in range(1, len(s)) if self._held.endswith(s[:n])), default=0)
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
