"""The refresh lock: one refresh at a time, renewed while it lives, with a fencing token for its writes."""

import threading
from types import TracebackType

from core import keys
from core.errors import FenceLost, StoreUnavailable
from core.records import new_id
from core.store import Store, durable

_ACQUIRE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. fence, 'PX', ARGV[2])
return fence
"""
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RefreshLock:
    """Held within a `with` block; `fence` is the token that every publish and alias write checks."""

    def __init__(self, store: Store, lock_s: int):
        self._store = store
        self._lock_ms = lock_s * 1000
        self._holder = new_id()
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._keep, name="refresh-lock", daemon=True)
        self._lost = False
        self.fence = 0

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it."""
        with durable():
            fence = self._store.register_script(_ACQUIRE)(
                keys=[keys.REFRESH_LOCK, keys.REFRESH_FENCE], args=[self._holder, self._lock_ms]
            )
        if fence is None:
            return False
        self.fence = int(fence)
        self._renewer.start()
        return True

    def check(self) -> None:
        """Raises: FenceLost where the lock expired and may be another's."""
        if self._lost:
            raise FenceLost("the refresh was taken over by another worker; this one stops.")

    def __enter__(self) -> "RefreshLock":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self.fence:
            return  # it was another's
        self._ended.set()
        self._renewer.join()
        try:
            with durable():
                self._store.register_script(_RELEASE)(keys=[keys.REFRESH_LOCK], args=[self.value])
        except StoreUnavailable:
            pass  # it expires by itself

    @property
    def value(self) -> str:
        """What the lock's key holds as long as the lock is held here."""
        return f"{self._holder}:{self.fence}"

    def _keep(self) -> None:
        renew = self._store.register_script(_RENEW)
        while not self._ended.wait(self._lock_ms / 3000):
            try:
                with durable():
                    if not renew(keys=[keys.REFRESH_LOCK], args=[self.value, self._lock_ms]):
                        self._lost = True
                        return
            except StoreUnavailable:
                continue  # the next renewal, or the fence, decides
