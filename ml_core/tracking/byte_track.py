"""ByteTrack (Zhang et al. 2022): which detections of successive frames show the same object.

All live tracks are rows of one array, so that a frame takes a few dozen NumPy calls however many
objects it has. A Kalman filter with constant velocity predicts the centre of every box; its noise
is the same for both coordinates, so one 2 x 2 covariance per track serves them. Sizes grow fast and
shrink slowly: a box that becomes smaller is mostly that of an object which is being hidden, and
which moves on as before.
"""

import numpy as np

from ml_core.pictures.boxes import box_iou

# Frames in a row in which an object must be found before it counts.
CONFIRMATION_FRAMES = 3
# How long an object may be hidden and keep its id.
LOST_S = 1.0
# Least overlap of a predicted box with a detection, by stage of the association.
MIN_IOU = 0.15
MIN_LOW_IOU = 0.4
# Shares of the difference to a larger and to a smaller box by which an object's size changes.
GROWTH = 0.5
SHRINKAGE = 0.1
# Variance of a detected centre, and what a frame adds to those of position and velocity, in
# units of their variance at a track's start.
MEASUREMENT_NOISE = 0.1
PROCESS_NOISE = 0.01

TRACK = np.dtype(
    [
        ("centre", float, 2),
        ("size", float, 2),
        ("velocity", float, 2),
        # Variance of the position, covariance, variance of the velocity.
        ("covariance", float, 3),
        ("class_id", int),
        # Of the last detection, and frames since then.
        ("seen_s", float),
        ("misses", int),
        ("hits", int),
        ("serial", int),
        ("id", int),
    ]
)


