"""What several processes report to each other, and the limits on sockets of all of them."""

import importlib.util
import threading
from types import ModuleType

import pytest
from django.core.cache import cache

from web import processes
from web.errors import TooManySockets
from web.socket_limits import SocketLimiter


@pytest.fixture(autouse=True)
def several_processes(settings, monkeypatch) -> None:
    """A site whose processes share a cache: here that of this process."""
    settings.REDIS_URL = "redis://shared"
    settings.LIMITS = {
        **settings.LIMITS,
        "cameras": 3,
        "cameras_per_owner": 2,
        "cameras_per_address": 3,
    }
    cache.clear()
    monkeypatch.setattr(processes, "_place", None)
    monkeypatch.setattr(processes, "_reports", {})


def other_process() -> ModuleType:
    """The module as another process has it, with a name and a place of its own."""
    spec = importlib.util.spec_from_file_location("other_process", processes.__file__)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_processes_read_the_reports_of_all_others():
    here, there, elsewhere = processes, other_process(), other_process()
    for number, process in enumerate((here, there, elsewhere)):
        process.report("number", lambda number=number: number)
        process.report_now()

    assert sorted(here.reports_of_others("number")) == [1, 2]
    assert sorted(there.reports_of_others("number")) == [0, 2]


def test_a_process_that_lost_its_place_takes_another():
    """It was frozen until its reports expired, and a new process has its place."""
    frozen, new = other_process(), other_process()
    frozen.report("number", lambda: 1)
    new.report("number", lambda: 2)
    frozen.report_now()
    cache.clear()
    new.report_now()

    frozen.report_now()

    assert frozen.reports_of_others("number") == [2]
    assert new.reports_of_others("number") == [1]


def test_a_slow_report_does_not_hold_up_another():
    here, there = other_process(), other_process()
    begun, released = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        released.wait(30)
        return 1

    here.report("slow", slow)
    here.report("number", lambda: 2)
    everything = threading.Thread(target=here.report_now)
    everything.start()
    try:
        assert begun.wait(10)
        quick = threading.Thread(target=here.report_now, args=("number",))
        quick.start()
        quick.join(10)
        assert there.reports_of_others("number") == [2]
        assert there.reports_of_others("slow") == []
    finally:
        released.set()
    everything.join(10)
    assert there.reports_of_others("slow") == [1]


def test_one_process_alone_reports_nothing(settings):
    settings.REDIS_URL = ""
    other = other_process()
    other.report("number", lambda: 1)
    other.report_now()

    assert processes.reports_of_others("number") == []


async def test_limits_on_sockets_hold_for_all_processes_together():
    elsewhere = other_process()
    limiter = SocketLimiter("cameras", "cameras")
    slot = await limiter.acquire("user 1", "192.0.2.1")
    limiter.release(slot)
    elsewhere.report("cameras", lambda: [(slot, 1)])
    elsewhere.report_now()

    second = await limiter.acquire("user 1", "192.0.2.1")
    with pytest.raises(TooManySockets, match="At most 2 cameras"):
        await limiter.acquire("user 1", "192.0.2.1")
    await limiter.acquire("user 2", "192.0.2.2")
    with pytest.raises(TooManySockets, match="Too many cameras"):
        await limiter.acquire("user 3", "192.0.2.3")

    assert (limiter.total(), limiter.site_total()) == (2, 3)
    limiter.release(second)
    await limiter.acquire("user 3", "192.0.2.3")


async def test_other_processes_know_of_a_socket_before_it_is_granted():
    """Otherwise two of them could both grant the last one."""
    limiter = SocketLimiter("cameras", "cameras")
    elsewhere = other_process()

    slot = await limiter.acquire("user 1", "192.0.2.1")

    assert elsewhere.reports_of_others("cameras") == [[(slot, 1)]]


async def test_reports_hold_no_session_keys():
    """Whoever reads Redis could use them to act as the visitors."""
    limiter = SocketLimiter("cameras", "cameras")
    elsewhere = other_process()

    await limiter.acquire("session abc123", "192.0.2.1")

    (report,) = elsewhere.reports_of_others("cameras")
    assert report[0][0][1] == "192.0.2.1"
    assert "abc123" not in str(report)
