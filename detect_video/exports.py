"""Exports a video's detections as JSON Lines, CSV or COCO, generated line by line."""

import csv
import io
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

from channels.db import database_sync_to_async

from detect_video.models import Video
from detect_video.services import stored_frames
from ml_core.results import Detection
from web.exports import category_id, coco_annotation

PAGE_FRAMES = 200

# Of each frame, the track ids of its detections, in their order.
TrackIds = list[list[int | None]]


def detections_of(frame: dict[str, Any]) -> list[Detection]:
    """The detections of a stored frame."""
    return [Detection(**{**item, "box": tuple(item["box"])}) for item in frame["detections"]]


class DetectionsByTime:
    """A video's stored detections after filtering, looked up by increasing timestamp."""

    def __init__(
        self,
        video: Video,
        score_threshold: float,
        hidden_classes: list[int],
        track_ids: TrackIds | None = None,
    ) -> None:
        self._video = video
        self._track_ids = track_ids
        self._score_threshold = score_threshold
        self._hidden_classes = set(hidden_classes)
        self._page: deque[dict[str, Any]] = deque()
        self._next_index = 0

    def __call__(self, pts_us: int) -> list[Detection]:
        """The detections shown at timestamp ``pts_us`` (µs); none if no frame is stored."""
        frame = self._first_not_before(pts_us)
        if frame is None or frame["pts_us"] != pts_us:
            return []
        return [
            found
            for found in detections_of(frame)
            if found.score >= self._score_threshold and found.class_id not in self._hidden_classes
        ]

    def _first_not_before(self, pts_us: int) -> dict[str, Any] | None:
        while True:
            while self._page and self._page[0]["pts_us"] < pts_us:
                self._page.popleft()
            if self._page:
                return self._page[0]
            page = stored_frames(self._video.pk, first=self._next_index, limit=PAGE_FRAMES)
            if not page:
                return None
            self._page.extend(with_track_ids(page, self._track_ids))
            self._next_index = page[-1]["frame_index"] + 1


def with_track_ids(
    frames: Iterable[dict[str, Any]], track_ids: TrackIds | None
) -> list[dict[str, Any]]:
    """Stored frames with the ``track_id`` of each detection; as they are without ``track_ids``.

    It is None for frames that were stored or replaced after the ids were computed.
    """
    if track_ids is None:
        return list(frames)
    tracked = []
    for frame in frames:
        ids = track_ids[frame["frame_index"]] if frame["frame_index"] < len(track_ids) else []
        if len(ids) != len(frame["detections"]):
            ids = [None] * len(frame["detections"])
        pairs = zip(frame["detections"], ids, strict=True)
        detections = [{**found, "track_id": track_id} for found, track_id in pairs]
        tracked.append({**frame, "detections": detections})
    return tracked


def jsonl_line(name: str, model: str, resolution_wh: tuple[int, int], frame: dict[str, Any]) -> str:
    """A stored frame as one line of JSON, with the name of its video as ``file``."""
    width, height = resolution_wh
    line = {
        "file": name,
        "model": model,
        "frame_index": frame["frame_index"],
        "pts_s": _seconds(frame),
        "image": {"width": width, "height": height},
        "detections": frame["detections"],
    }
    return json.dumps(line) + "\n"


async def jsonl_lines(video: Video, track_ids: TrackIds | None) -> AsyncIterator[str]:
    """Yield one line of JSON per frame."""
    async for frame in _frames(video, track_ids):
        yield jsonl_line(video.name, video.model, (video.width, video.height), frame)


async def csv_lines(video: Video, track_ids: TrackIds | None) -> AsyncIterator[str]:
    """Yield a CSV header and one line per detection; the last column is that of the tracks."""
    with_tracks = track_ids is not None
    header = "frame_index,pts_s,class_id,class_name,score,x_min,y_min,x_max,y_max"
    yield f"{header},track_id\n" if with_tracks else f"{header}\n"
    async for frame in _frames(video, track_ids):
        for found in detections_of(frame):
            line = io.StringIO()
            values = [found.class_id, found.class_name, found.score, *found.box]
            values += [found.track_id] if with_tracks else []
            table = csv.writer(line, lineterminator="\n")
            table.writerow([frame["frame_index"], _seconds(frame), *values])
            yield line.getvalue()


async def coco_lines(video: Video, track_ids: TrackIds | None) -> AsyncIterator[str]:
    """Yield a COCO dataset in which each frame is an image with id ``frame_index + 1``."""
    size = {"width": video.width, "height": video.height}
    yield '{"images": ['
    separator = "\n"
    end = 0
    async for frame in _frames(video, None):
        end = image_id = frame["frame_index"] + 1
        image = {"id": image_id, "file_name": f"{video.name}#{image_id:06}", **size}
        yield separator + json.dumps({**image, "pts_s": _seconds(frame)})
        separator = ",\n"
    categories: dict[int, str] = {}
    number = 0
    yield '\n], "annotations": ['
    separator = "\n"
    async for frame in _frames(video, track_ids):
        # Stored after the images were listed, so it has no entry there.
        if frame["frame_index"] == end:
            break
        for found in detections_of(frame):
            number += 1
            categories[category_id(found)] = found.class_name
            yield separator + json.dumps(
                coco_annotation(found, number, image_id=frame["frame_index"] + 1)
            )
            separator = ",\n"
    named = [{"id": key, "name": categories[key]} for key in sorted(categories)]
    yield '\n], "categories": ' + json.dumps(named) + "}\n"


async def _frames(video: Video, track_ids: TrackIds | None) -> AsyncIterator[dict[str, Any]]:
    """All stored results, fetched in pages so that no query stays open between them."""
    read = database_sync_to_async(stored_frames)
    first = 0
    while page := await read(video.pk, first=first, limit=PAGE_FRAMES):
        for frame in with_track_ids(page, track_ids):
            yield frame
        first = page[-1]["frame_index"] + 1


def _seconds(frame: dict[str, Any]) -> float:
    return round(frame["pts_us"] / 1_000_000, 6)
