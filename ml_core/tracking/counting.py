"""Crossings of lines and visits of zones, from the paths of tracked objects.

The counters take paths whole or piece by piece, so that a video and a live camera count alike.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ml_core.tracking.tracks import Path


@dataclass(frozen=True)
class Crossing:
    """An object crossed a line: ``direction`` is "in" from its left to its right, else "out".

    Left and right are those of a viewer who looks from the line's first point to its second one.
    """

    frame: int
    track_id: int
    class_id: int
    direction: str


@dataclass
class Visit:
    """An object was in a zone from frame ``entered`` on.

    ``left`` is the frame in which it was seen outside again, or None if it was not; then ``seen``
    is the last frame in which it was seen at all.
    """

    track_id: int
    class_id: int
    entered: int
    seen: int
    left: int | None = None

    @property
    def end(self) -> int:
        """The first frame after the visit."""
        return self.seen + 1 if self.left is None else self.left


class LineCounter:
    """Finds crossings of a line: x1, y1, x2, y2 in pixels."""

    def __init__(self, line: Sequence[float]) -> None:
        self.line = tuple(line)
        self._start, end = np.array(line, float).reshape(2, 2)
        self._along = end - self._start
        self._length = float(np.hypot(*self._along))
        # By track: where it was last seen clearly on one side of the line.
        self._last: dict[int, np.ndarray] = {}

    def extend(self, path: Path) -> list[Crossing]:
        """The crossings on a path, which continues that with the same id."""
        is_clear = np.abs(self._distances(path.points)) > path.margins
        points, frames = path.points[is_clear], path.frames[is_clear]
        if not len(points):
            return []
        last = self._last.get(path.track_id, points[0])
        self._last[path.track_id] = points[-1]
        points = np.concatenate([last[None], points])
        sides = self._distances(points)
        crossings = []
        for i in np.flatnonzero((sides[:-1] > 0) != (sides[1:] > 0)):
            share = sides[i] / (sides[i] - sides[i + 1])
            where = points[i] + share * (points[i + 1] - points[i])
            if 0 <= (where - self._start) @ self._along <= self._length**2:
                direction = "in" if sides[i + 1] > 0 else "out"
                crossings.append(Crossing(int(frames[i]), path.track_id, path.class_id, direction))
        return crossings

    def forget_except(self, track_ids: Collection[int]) -> None:
        """Forget the tracks that have ended."""
        self._last = {key: self._last[key] for key in self._last.keys() & set(track_ids)}

    def _distances(self, points: np.ndarray) -> np.ndarray:
        """Signed distances of (n, 2) points from the line, positive on its right."""
        x, y = (points - self._start).T
        return (self._along[0] * y - self._along[1] * x) / self._length


class ZoneCounter:
    """Finds visits of a zone: the corners x1, y1, x2, y2, x3, y3, ... of a polygon in pixels."""

    def __init__(self, zone: Sequence[float]) -> None:
        self.zone = tuple(zone)
        self._corners = np.array(zone, float).reshape(-1, 2)
        # The visits that have not ended, by track; None where the object was seen outside.
        self._visits: dict[int, Visit | None] = {}

    @property
    def open_visits(self) -> list[Visit]:
        """The visits of the objects that are in the zone now."""
        return [visit for visit in self._visits.values() if visit]

    def extend(self, path: Path) -> list[Visit]:
        """The visits that begin on a path, which continues that with the same id.

        An object that first appears inside enters in that frame.
        """
        is_inside = self._is_inside(path.points)
        is_clear = self._distances(path.points) > path.margins
        if path.track_id not in self._visits:
            is_clear[0] = True
        visit = self._visits.get(path.track_id)
        begun = []
        frames, is_inside = path.frames[is_clear], is_inside[is_clear]
        for i in np.flatnonzero(np.diff(is_inside, prepend=visit is not None)):
            frame = int(frames[i])
            if visit:
                visit.left, visit = frame, None
            else:
                visit = Visit(path.track_id, path.class_id, frame, frame)
                begun.append(visit)
        if visit:
            visit.seen = int(path.frames[-1])
        self._visits[path.track_id] = visit
        return begun

    def forget_except(self, track_ids: Collection[int]) -> None:
        """Forget the tracks that have ended."""
        self._visits = {key: self._visits[key] for key in self._visits.keys() & set(track_ids)}

    def _is_inside(self, points: np.ndarray) -> np.ndarray:
        """Whether each of (n, 2) points is inside, by the even-odd rule."""
        x, y = points.T[:, :, None]
        x_1, y_1 = self._corners.T
        x_2, y_2 = np.roll(self._corners, -1, axis=0).T
        is_level = (y_1 > y) != (y_2 > y)
        rise = np.where(y_1 == y_2, 1, y_2 - y_1)
        is_right = x < x_1 + (y - y_1) * (x_2 - x_1) / rise
        return (is_level & is_right).sum(axis=1) % 2 == 1

    def _distances(self, points: np.ndarray) -> np.ndarray:
        """The distance of each of (n, 2) points from the zone's border."""
        edges = np.roll(self._corners, -1, axis=0) - self._corners
        offsets = points[:, None] - self._corners
        lengths = np.maximum((edges**2).sum(axis=1), 1e-9)
        shares = np.clip((offsets * edges).sum(axis=2) / lengths, 0, 1)
        return np.hypot(*np.moveaxis(offsets - shares[:, :, None] * edges, 2, 0)).min(axis=1)
