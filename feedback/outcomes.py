"""What chats made of a canary's answers and of live's, window by window, and what is known by it so far."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace

from core import keys
from core.records import Signal, Turn, from_json, to_json
from core.store import Store, durable
from feedback.evidence import Evidence, Outcome
from feedback.ratings import Ratings
from feedback.turns import Turns

BATCH = 500
"""Turns read in one round trip."""
_SAVE = """
local same = redis.call('HGET', KEYS[1], 'trial') == ARGV[1]
local windows = same and redis.call('HGET', KEYS[1], 'windows') or '0'
if tonumber(windows) + 1 ~= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'trial', ARGV[1], 'windows', ARGV[2], 'evidence', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""


class Outcomes:
    """Outcomes of windows, and the evidence of canaries. Every method raises StoreUnavailable where Redis is away."""

    def __init__(self, store: Store, turns: Turns, ratings: Ratings):
        self._store = store
        self._turns = turns
        self._ratings = ratings
        self._save = store.register_script(_SAVE)

    def window(self, since_ms: int, until_ms: int, is_canary: Callable[[Turn], bool | None]) -> list[Outcome]:
        """The outcomes of the turns begun from `since_ms` to before `until_ms`: one for each chat that had an answer.

        `is_canary` says which arm a turn belongs to, and None of one that counts for neither.
        """
        signals: dict[tuple[str, bool], set[Signal]] = defaultdict(set)
        ids = self._turns.recent(since_ms, until_ms)
        for n in range(0, len(ids), BATCH):
            turns = self._turns.get_many(ids[n : n + BATCH]).values()
            arms = {turn.id: (turn, is_canary(turn)) for turn in turns if _counts(turn)}
            arms = {turn_id: at for turn_id, at in arms.items() if at[1] is not None}
            about = self._ratings.signals(list(arms))
            for turn_id, (turn, canary) in arms.items():
                signals[turn.chat or "", bool(canary)] |= about[turn_id] | _own(turn)
        return [Outcome(chat, canary, frozenset(seen)) for (chat, canary), seen in sorted(signals.items())]

    def evidence(self, version: str, trial: int | None = None) -> Evidence:
        """What is known of a version's newest trial, or of the one that was set up at `trial` (ms), if it is that."""
        with durable():
            stored = self._store.hgetall(keys.evidence(version))
        if not stored or trial not in (None, int(stored["trial"])):
            return Evidence()
        return from_json(Evidence, stored["evidence"])

    def keep(self, version: str, trial: int, evidence: Evidence) -> bool:
        """Keep what is known after one more window. False where another has done so already."""
        with durable():
            args = [trial, evidence.windows, to_json(evidence), self._turns.retention_s]
            return bool(self._save(keys=[keys.evidence(version)], args=args))

    def drop_histories(self, version: str) -> None:
        """A trial has ended: its counts stay, and which chat did what is not needed any more."""
        evidence = self.evidence(version)
        if evidence.chats:
            with durable():
                self._store.hset(keys.evidence(version), "evidence", to_json(replace(evidence, chats={})))


def forget_chats(store: Store, pipe: Store, chats: Collection[str]) -> None:
    """Take chats' histories out of every trial, within a transaction; counts stay.

    Raises: StoreUnavailable.
    """
    with durable():
        for key in store.scan_iter(keys.evidence("*"), count=1000):
            text = store.hget(key, "evidence")
            evidence = from_json(Evidence, text) if text else Evidence()
            kept = {chat: history for chat, history in evidence.chats.items() if chat not in chats}
            if len(kept) < len(evidence.chats):
                pipe.hset(key, "evidence", to_json(replace(evidence, chats=kept)))


def _counts(turn: Turn) -> bool:
    """Whether a version made the answer: it has ended, and was not an approved one given word for word."""
    return turn.status != "open" and turn.origin in ("model", "quote")


def _own(turn: Turn) -> set[Signal]:
    """What the answer itself shows."""
    found: set[Signal] = set()
    if turn.status == "failed":
        found.add("failed")
    if turn.status == "complete" and not turn.reply.strip():
        found.add("empty")
    if turn.cut:
        found.add("cut")
    return found
