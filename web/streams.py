"""The cameras and videos that are being detected in by this process, and how fast."""

import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from ml_core.metrics import FRAMES
from web.keeping.owners import Owner

# Over how long a speed is measured.
WINDOW_S = 5.0

Source = Literal["camera", "video"]
_numbers = itertools.count(1)
_open: "dict[int, Stream]" = {}


class Stream:
    """One camera or video, and whose it is."""

    def __init__(self, source: Source, owner: Owner) -> None:
        self.number = next(_numbers)
        self.source = source
        self.owner = owner
        self.done = self.dropped = 0
        self._started = time.monotonic()
        self._times: deque[float] = deque(maxlen=1000)

    def count_done(self, frames: int = 1) -> None:
        """``frames`` more have their result."""
        self.done += frames
        self._times.extend([time.monotonic()] * frames)
        FRAMES.labels(self.source, "done").inc(frames)

    def count_dropped(self) -> None:
        """One more was let go, because a newer one was there."""
        self.dropped += 1
        FRAMES.labels(self.source, "dropped").inc()

    def count_failed(self) -> None:
        """One more was answered with an error."""
        FRAMES.labels(self.source, "failed").inc()

    @property
    def fps(self) -> float:
        """Results in a second, lately."""
        now = time.monotonic()
        counted = sum(now - moment <= WINDOW_S for moment in [*self._times])
        return round(counted / min(WINDOW_S, max(1.0, now - self._started)), 1)

    def open(self) -> None:
        """From now on it is one of ``open_streams``."""
        _open[self.number] = self

    def close(self) -> None:
        """It is no more."""
        _open.pop(self.number, None)


@contextmanager
def opened(source: Source, owner: Owner) -> Iterator[Stream]:
    """A stream that is one of ``open_streams`` meanwhile."""
    stream = Stream(source, owner)
    stream.open()
    try:
        yield stream
    finally:
        stream.close()


def open_streams() -> list[Stream]:
    """Those there are now, the oldest first."""
    return [*_open.values()]
