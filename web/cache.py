"""The cache that the processes of a site share: Redis, without which requests go on as well."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import RedisError

logger = logging.getLogger(__name__)

# How long Redis is left alone after a failure: each attempt may cost a request its time-out.
PAUSE_S = 5

T = TypeVar("T")

_paused_until_s = 0.0
_is_failing = False


def is_failing() -> bool:
    """Whether Redis did not respond when it was last used in this process."""
    return _is_failing


class OptionalRedisCache(RedisCache):
    """Redis; while it does not respond, nothing is found and what is stored is lost.

    So throttles and limits per client do not hold meanwhile, and requests are not refused.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = OptionalRedisClient


class OptionalRedisClient(RedisCacheClient):
    """Each method returns what an empty cache would, if Redis does not respond."""

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        return _attempt(super().add, key, value, timeout, otherwise=True)

    def get(self, key: Any, default: Any) -> Any:
        return _attempt(super().get, key, default, otherwise=default)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        _attempt(super().set, key, value, timeout, otherwise=None)

    def incr(self, key: Any, delta: int) -> int:
        return _attempt(super().incr, key, delta, otherwise=delta)

    def touch(self, key: Any, timeout: Any) -> bool:
        return _attempt(super().touch, key, timeout, otherwise=False)

    def delete(self, key: Any) -> bool:
        return _attempt(super().delete, key, otherwise=False)

    def has_key(self, key: Any) -> bool:
        return _attempt(super().has_key, key, otherwise=False)

    def get_many(self, keys: Any) -> dict[Any, Any]:
        return _attempt(super().get_many, keys, otherwise={})

    def set_many(self, data: Any, timeout: Any) -> None:
        _attempt(super().set_many, data, timeout, otherwise=None)

    def delete_many(self, keys: Any) -> None:
        _attempt(super().delete_many, keys, otherwise=None)


def _attempt(method: Callable[..., T], *arguments: Any, otherwise: T) -> T:
    global _is_failing, _paused_until_s
    if time.monotonic() < _paused_until_s:
        return otherwise
    try:
        result = method(*arguments)
    except (RedisError, OSError) as exc:
        if not _is_failing:
            logger.warning("Redis does not respond, so throttles do not hold: %s", exc)
        _is_failing = True
        _paused_until_s = time.monotonic() + PAUSE_S
        return otherwise
    if _is_failing:
        logger.warning("Redis responds again")
        _is_failing = False
    return result
