"""Which items judge and which are learned from: frozen when an item is first considered, and never on both sides."""

import hashlib
from collections.abc import Collection, Iterable

from core import keys
from core.identity import Pseudonyms
from core.records import APPROVED_PASSAGE, Split, Turn
from core.store import Store, durable
from feedback.likeness import normalised
from feedback.turns import Turns, question, system_text

EVALUATION_SHARE = 5
"""One group in this many is kept for judging and never trained on."""

_ASSIGN = """
local out = {}
for i = 1, #ARGV, 3 do
  local root, text, fresh = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local by_root = redis.call('HGET', KEYS[1], root)
  local by_text = redis.call('HGET', KEYS[1], text)
  local split = by_text or by_root or fresh
  if by_root and by_text and by_root ~= by_text then
    split = 'excluded'
  else
    redis.call('HSET', KEYS[1], root, split, text, split)
  end
  out[#out + 1] = split
end
return out
"""


class Sides:
    """Assigns sides by a hash of the normalised question, one for near duplicates and one for a conversation."""

    def __init__(self, store: Store, turns: Turns, pseudonyms: Pseudonyms):
        self._store = store
        self._turns = turns
        self._pseudonyms = pseudonyms
        self._assign = store.register_script(_ASSIGN)

    def of(self, turns: Iterable[Turn]) -> list[Split]:
        """The side of each turn.

        Raises: StoreUnavailable.
        """
        args: list[str] = []
        for turn in turns:
            root = self._root(turn)
            lot = int.from_bytes(hashlib.sha256(_text(turn).encode()).digest()[:8], "big")
            fresh = "evaluation" if lot % EVALUATION_SHARE == 0 else "train"
            args += [f"root:{root}", self._field(turn), fresh]
        with durable():
            return self._assign(keys=[keys.SPLITS], args=args) if args else []

    def forget(self, pipe: Store, turns: Collection[Turn], others: Iterable[Turn]) -> None:
        """Take turns' sides out of the record, within a transaction; what others ask as well keeps its side."""
        names = {self._field(turn) for turn in turns} - {self._field(turn) for turn in others}
        if turns:
            pipe.hdel(keys.SPLITS, *names, *(f"root:{turn.id}" for turn in turns))

    def _field(self, turn: Turn) -> str:
        """Under which name the side of a question is kept, whoever asks it: a keyed hash."""
        return f"text:{self._pseudonyms.digest('text', _text(turn))}"

    def _root(self, turn: Turn) -> str:
        """The turn that decides the side: where an approved answer was said or used, the one it was approved for."""
        conversation = [*self._turns.conversation(turn.parent), turn]
        used = [p.id for t in conversation for p in t.passages if p.id.startswith(APPROVED_PASSAGE)]
        for passage in used:
            source = self._turns.conversation(passage.removeprefix(APPROVED_PASSAGE))
            if source:
                return source[0].id
        return conversation[0].id if len(conversation) > 1 else turn.regenerates or turn.beside or turn.id


def _text(turn: Turn) -> str:
    return normalised(f"{system_text(turn)} {question(turn)}")
