"""One cycle of learning under one lock: practice, the refresh that follows on it, and the search."""

from dataclasses import dataclass

from workers.context import Context
from workers.lock import RefreshLock
from workers.practising import PracticeResult, practise
from workers.refresh import Progress, RefreshResult, run_refresh
from workers.search_learning import SearchResult, learn_to_search


@dataclass(frozen=True, slots=True)
class Cycle:
    """What came of each part; None of one that there was no need for, or that had to wait with another."""

    practice: PracticeResult | None
    refresh: RefreshResult | None
    search: SearchResult | None


def learn(context: Context, lock: RefreshLock, progress: Progress, again: bool) -> Cycle:
    """Practise where that is wanted, then refresh, then let the search learn; `again` begins a failed refresh afresh.

    A practice that is postponed or cancelled postpones or cancels the rest.

    Raises: FenceLost, DiskFull, IndexDamaged, StoreUnavailable.
    """
    practice = practise(context, lock, progress)
    if practice and practice.outcome != "practised":
        return Cycle(practice, None, None)
    refresh = run_refresh(context, lock, progress, again)
    return Cycle(practice, refresh, learn_to_search(context, lock, progress))
