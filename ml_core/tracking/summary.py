"""What the tracks in a video say: how many objects, when, what they crossed and entered."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import ceil
from typing import Any

import numpy as np

from ml_core.tracking.counting import Crossing, LineCounter, Visit, ZoneCounter
from ml_core.tracking.regions import Region
from ml_core.tracking.tracks import FrameDetections, Path, paths

# Entries of a timeline, however long the video is.
MAX_STEPS = 1000


class Summary:
    """The tracks in a video; ``track_ids`` (N,) are those of its detections."""

    def __init__(self, found: FrameDetections, track_ids: np.ndarray) -> None:
        self._found = found
        self._paths = paths(found, track_ids)
        self._frames = len(found)
        self.step_frames = max(1, ceil(self._frames / MAX_STEPS))
        times = found.pts_s
        self._frame_s = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0

    @property
    def duration_s(self) -> float:
        """From the start of the first frame to the end of the last one."""
        return self._seconds(0, self._frames) if self._frames else 0.0

    def counts(self, lines: Iterable[Region], zones: Iterable[Region]) -> dict[str, Any]:
        """How many objects there are, when, and what they crossed and entered."""
        return {
            "duration_s": self.duration_s,
            "classes": self.classes(),
            "timeline_step_frames": self.step_frames,
            "lines": [self.line(line) for line in lines],
            "zones": [self.zone(zone) for zone in zones],
        }

    def tracks(self) -> list[dict[str, Any]]:
        """Each track with its first and last frame and the number of frames with the object."""
        return [
            {
                **self._object(path),
                "first_frame": int(path.frames[0]),
                "last_frame": int(path.frames[-1]),
                "first_s": self._time_s(path.frames[0]),
                "last_s": self._time_s(path.frames[-1]),
                "frames": len(path.frames),
            }
            for path in self._paths
        ]

    def classes(self) -> list[dict[str, Any]]:
        """By class: distinct objects, the longest stay, and how many are there over time."""
        by_class = defaultdict(list)
        for path in self._paths:
            by_class[path.class_id].append((int(path.frames[0]), int(path.frames[-1]) + 1))
        return [
            {
                **self._class(class_id),
                "objects": len(stays),
                "longest_stay_s": max(self._seconds(*stay) for stay in stays),
                "most_at_once": int(self._present(stays).max()),
                "timeline": self._timeline(stays),
            }
            for class_id, stays in sorted(by_class.items())
        ]

    def line(self, line: Region) -> dict[str, Any]:
        """The crossings of a line, x1, y1, x2, y2 in pixels, and their numbers by class."""
        counter = LineCounter(line)
        crossings = [crossing for path in self._paths for crossing in counter.extend(path)]
        numbers = Counter((crossing.class_id, crossing.direction) for crossing in crossings)
        return {
            "line": list(line),
            "crossings": [
                {
                    "frame_index": crossing.frame,
                    "pts_s": self._time_s(crossing.frame),
                    **self._object(crossing),
                    "direction": crossing.direction,
                }
                for crossing in sorted(crossings, key=lambda one: (one.frame, one.track_id))
            ],
            "counts": [
                {
                    **self._class(class_id),
                    "in": numbers[class_id, "in"],
                    "out": numbers[class_id, "out"],
                }
                for class_id in sorted({class_id for class_id, _ in numbers})
            ],
        }

    def zone(self, zone: Region) -> dict[str, Any]:
        """The visits of a zone, x1, y1, x2, y2, x3, y3, ... in pixels, also by class."""
        counter = ZoneCounter(zone)
        visits = [visit for path in self._paths for visit in counter.extend(path)]
        by_class = defaultdict(list)
        for visit in visits:
            by_class[visit.class_id].append((visit.entered, visit.end))
        return {
            "zone": list(zone),
            "entries": [
                {
                    "frame_index": visit.entered,
                    "pts_s": self._time_s(visit.entered),
                    "left_frame_index": visit.left,
                    "until_frame_index": visit.end,
                    "dwell_s": self._seconds(visit.entered, visit.end),
                    **self._object(visit),
                }
                for visit in sorted(visits, key=lambda one: (one.entered, one.track_id))
            ],
            "counts": [
                {
                    **self._class(class_id),
                    "entries": len(stays),
                    "most_at_once": int(self._present(stays).max()),
                    "mean_dwell_s": round(sum(dwells) / len(dwells), 3),
                    "longest_dwell_s": max(dwells),
                }
                for class_id, stays in sorted(by_class.items())
                if (dwells := [self._seconds(*stay) for stay in stays])
            ],
            "occupancy": self._timeline([(visit.entered, visit.end) for visit in visits]),
        }

    def _class(self, class_id: int) -> dict[str, Any]:
        return {"class_id": class_id, "class_name": self._found.class_names[class_id]}

    def _object(self, tracked: Path | Crossing | Visit) -> dict[str, Any]:
        return {"track_id": tracked.track_id, **self._class(tracked.class_id)}

    def _present(self, stays: Iterable[tuple[int, int]]) -> np.ndarray:
        """How many of the stays, from a frame to another (exclusive), each frame is part of."""
        changes = np.zeros(self._frames + 1, int)
        for first, end in stays:
            changes[first] += 1
            changes[end] -= 1
        return np.cumsum(changes)[:-1]

    def _timeline(self, stays: Iterable[tuple[int, int]]) -> list[int]:
        """The most at once within each step of ``step_frames``."""
        if not self._frames:
            return []
        starts = np.arange(0, self._frames, self.step_frames)
        return np.maximum.reduceat(self._present(stays), starts).tolist()

    def _time_s(self, frame: int) -> float:
        return round(float(self._found.pts_s[frame]), 3)

    def _seconds(self, first: int, end: int) -> float:
        """From the start of a frame to that of another one, or to the end of the last one."""
        times = self._found.pts_s
        end_s = times[end] if end < len(times) else times[-1] + self._frame_s
        return round(float(end_s - times[first]), 3)