class ByteTracker:
    """Assigns the detections of one frame after the other to tracks.

    Detections of at least ``score_threshold`` continue tracks and begin new ones; then those below
    continue the tracks that are left, such as those of objects that are half hidden. All
    detections of a track have one class.
    """

    def __init__(self, score_threshold: float) -> None:
        self._score_threshold = score_threshold
        self._tracks = np.empty(0, TRACK)
        self._last_serial = self._last_id = 0

    @property
    def live_ids(self) -> set[int]:
        """Ids of the confirmed tracks that have not ended, including those of hidden objects."""
        return set(self._tracks["id"].tolist()) - {0}

    def update(
        self, boxes_xyxy: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, time_s: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Assign the (N, 4), (N,) and (N,) detections of the frame at ``time_s`` seconds.

        Returns (N,) serial numbers of their tracks and (N,) track ids. Both count from 1; 0 is
        none. A track has its serial number from its first detection on, its id once it is
        confirmed.
        """
        self._predict()
        serials, ids = np.zeros((2, len(scores)), int)
        is_high = scores >= self._score_threshold
        high = np.flatnonzero(is_high)
        tracks, found = self._matches(
            np.arange(len(self._tracks)), high, boxes_xyxy, class_ids, MIN_IOU
        )
        if len(high) < len(scores) and len(tracks) < len(self._tracks):
            # Not those of hidden objects: faint background would continue them.
            is_left = self._tracks["misses"] == 1
            is_left[tracks] = False
            left, low = np.flatnonzero(is_left), np.flatnonzero(~is_high)
            more, faint = self._matches(left, low, boxes_xyxy, class_ids, MIN_LOW_IOU)
            tracks, found = np.concatenate([tracks, more]), np.concatenate([found, faint])
        if len(tracks):
            self._correct(tracks, boxes_xyxy[found], time_s)
            serials[found] = self._tracks["serial"][tracks]
            ids[found] = self._tracks["id"][tracks]
        self._end(time_s)
        new = high[serials[high] == 0]
        if len(new):
            serials[new] = self._begin(boxes_xyxy[new], class_ids[new], time_s)
        return serials, ids

    def _predict(self) -> None:
        """Move all tracks on by one frame."""
        tracks = self._tracks
        tracks["centre"] += tracks["velocity"]
        position, both, velocity = tracks["covariance"].T
        position += 2 * both + velocity + PROCESS_NOISE
        both += velocity
        velocity += PROCESS_NOISE
        tracks["misses"] += 1

    def _matches(
        self,
        tracks: np.ndarray,
        candidates: np.ndarray,
        boxes_xyxy: np.ndarray,
        class_ids: np.ndarray,
        min_iou: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pairs of tracks and detections, by index, with the largest sum of overlaps."""
        # Here, as it takes 50 MB of memory and a third of a second.
        from scipy.optimize import linear_sum_assignment

        if not (len(tracks) and len(candidates)):
            return tracks[:0], candidates[:0]
        centres, half = self._tracks["centre"][tracks], self._tracks["size"][tracks] / 2
        predicted = np.concatenate([centres - half, centres + half], axis=1)
        overlaps = box_iou(predicted, boxes_xyxy[candidates])
        is_same = self._tracks["class_id"][tracks][:, None] == class_ids[candidates]
        overlaps *= is_same & (overlaps >= min_iou)
        rows, columns = linear_sum_assignment(overlaps, maximize=True)
        is_match = overlaps[rows, columns] > 0
        return tracks[rows[is_match]], candidates[columns[is_match]]

    def _correct(self, rows: np.ndarray, boxes_xyxy: np.ndarray, time_s: float) -> None:
        """Update tracks with their detections, and confirm those found often enough."""
        tracks = self._tracks[rows]
        centres, sizes = _centres_and_sizes(boxes_xyxy)
        growth = sizes - tracks["size"]
        tracks["size"] += np.where(growth > 0, GROWTH, SHRINKAGE) * growth
        errors = centres - tracks["centre"]
        # What is seen may be any part of an object of its size.
        hidden = np.maximum(-growth, 0) / 2
        errors -= np.maximum(np.minimum(errors, hidden), -hidden)
        position, both, velocity = tracks["covariance"].T
        gain = position / (position + MEASUREMENT_NOISE)
        velocity_gain = both / (position + MEASUREMENT_NOISE)
        tracks["centre"] += gain[:, None] * errors
        tracks["velocity"] += velocity_gain[:, None] * errors
        velocity -= velocity_gain * both
        position *= 1 - gain
        both *= 1 - gain
        tracks["misses"] = 0
        tracks["seen_s"] = time_s
        tracks["hits"] += 1
        for row in np.flatnonzero((tracks["hits"] >= CONFIRMATION_FRAMES) & (tracks["id"] == 0)):
            self._last_id += 1
            tracks["id"][row] = self._last_id
        self._tracks[rows] = tracks

    def _end(self, time_s: float) -> None:
        """Remove tracks of objects that were hidden too long, or before they were confirmed."""
        tracks = self._tracks
        is_over = (tracks["misses"] > 1) & (time_s - tracks["seen_s"] > LOST_S)
        is_over |= (tracks["misses"] > 0) & (tracks["id"] == 0)
        if is_over.any():
            self._tracks = tracks[~is_over]

    def _begin(self, boxes_xyxy: np.ndarray, class_ids: np.ndarray, time_s: float) -> np.ndarray:
        """Begin a track with each detection, and return their serial numbers."""
        new = np.zeros(len(boxes_xyxy), TRACK)
        new["centre"], new["size"] = _centres_and_sizes(boxes_xyxy)
        new["class_id"] = class_ids
        new["covariance"] = 1, 0, 1
        new["seen_s"], new["hits"] = time_s, 1
        new["serial"] = self._last_serial + 1 + np.arange(len(new))
        self._last_serial += len(new)
        self._tracks = np.concatenate([self._tracks, new])
        return new["serial"]


def _centres_and_sizes(boxes_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centres (N, 2) and the widths and heights (N, 2) of (N, 4) boxes."""
    corners_min, corners_max = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    return (corners_min + corners_max) / 2, corners_max - corners_min
