"""Tracks and counts of a live camera, in memory that does not grow with time.

Everything is in shares of a frame's width and height, as frames may have several sizes.
"""

from collections import Counter
from typing import Any

import numpy as np

from ml_core.results import Detections
from ml_core.tracking.byte_track import ByteTracker
from ml_core.tracking.counting import LineCounter, ZoneCounter
from ml_core.tracking.regions import Region
from ml_core.tracking.tracks import MAX_OBJECTS, Path, places


class LiveTracks:
    """The tracks before one camera. Detections of at least ``score_threshold`` begin tracks."""

    def __init__(self, score_threshold: float) -> None:
        self.score_threshold = score_threshold
        self._tracker = ByteTracker(score_threshold)
        self._names: dict[int, str] = {}
        self._lines: list[tuple[LineCounter, Counter]] = []
        self._zones: list[tuple[ZoneCounter, Counter]] = []

    def set_regions(self, lines: list[Region], zones: list[Region]) -> None:
        """Count at these lines and zones, in shares of a frame's width and height.

        Those that there were before go on counting.
        """
        known_lines = {line.line: (line, counts) for line, counts in self._lines}
        known_zones = {zone.zone: (zone, counts) for zone, counts in self._zones}
        self._lines = [known_lines.get(tuple(x)) or (LineCounter(x), Counter()) for x in lines]
        self._zones = [known_zones.get(tuple(x)) or (ZoneCounter(x), Counter()) for x in zones]

    def update(
        self, found: Detections, time_s: float
    ) -> tuple[list[int | None], dict[str, Any] | None]:
        """Track the detections of the next frame; ``time_s`` is its time.

        Returns the track id of each, or None, and the counts if there are lines or zones: by class
        id since they were set, and the ``crossings`` in this frame.
        """
        tracked = found.detections[:MAX_OBJECTS]
        boxes = np.array([one.box for one in tracked], float).reshape(-1, 4)
        boxes /= np.array([*found.resolution_wh, *found.resolution_wh])
        scores = np.array([one.score for one in tracked])
        class_ids = np.array([one.class_id for one in tracked], int)
        _, ids = self._tracker.update(boxes, scores, class_ids, time_s)
        self._names |= {one.class_id: one.class_name for one in tracked}
        now_ms = round(time_s * 1000)
        paths = [
            Path(int(track_id), int(class_id), np.array([now_ms]), point[None], margin[None])
            for track_id, class_id, point, margin in zip(
                ids, class_ids, *places(boxes), strict=True
            )
            if track_id
        ]
        shown = [int(track_id) or None for track_id in ids]
        counts = self._counts(paths, now_ms) if self._lines or self._zones else None
        return shown + [None] * (len(found.detections) - len(tracked)), counts

    def _counts(self, paths: list[Path], now_ms: int) -> dict[str, Any]:
        live_ids = self._tracker.live_ids
        crossings = []
        for number, (line, crossed) in enumerate(self._lines):
            line.forget_except(live_ids)
            for path in paths:
                for one in line.extend(path):
                    crossed[one.class_id, one.direction] += 1
                    crossings.append(
                        {"line": number, **self._object(one), "direction": one.direction}
                    )
        for zone, entered in self._zones:
            zone.forget_except(live_ids)
            for path in paths:
                entered.update(visit.class_id for visit in zone.extend(path))
        return {
            "lines": [
                {
                    direction: {
                        str(class_id): count
                        for (class_id, way), count in crossed.items()
                        if way == direction
                    }
                    for direction in ("in", "out")
                }
                for _, crossed in self._lines
            ],
            "zones": [
                {
                    "now": _by_class(Counter(visit.class_id for visit in zone.open_visits)),
                    "entries": _by_class(entered),
                    "inside": [
                        {**self._object(visit), "dwell_s": (now_ms - visit.entered) / 1000}
                        for visit in zone.open_visits
                    ],
                }
                for zone, entered in self._zones
            ],
            "crossings": crossings,
        }

    def _object(self, tracked: Any) -> dict[str, Any]:
        class_id = tracked.class_id
        name = self._names[class_id]
        return {"track_id": tracked.track_id, "class_id": class_id, "class_name": name}


def _by_class(counts: Counter) -> dict[str, int]:
    """Counts by class id, which in JSON is a text."""
    return {str(class_id): count for class_id, count in counts.items()}
