"""The cameras and videos that this process is currently detecting in, with their frame rates."""

import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from ml_core.metrics import FRAMES
from web.storage.owners import Owner

# Averaging window of the frame rate.
WINDOW_S = 5.0

Source = Literal["camera", "video"]
_numbers = itertools.count(1)
_open: "dict[int, Stream]" = {}


class Stream:
    """A camera or video with its owner and frame counters."""

    def __init__(self, source: Source, owner: Owner) -> None:
        self.number = next(_numbers)
        self.source = source
        self.owner = owner
        self.done = self.dropped = 0
        self._started = time.monotonic()
        self._times: deque[float] = deque(maxlen=1000)

    def count_done(self, frames: int = 1) -> None:
        """Count ``frames`` with a result."""
        self.done += frames
        self._times.extend([time.monotonic()] * frames)
        FRAMES.labels(self.source, "done").inc(frames)

    def count_dropped(self) -> None:
        """Count a frame that was skipped in favour of a newer one."""
        self.dropped += 1
        FRAMES.labels(self.source, "dropped").inc()

    def count_failed(self) -> None:
        """Count a frame that was answered with an error."""
        FRAMES.labels(self.source, "failed").inc()

    @property
    def fps(self) -> float:
        """Results per second over the last ``WINDOW_S`` seconds."""
        now = time.monotonic()
        counted = sum(now - moment <= WINDOW_S for moment in [*self._times])
        return round(counted / min(WINDOW_S, max(1.0, now - self._started)), 1)

    def open(self) -> None:
        """Add it to ``open_streams``."""
        _open[self.number] = self

    def close(self) -> None:
        """Remove it from ``open_streams``."""
        _open.pop(self.number, None)


@contextmanager
def opened(source: Source, owner: Owner) -> Iterator[Stream]:
    """A new stream, listed in ``open_streams`` within the context."""
    stream = Stream(source, owner)
    stream.open()
    try:
        yield stream
    finally:
        stream.close()


def open_streams() -> list[Stream]:
    """All open streams, oldest first."""
    return [*_open.values()]
