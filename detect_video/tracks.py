"""Tracks in a video from its stored detections, kept in memory for further questions about it."""

import json
from collections import OrderedDict
from contextlib import nullcontext
from fractions import Fraction
from threading import Lock
from typing import Any
from uuid import UUID

import numpy as np

from detect_video.models import FrameResult, Video
from ml_core.tracking.regions import Region
from ml_core.tracking.summary import Summary
from ml_core.tracking.table import to_csv
from ml_core.tracking.tracks import FrameDetections, VideoTracks, ids_by_frame

# Rows per query while results are loaded.
PAGE_FRAMES = 1000
# Of all kept videos together. The video that was asked about last is always kept.
KEPT_BYTES = 100 * 10**6
# Kept per video: those of the last few positions of the confidence slider.
KEPT_THRESHOLDS = 4

# Held while a video is tracked from its first frame on, which takes a second for 15,000 frames:
# several at a time would only slow down each other, and all other requests.
_computing = Lock()


class TrackedVideo:
    """The stored detections of a video as arrays, and its tracks at the last few thresholds."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.nbytes = 0
        self._clear(None)

    def _clear(self, first_pk: int | None) -> None:
        # Of the first frame's row; detecting again replaces the rows.
        self._first_pk = first_pk
        self._found = FrameDetections.none()
        self._tracks: OrderedDict[float, VideoTracks] = OrderedDict()

    def at(self, video: Video, score_threshold: float) -> tuple[FrameDetections, np.ndarray]:
        """The detections that are stored by now, and the track id of each (0: none)."""
        is_known = score_threshold in self._tracks
        with self.lock, nullcontext() if is_known else _computing:
            self._load(video)
            tracks = self._tracks.pop(score_threshold, None) or VideoTracks(score_threshold)
            self._tracks[score_threshold] = tracks
            if len(self._tracks) > KEPT_THRESHOLDS:
                self._tracks.popitem(last=False)
            ids = tracks.extend(self._found)
            self.nbytes = self._found.nbytes + 2 * ids.nbytes * len(self._tracks)
            return self._found, ids

    def _load(self, video: Video) -> None:
        """Load the results that are not loaded yet, or all if they have been replaced."""
        while True:
            first_pk = _first_pk(video)
            if first_pk is None or first_pk != self._first_pk:
                self._clear(first_pk)
            while page := _page(video, len(self._found)):
                self._found = self._found.extended(page)
            # Else they were replaced meanwhile.
            if _first_pk(video) == first_pk:
                return


_kept: OrderedDict[UUID, TrackedVideo] = OrderedDict()
_kept_lock = Lock()


def tracked(video: Video, score_threshold: float) -> tuple[FrameDetections, np.ndarray]:
    """The stored detections of a video, and the (N,) ids of their tracks (0: none).

    Detections of at least ``score_threshold``, in [0, 1], begin tracks.
    """
    if video.pk not in _kept:
        _forget_deleted()
    with _kept_lock:
        kept = _kept.pop(video.pk) if video.pk in _kept else TrackedVideo()
        _kept[video.pk] = kept
    answer = kept.at(video, score_threshold)
    with _kept_lock:
        while len(_kept) > 1 and sum(one.nbytes for one in _kept.values()) > KEPT_BYTES:
            _kept.popitem(last=False)
    return answer


def _forget_deleted() -> None:
    with _kept_lock:
        before = set(_kept)
    there = Video.objects.filter(pk__in=before).values_list("pk", flat=True)
    for pk in before.difference(there):
        with _kept_lock:
            _kept.pop(pk, None)


def tracks(video: Video, *, score_threshold: float, from_frame: int = 0) -> dict[str, Any]:
    """The tracks of a video, and the track ids of each frame from ``from_frame`` on."""
    found, ids = tracked(video, score_threshold)
    return {
        **_facts(video, score_threshold, found),
        "from_frame": from_frame,
        "tracks": Summary(found, ids).tracks(),
        "track_ids": ids_by_frame(found, ids, from_frame),
    }


def track_ids(video: Video, score_threshold: float) -> list[list[int | None]]:
    """Of each frame, the track ids of its detections, in their order."""
    return ids_by_frame(*tracked(video, score_threshold))


def counts(
    video: Video, *, score_threshold: float, lines: list[Region], zones: list[Region]
) -> dict[str, Any]:
    """How many objects there are in a video, when, and what they crossed and entered.

    Lines and zones are coordinates, x and y in turn, in pixels of the upright video.
    """
    found, ids = tracked(video, score_threshold)
    summary = Summary(found, ids)
    return {**_facts(video, score_threshold, found), **summary.counts(lines, zones)}


def counts_json(
    video: Video, *, score_threshold: float, lines: list[Region], zones: list[Region]
) -> str:
    """The ``counts`` as JSON."""
    answer = counts(video, score_threshold=score_threshold, lines=lines, zones=zones)
    return json.dumps(answer, indent=1) + "\n"


def counts_csv(
    video: Video, *, score_threshold: float, lines: list[Region], zones: list[Region]
) -> str:
    """The tracks and the ``counts`` as CSV."""
    summary = Summary(*tracked(video, score_threshold))
    return to_csv(summary.tracks(), summary.counts(lines, zones))


def _facts(video: Video, score_threshold: float, found: FrameDetections) -> dict[str, Any]:
    rate = float(Fraction(video.rate)) if video.rate else None
    return {
        "model": video.model,
        "score_threshold": score_threshold,
        "fps": rate and round(rate, 3),
        "frames": len(found),
    }


def _first_pk(video: Video) -> int | None:
    first = FrameResult.objects.filter(video=video, frame_index=0)
    return first.values_list("pk", flat=True).first()


def _page(video: Video, first: int) -> list[tuple[float, list]]:
    stored = FrameResult.objects.filter(video=video, frame_index__gte=first)
    rows = stored.order_by("frame_index").values_list("pts_us", "detections")[:PAGE_FRAMES]
    return [(pts_us / 1_000_000, detections) for pts_us, detections in rows]
