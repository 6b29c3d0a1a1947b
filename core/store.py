"""The connection to Redis or Valkey, with its failures in words."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from core.errors import StoreUnavailable

_CANNOT_WRITE = (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError)
Store = redis.Redis
"""A synchronous client; async callers go through a thread, so that there is one implementation of the record."""


def connect(url: str) -> Store:
    """A client that answers in text, gives up within seconds, and retries a lost connection once."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=2,
        socket_timeout=10,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 1),
        health_check_interval=15,
    )


@contextmanager
def durable() -> Iterator[None]:
    """Turn a failed write or read into StoreUnavailable: what was inside is not acknowledged.

    Raises: StoreUnavailable.
    """
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StoreUnavailable("the database cannot be reached just now; please try again in a moment.") from error
    except redis.ResponseError as error:
        if isinstance(error, _CANNOT_WRITE) or any(word in str(error) for word in ("MISCONF", "NOREPLICAS")):
            raise StoreUnavailable(
                "the database cannot store anything just now; please try again later.", "store_full"
            ) from error
        raise
