"""The shared cache: requests go on while Redis is gone or hangs."""

import socket
import time
from collections.abc import Iterator

import pytest
from rest_framework.test import APIRequestFactory

from web import cache
from web.cache import OptionalRedisCache
from web.rest.throttling import AccountOrAddressThrottle

# The time-outs for connecting and for a response, and some time for a busy machine.
PATIENCE_S = 1 + 1 + 3


@pytest.fixture(autouse=True)
def fresh_state(monkeypatch) -> None:
    monkeypatch.setattr(cache, "_paused_until_s", 0.0)
    monkeypatch.setattr(cache, "_is_failing", False)


@pytest.fixture(params=["gone", "hanging"])
def redis(request) -> Iterator[OptionalRedisCache]:
    """The cache of a Redis that refuses connections, or accepts them and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if request.param == "gone":
            listening.close()
        options = {"socket_connect_timeout": 1, "socket_timeout": 1}
        yield OptionalRedisCache(f"redis://127.0.0.1:{port}/0", {"OPTIONS": options})


def test_without_redis_the_cache_is_empty_and_takes_everything(redis):
    assert redis.get("key", "default") == "default"
    assert redis.add("key", 1, 60) is True
    assert redis.set("key", 1, 60) is None
    assert redis.incr("key") == 1
    assert redis.get_many(["key"]) == {}
    assert redis.set_many({"key": 1}, 60) == []
    assert redis.has_key("key") is False
    assert redis.touch("key", 60) is False
    assert redis.delete("key") is False
    redis.delete_many(["key"])
    assert cache.is_failing()


def test_only_the_first_request_waits_for_redis(redis):
    started = time.monotonic()

    for _ in range(100):
        redis.get("key")

    assert time.monotonic() - started < PATIENCE_S


def test_a_throttle_that_cannot_be_read_does_not_throttle(redis, monkeypatch):
    monkeypatch.setattr(AccountOrAddressThrottle, "cache", redis)
    monkeypatch.setattr(AccountOrAddressThrottle, "THROTTLE_RATES", {"predictions": "1/day"})
    view = type("View", (), {"throttle_scope": "predictions"})
    request = APIRequestFactory().get("/")
    request.user = None

    assert [AccountOrAddressThrottle().allow_request(request, view) for _ in range(3)] == [True] * 3
