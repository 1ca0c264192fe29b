"""Limits on a child process that does not limit itself, as on Windows."""

import math
import os
import sys
import tempfile
import threading
import time
from threading import Timer
from unittest.mock import Mock

import pytest

from detect_video.video import watched_process
from detect_video.video.watched_process import Exceeded, WatchedProcess

WRITE = "import sys; sys.stdout.buffer.write(b'abc'); sys.stdout.buffer.flush(); "
HOLD_MEMORY = "import time; block = b'x' * 300_000_000; time.sleep(60)"


def start(program: str, *, memory_bytes: int = 2**30, cpu_seconds: float = 60) -> WatchedProcess:
    with tempfile.TemporaryFile() as stdin:
        return WatchedProcess(
            [sys.executable, "-c", program],
            stdin=stdin,
            env=os.environ,
            memory_bytes=memory_bytes,
            cpu_seconds=cpu_seconds,
        )


def never() -> float:
    return time.monotonic() + 60


@pytest.mark.parametrize(
    ("program", "limits", "exceeded"),
    [
        (HOLD_MEMORY, {"memory_bytes": 100_000_000}, Exceeded.MEMORY),
        ("while True: pass", {"cpu_seconds": 0.2}, Exceeded.TIME),
    ],
)
def test_a_child_that_exceeds_a_limit_is_killed(program, limits, exceeded):
    child = start(program, **limits)

    assert child.read(1, never()) is None

    child.close()
    assert child.exceeded == exceeded


def test_a_child_that_answers_too_late_is_killed():
    child = start(WRITE + "import time; time.sleep(60)")
    assert child.read(3, never()) == b"abc"

    assert child.read(3, time.monotonic()) is None

    child.close()
    assert child.exceeded == Exceeded.TIME


def test_a_child_may_wait_for_its_reader_for_any_time(monkeypatch):
    clock = Mock(monotonic=Mock(return_value=0))
    monkeypatch.setattr(watched_process, "time", clock)
    child = start(WRITE + "print('def', end='', flush=True); import time; time.sleep(60)")
    assert child.read(3, 60) == b"abc"

    # Two measurements of the child, long after the deadline of the read before.
    clock.monotonic.return_value = 1000
    measured = clock.monotonic.call_count
    while clock.monotonic.call_count < measured + 2:
        time.sleep(0.01)

    assert child.read(3, 2000) == b"def"
    child.close()
    assert child.exceeded is None


def test_the_end_of_a_child_ends_reading():
    child = start(WRITE + "sys.exit(3)")

    assert child.read(4, never()) is None

    assert child.wait() == 3
    child.close()
    assert child.exceeded is None


def test_closing_ends_a_read_in_another_thread():
    child = start("import time; time.sleep(60)")
    Timer(0.2, child.close).start()

    assert child.read(1, math.inf) is None

    assert child.is_closed
    assert child.exceeded is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_child_that_cannot_be_measured_is_killed(monkeypatch):
    monkeypatch.setattr(WatchedProcess, "_exceeded_limit", lambda *arguments: 1 / 0)
    child = start("import time; time.sleep(60)")
    watching = [t for t in threading.enumerate() if t.name == f"watch-{child.pid}"]

    assert child.read(1, never()) is None

    child.close()
    # Its exception is reported in this test, which expects it, and not in a later one.
    for thread in watching:
        thread.join()
