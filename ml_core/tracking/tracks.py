"""Tracks of the objects in the frames of a video, from its detections alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ml_core.tracking.byte_track import ByteTracker

# Detections jitter: within this share of its box's longer side, an object is on a border that it
# crosses, rather than on one side of it.
MARGIN = 0.02
# Detections per frame that are tracked, those with the highest scores.
MAX_OBJECTS = 100


@dataclass(frozen=True)
class FrameDetections:
    """The detections in the first frames of a video, as arrays.

    ``pts_s`` are the (F,) timestamps of the frames, ``lengths`` (F,) their numbers of detections.
    The first ``MAX_OBJECTS`` detections of frame ``i`` are the rows ``offsets[i]`` to
    ``offsets[i + 1]`` of ``boxes_xyxy`` (N, 4) in pixels, ``scores`` (N,) and ``class_ids`` (N,);
    ``class_names`` are the names of these classes.
    """

    pts_s: np.ndarray
    lengths: np.ndarray
    offsets: np.ndarray
    boxes_xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    class_names: dict[int, str]

    @classmethod
    def none(cls) -> "FrameDetections":
        """No frames."""
        empty, whole = np.empty(0), np.empty(0, np.int32)
        boxes = np.empty((0, 4), np.float32)
        return cls(empty, whole, np.zeros(1, int), boxes, empty, whole, {})

    def __len__(self) -> int:
        return len(self.pts_s)

    @property
    def nbytes(self) -> int:
        arrays = self.pts_s, self.lengths, self.offsets
        return sum(
            array.nbytes for array in (*arrays, self.boxes_xyxy, self.scores, self.class_ids)
        )

    def extended(
        self, frames: Iterable[tuple[float, list[Mapping[str, Any]]]]
    ) -> "FrameDetections":
        """With more frames: the timestamp in seconds and the detections of each.

        A detection has ``box``, ``score``, ``class_id`` and ``class_name``; those with the highest
        scores come first.
        """
        times, found = zip(*frames, strict=True)
        flat = [detection for detections in found for detection in detections[:MAX_OBJECTS]]
        boxes = np.array([detection["box"] for detection in flat], np.float32).reshape(-1, 4)
        lengths = np.array([len(detections) for detections in found], np.int32)
        counts = np.cumsum(np.minimum(lengths, MAX_OBJECTS))
        return FrameDetections(
            np.append(self.pts_s, times),
            np.append(self.lengths, lengths),
            np.append(self.offsets, self.offsets[-1] + counts),
            np.concatenate([self.boxes_xyxy, boxes]),
            np.append(self.scores, [detection["score"] for detection in flat]),
            np.append(
                self.class_ids, np.array([detection["class_id"] for detection in flat], np.int32)
            ),
            self.class_names
            | {detection["class_id"]: detection["class_name"] for detection in flat},
        )


@dataclass(frozen=True)
class Path:
    """Where an object was seen: the middle of its box's bottom edge, in successive frames.

    ``frames`` (n,) are indexes, ``points`` (n, 2) x and y in pixels; within ``margins`` (n,), in
    pixels, of a border the object has not crossed it.
    """

    track_id: int
    class_id: int
    frames: np.ndarray
    points: np.ndarray
    margins: np.ndarray


def places(boxes_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ``points`` (N, 2) and ``margins`` (N,) of a path with these (N, 4) boxes in pixels."""
    x_min, y_min, x_max, y_max = boxes_xyxy.T
    points = np.stack([(x_min + x_max) / 2, y_max], axis=1)
    return points, MARGIN * np.maximum(x_max - x_min, y_max - y_min)


class VideoTracks:
    """The tracks in a video at a score threshold in [0, 1]; they grow with its frames."""

    def __init__(self, score_threshold: float) -> None:
        self._tracker = ByteTracker(score_threshold)
        self._frames = 0
        self._serials = np.empty(0, int)
        # By serial number; that of detections without a track is 0.
        self._ids = np.zeros(1, int)

    def extend(self, found: FrameDetections) -> np.ndarray:
        """Track the frames that are new, and return the (N,) track ids of all detections.

        Ids count from 1; 0 is none. The detections before an object is confirmed have its id, too.
        """
        serials, ids = [self._serials], [np.empty(0, int)]
        for frame in range(self._frames, len(found)):
            rows = slice(found.offsets[frame], found.offsets[frame + 1])
            of_frame = self._tracker.update(
                found.boxes_xyxy[rows],
                found.scores[rows],
                found.class_ids[rows],
                found.pts_s[frame],
            )
            serials.append(of_frame[0])
            ids.append(of_frame[1])
        self._frames = len(found)
        before = len(self._serials)
        self._serials, new_ids = np.concatenate(serials), np.concatenate(ids)
        known = np.zeros(self._serials.max(initial=0) + 1, int)
        known[: len(self._ids)] = self._ids
        known[self._serials[before:][new_ids > 0]] = new_ids[new_ids > 0]
        self._ids = known
        return known[self._serials]


def paths(found: FrameDetections, track_ids: np.ndarray) -> list[Path]:
    """The paths of all tracks, by id; ``track_ids`` (N,) are those of the detections."""
    tracked = np.flatnonzero(track_ids)
    # Stable: the detections of a track stay in the order of their frames.
    rows = tracked[np.argsort(track_ids[tracked], kind="stable")]
    frames = np.searchsorted(found.offsets, rows, side="right") - 1
    points, margins = places(found.boxes_xyxy[rows])
    ids, starts = np.unique(track_ids[rows], return_index=True)
    ends = np.append(starts, len(rows))[1:]
    class_ids = found.class_ids[rows]
    return [
        Path(track_id, int(class_ids[a]), frames[a:b], points[a:b], margins[a:b])
        for track_id, a, b in zip(ids.tolist(), starts, ends, strict=True)
    ]


def ids_by_frame(
    found: FrameDetections, track_ids: np.ndarray, from_frame: int = 0
) -> list[list[int | None]]:
    """The track ids (N,) of the detections in each frame from ``from_frame`` on; None is none."""
    names: list[int | None] = [None, *range(1, int(track_ids.max(initial=0)) + 1)]
    named = [names[track_id] for track_id in track_ids.tolist()]
    rows = pairwise(found.offsets[from_frame:].tolist())
    return [
        named[first:end] + [None] * (length - (end - first))
        for (first, end), length in zip(rows, found.lengths[from_frame:].tolist(), strict=True)
    ]
