"""A child process does not exceed its limits, and does not outlive its context."""

import sys

import pytest

from ml_core.limited_child import LimitedChild

WAIT = "import time; time.sleep(100)"


def started(program: str, memory_bytes: int = 10**9) -> LimitedChild:
    return LimitedChild([sys.executable, "-c", program], memory_bytes=memory_bytes)


def test_a_child_is_killed_at_the_end_of_its_context():
    with pytest.raises(KeyError), started(WAIT) as child:
        assert child.wait_until(lambda: True, seconds=100)
        assert child.poll() is None
        raise KeyError

    assert (child.returncode is None, child.exceeded) == (False, "")


def test_memory_is_limited_also_when_nobody_waits():
    with started(f"data = bytes(range(256)) * 10**6; {WAIT}", 10**8) as child:
        child.wait(100)

    assert child.exceeded == "it needs more than 0.1 GB of memory"


def test_each_wait_has_its_own_time():
    with started(WAIT) as child:
        assert child.wait_until(lambda: True, seconds=0)
        assert not child.wait_until(lambda: False, seconds=0.1)
        assert child.returncode is not None

    assert child.exceeded == "it takes more than 0 seconds"


def test_an_error_of_the_watch_kills_the_child():
    def stop() -> None:
        raise KeyError

    with started(WAIT) as child:
        with pytest.raises(KeyError):
            child.wait_until(lambda: False, seconds=100, watch=stop)
        assert child.returncode is not None


def test_a_child_that_ends_has_not_exceeded_a_limit():
    with started("raise SystemExit(7)") as child:
        assert not child.wait_until(lambda: False, seconds=100)

    assert (child.returncode, child.exceeded) == (7, "")
