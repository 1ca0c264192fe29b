"""Child processes with limits: they work on files of strangers, and must not harm the parent."""

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from threading import Thread
from typing import Any, NamedTuple

import psutil

WATCH_SECONDS = 0.02


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


class LimitedChild(subprocess.Popen[bytes]):
    """A child process that is killed at the end of its context, and if it exceeds a limit.

    ``exceeded`` then says which one. The watch works on every system. Where there are resource
    limits, the child should lower its own as well, see ``lower_own_limits``: they also hold between
    two looks.
    """

    def __init__(self, command: Sequence[str], *, memory_bytes: int, **options: Any) -> None:
        super().__init__(command, **options)
        self.exceeded = ""
        Thread(target=self._watch_memory, args=(memory_bytes,), daemon=True).start()

    def __exit__(self, *error: Any) -> None:
        self.kill()
        super().__exit__(*error)

    def wait_until(
        self,
        is_done: Callable[[], bool],
        *,
        seconds: float,
        watch: Callable[[], object] = lambda: None,
    ) -> bool:
        """Wait until ``is_done``; kill the child and return False if that takes too long.

        False as well if the child ends before. ``watch`` is called at each look, also at the last;
        the child is also killed if that raises an error.
        """
        is_complete = False
        try:
            is_complete = self._is_done_in_time(is_done, seconds, watch)
            return is_complete
        finally:
            if not is_complete:
                # Does nothing to a child that has ended.
                self.kill()
                self.wait()

    def _is_done_in_time(
        self, is_done: Callable[[], bool], seconds: float, watch: Callable[[], object]
    ) -> bool:
        deadline_s = time.monotonic() + seconds
        while not is_done():
            if self.poll() is not None:
                return False
            if time.monotonic() > deadline_s:
                self.exceeded = f"it takes more than {seconds:.0f} seconds"
                return False
            watch()
            with suppress(subprocess.TimeoutExpired):
                self.wait(WATCH_SECONDS)
        watch()
        return True

    def _watch_memory(self, memory_bytes: int) -> None:
        try:
            while self.returncode is None:
                with suppress(psutil.NoSuchProcess):
                    if usage_of(psutil.Process(self.pid)).memory_bytes > memory_bytes:
                        self.exceeded = f"it needs more than {memory_bytes / 1e9:.1f} GB of memory"
                        return
                time.sleep(WATCH_SECONDS)
        finally:
            # Also if it cannot be measured: it must not run without limits.
            self.kill()


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
