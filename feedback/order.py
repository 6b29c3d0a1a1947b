"""In which order operators are asked: what is told in words, disagreement, one of each kind, then the least sure."""

from core import keys
from core.records import Turn
from core.store import Store, durable
from feedback.likeness import content_words, jaccard
from feedback.turns import Turns, question

REASONS = ("told what is wrong", "people disagree", "first of its kind", "in turn")
"""Why a turn stands where it does, by rank."""
SAME_KIND = 0.4
"""Questions that share this much of their longer words are of one kind.

Of pairs of clinc150's training questions that do, 63 % have the same intent; with 0.3 it is 44 %.
"""
KINDS = 256
"""The newest turns that stand for a kind; a question is compared with no more."""
_SPAN_MS = 10**13
"""Farther apart than any two instants: an earlier rank comes first, whenever its turns came."""
STEPS = 50
"""Steps of confidence that are told apart among the rest, each with its turns by age."""

_ENTER = """
local told = redis.call('HLEN', KEYS[3]) > 0
local up, down = false, false
for _, text in ipairs(redis.call('HVALS', KEYS[2])) do
  local vote = cjson.decode(text)
  local value, reason = vote['value'], vote['reason']
  if value < 0 and type(reason) == 'string' and reason ~= '' then told = true end
  up = up or value > 0
  down = down or value < 0
end
local rank = 3
if told then rank = 0
elseif up and (down or ARGV[3] == 'again') then rank = 1
elseif ARGV[4] == 'new' then rank = 2 end
local span = tonumber(ARGV[5])
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
local since = score and tonumber(score) % span or tonumber(ARGV[2])
local place = rank == 3 and tonumber(ARGV[7]) or rank - 3
redis.call('ZADD', KEYS[1], string.format('%.0f', since + place * span), ARGV[1])
if rank < 3 then
  redis.call('ZADD', KEYS[4], ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -tonumber(ARGV[6]) - 1)
end
"""


class ReviewOrder:
    """Puts turns into the queue where they belong. Entries of before there was an order stand among the rest."""

    def __init__(self, store: Store, turns: Turns):
        self._store = store
        self._turns = turns
        self._enter = store.register_script(_ENTER)

    def is_of_a_new_kind(self, turn: Turn) -> bool:
        """Whether no turn that came earlier, and stands for a kind, asks nearly the same.

        Raises: StoreUnavailable.
        """
        with durable():
            known = [kind for kind in self._store.zrange(keys.QUEUE_KINDS, 0, -1) if kind != turn.id]
        asked = content_words(question(turn))
        kinds = self._turns.get_many(known).values()
        return all(jaccard(asked, content_words(question(kind))) < SAME_KIND for kind in kinds)

    def enter(self, pipe: Store, turn: Turn, at: int, new_kind: bool) -> None:
        """Put a turn where it belongs after what the same pipeline wrote about it. It keeps the age it has there."""
        self._enter(
            keys=[keys.QUEUE, keys.votes(turn.id), keys.corrections(turn.id), keys.QUEUE_KINDS],
            args=[
                *(turn.id, at, "again" if turn.regenerates else "", "new" if new_kind else ""),
                *(_SPAN_MS, KINDS, _place(turn)),
            ],
            client=pipe,
        )


def _place(turn: Turn) -> int:
    """How far from the beginning of the rest a turn stands, in spans: what no outcome head looked at, then the least
    sure."""
    return 0 if turn.confidence is None else 1 + round(STEPS * turn.confidence)


def since(score: float) -> int:
    """Since when (ms) a turn with this score in the queue waits."""
    return int(score % _SPAN_MS)


def reason(score: float) -> str:
    """Why a turn with this score in the queue stands where it does."""
    return REASONS[min(len(REASONS) - 1 + int(score // _SPAN_MS), len(REASONS) - 1)]


def rank_borders() -> list[int]:
    """The scores at which each rank but the first begins."""
    return [(rank - len(REASONS) + 1) * _SPAN_MS for rank in range(1, len(REASONS))]
