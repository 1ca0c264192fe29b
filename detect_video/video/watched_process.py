"""A child process with limits on its memory, its CPU time and the time of its answers.

The limits hold on every platform: a thread of this process measures the child and kills it.
"""

import math
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from importlib import import_module
from threading import Event, Lock, Thread
from typing import Any, BinaryIO

import psutil

from ml_core.limited_child import usage_of

# Until the next measurement, a child can allocate a few hundred megabytes more.
WATCH_EVERY_S = 0.1
# The maximum for unprivileged processes on Linux (pipe-max-size).
PIPE_BYTES = 2**20


class Exceeded(Enum):
    """The limit for which a child was killed."""

    MEMORY = "memory"
    TIME = "time"


class WatchedProcess(subprocess.Popen[bytes]):
    """A child whose standard output is read with ``read``, and which has to be closed.

    It is killed when it uses more than ``memory_bytes`` or ``cpu_seconds``, or misses the deadline
    of ``read``; ``exceeded`` then says why.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: BinaryIO,
        env: Mapping[str, str],
        memory_bytes: int,
        cpu_seconds: float,
    ) -> None:
        super().__init__(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=env,
        )
        self.exceeded: Exceeded | None = None
        self._memory_bytes, self._cpu_seconds = memory_bytes, cpu_seconds
        self._deadline_s = math.inf
        self._closed = Event()
        self._reading = Lock()
        self._pipe: Any = self.stdout
        widen_pipe(self._pipe)
        Thread(target=self._watch, name=f"watch-{self.pid}", daemon=True).start()

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def read(self, count: int, deadline_s: float) -> bytearray | None:
        """The next ``count`` bytes; None if the child has exited, been killed or been closed.

        It is killed at ``deadline_s``, a time of ``time.monotonic()``.
        """
        buffer = bytearray(count)
        received = 0
        with self._reading:
            self._deadline_s = deadline_s
            while received < count and not self.is_closed:
                size = self._pipe.readinto(memoryview(buffer)[received:])
                if not size:
                    break
                received += size
            self._deadline_s = math.inf
        return buffer if received == count else None

    def close(self) -> None:
        """Kill the child. Thread-safe and idempotent."""
        self._closed.set()
        self.kill()
        # A thread blocked in read() now reads end-of-file and releases the lock.
        with self._reading:
            self._pipe.close()
        self.wait()

    def _watch(self) -> None:
        try:
            child = psutil.Process(self.pid)
            while not self._closed.wait(WATCH_EVERY_S):
                self.exceeded = self._exceeded_limit(child)
                if self.exceeded:
                    return
        except psutil.NoSuchProcess:
            # It has exited.
            return
        finally:
            # Also if it cannot be measured: it must not run without limits.
            self.kill()

    def _exceeded_limit(self, child: psutil.Process) -> Exceeded | None:
        usage = usage_of(child)
        if usage.memory_bytes > self._memory_bytes:
            return Exceeded.MEMORY
        is_late = time.monotonic() > self._deadline_s
        return Exceeded.TIME if is_late or usage.cpu_seconds > self._cpu_seconds else None


def widen_pipe(pipe: Any) -> None:
    """Enlarge a pipe for speed, where that is possible: Linux limits pipe memory per user."""
    with suppress(ImportError, AttributeError, OSError):
        # Not part of Python on Windows.
        fcntl: Any = import_module("fcntl")
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
