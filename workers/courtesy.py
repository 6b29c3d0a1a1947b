"""How a refresh shares the processors with the answers that are given meanwhile."""

import os

LOW_PRIORITY = 10


def give_way() -> None:
    """Run at low priority, with threads that sleep while they wait; to be called before torch is imported.

    Threads that spin instead wait for one another as soon as another process wants a processor: beside a busy one, two
    threads trained 10 tokens a second spinning and 124 sleeping.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.nice(max(0, LOW_PRIORITY - os.nice(0)))
