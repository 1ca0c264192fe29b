"""Child processes with limits: they work on files of strangers, and must not harm the parent."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

import psutil

WATCH_SECONDS = 0.05


class Usage(NamedTuple):
    """What a process uses: memory that is resident, and CPU time so far."""

    memory_bytes: int
    cpu_seconds: float


def usage_of(child: psutil.Process) -> Usage:
    """What a child process uses. Raises ``psutil.NoSuchProcess`` if it has ended."""
    # On Windows, the python.exe of a virtual environment starts the actual interpreter.
    processes = [child, *child.children()] if psutil.WINDOWS else [child]
    times = [process.cpu_times() for process in processes]
    return Usage(
        sum(process.memory_info().rss for process in processes),
        sum(used.user + used.system for used in times),
    )


def wait_limited(
    child: subprocess.Popen,
    *,
    seconds: float,
    memory_bytes: int,
    watch: Callable[[], object] = lambda: None,
) -> str:
    """Wait until ``child`` ends; kill it if it exceeds a limit, and return which: else "".

    ``watch`` is called at each look; the child is also killed if that raises an error.
    The watch works on every system. Where there are resource limits, the child should lower its
    own as well, see ``lower_own_limits``: they also hold between two looks.
    """
    try:
        return _exceeded(child, seconds, memory_bytes, watch)
    finally:
        # Does nothing to a child that has ended.
        child.kill()
        child.wait()


def _exceeded(
    child: subprocess.Popen, seconds: float, memory_bytes: int, watch: Callable[[], object]
) -> str:
    deadline_s = time.monotonic() + seconds
    while True:
        try:
            child.wait(WATCH_SECONDS)
            return ""
        except subprocess.TimeoutExpired:
            pass
        with suppress(psutil.NoSuchProcess):
            if usage_of(psutil.Process(child.pid)).memory_bytes > memory_bytes:
                return f"it needs more than {memory_bytes / 1e9:.1f} GB of memory"
        if time.monotonic() > deadline_s:
            return f"it takes more than {seconds:.0f} seconds"
        watch()


def lower_own_limits(*, memory_bytes: int, file_bytes: int) -> None:
    """Limit this process' memory and the size of files it writes, where the system can."""
    try:
        resource: Any = import_module("resource")
    except ImportError:
        return
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_DATA: memory_bytes,
        resource.RLIMIT_FSIZE: file_bytes,
    }
    for name, limit in limits.items():
        with suppress(ValueError, OSError):
            resource.setrlimit(name, (limit, limit))
