"""What is drawn into the frames of a video besides the boxes of its tracked objects."""

from bisect import bisect_right
from functools import partial

import numpy as np

from ml_core.errors import gettext_noop
from ml_core.pictures.track_drawing import Overlay
from ml_core.tracking.counting import LineCounter, ZoneCounter
from ml_core.tracking.regions import Region
from ml_core.tracking.tracks import FrameDetections, paths

# How far back a tail reaches.
TAIL_S = 1.0
LINE_TEXT = gettext_noop("in {entered}, out {left}")
ZONE_TEXT = gettext_noop("{now} inside")


class VideoOverlay:
    """Tails, lines and zones with the counts up to a frame; ``track_ids`` are of all detections.

    ``line_text`` and ``zone_text`` are patterns, such as translations of the constants here.
    """

    def __init__(
        self,
        found: FrameDetections,
        track_ids: np.ndarray,
        *,
        lines: list[Region],
        zones: list[Region],
        has_tails: bool = True,
        line_text: str = LINE_TEXT,
        zone_text: str = ZONE_TEXT,
    ) -> None:
        self._pts_s = found.pts_s
        self._paths = paths(found, track_ids)
        # By path: its first and its last frame.
        ends = [(path.frames[0], path.frames[-1]) for path in self._paths]
        self._first, self._last = np.array(ends, int).reshape(-1, 2).T
        self._has_tails = has_tails
        self._line_text, self._zone_text = line_text, zone_text
        self._lines = [(line, *self._crossings(line)) for line in lines]
        self._zones = [(zone, *self._visits(zone)) for zone in zones]

    def at(self, pts_s: float) -> Overlay:
        """The overlay of the frame at a timestamp in seconds."""
        frame = int(np.searchsorted(self._pts_s, pts_s, side="right")) - 1
        oldest = int(np.searchsorted(self._pts_s, pts_s - TAIL_S))
        tails = []
        # A hidden object keeps its tail while it is short.
        is_there = (self._first <= frame) & (self._last >= frame) & self._has_tails
        for path in map(self._paths.__getitem__, np.flatnonzero(is_there)):
            first, end = np.searchsorted(path.frames, [oldest, frame + 1])
            if end - first > 1:
                tails.append((path.track_id, path.points[first:end]))
        until = partial(bisect_right, x=frame)
        return Overlay(
            tails if self._has_tails else None,
            [
                (line, self._line_text.format(entered=until(entered), left=until(left)))
                for line, entered, left in self._lines
            ],
            [
                (zone, self._zone_text.format(now=until(begun) - until(over)))
                for zone, begun, over in self._zones
            ],
        )

    def _crossings(self, line: Region) -> tuple[list[int], list[int]]:
        """The frames in which objects came in, and those in which they went out, in order."""
        counter = LineCounter(line)
        crossings = [crossing for path in self._paths for crossing in counter.extend(path)]
        entered = sorted(one.frame for one in crossings if one.direction == "in")
        return entered, sorted(one.frame for one in crossings if one.direction == "out")

    def _visits(self, zone: Region) -> tuple[list[int], list[int]]:
        """The frames in which visits begin, and those in which they are over, in order."""
        counter = ZoneCounter(zone)
        visits = [visit for path in self._paths for visit in counter.extend(path)]
        return sorted(one.entered for one in visits), sorted(one.end for one in visits)
