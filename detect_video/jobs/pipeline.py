"""Runs detection on the frames of a video while more frames are being decoded."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path
from threading import Event

from detect_video.errors import RunLost
from detect_video.video.reader import VideoFrame, VideoReader
from ml_core import engine, model_pool
from ml_core.catalog import selection
from ml_core.errors import Busy, InferenceTimeout
from ml_core.results import Detections

# Frames in flight, so that the model never waits for decoding or storage.
WINDOW_FRAMES = 4
RETRY_AFTER_S = 0.5
# How long to wait for what is being computed when the rest of a video is given up.
ABORT_S = 5

Found = tuple[VideoFrame, Detections]


def open_frames(path: Path, *, model: str, after_pts_us: int | None = None) -> VideoReader:
    """Open a video for ``detect_frames``, at its start or after a timestamp.

    Frames are scaled down to the size in which the network sees them. Raises the errors of
    ``VideoReader``, ``UnknownModel`` and ``ModelNotInstalled``.
    """
    spec = selection.find("detection", model)
    if spec.resizing == "letterbox":
        return VideoReader(path, after_pts_us=after_pts_us, side=max(spec.input_wh))
    return VideoReader(path, after_pts_us=after_pts_us, stretched_to=spec.input_wh)


def detect_frames(
    frames: Iterable[VideoFrame],
    *,
    resolution_wh: tuple[int, int],
    model: str,
    queue_key: str,
    stop: Event | None = None,
) -> Iterator[list[Found]]:
    """Yield lists of the frames that are ready, in order, each with its detections.

    Boxes are in pixels of ``resolution_wh``, the video's own (width, height). An empty ``model``
    selects the default; the model's queue is fair between ``queue_key`` values. Retries while the
    model is busy or times out. Raises ``VisionError``, or ``RunLost`` when ``stop`` is set.
    """
    stop = stop or Event()
    loaded = model_pool.loaded("detection", model)
    pending: deque[tuple[VideoFrame, engine.Submitted | None]] = deque()

    def submit(frame: VideoFrame) -> engine.Submitted | None:
        nonlocal loaded
        with suppress(Busy):
            submitted = engine.submit(
                frame.image, model=loaded, original_wh=resolution_wh, queue_key=queue_key
            )
            # Another one if the model was replaced meanwhile.
            loaded = submitted.prepared.model
            return submitted
        return None

    def detections(frame: VideoFrame, submitted: engine.Submitted | None) -> Detections:
        while not stop.is_set():
            if submitted:
                with suppress(Busy, InferenceTimeout):
                    return submitted.detections()
            stop.wait(RETRY_AFTER_S)
            submitted = submit(frame)
        raise RunLost

    def ready() -> list[Found]:
        """Wait for the first of ``pending``; return it and those after it that are done."""
        found: list[Found] = []
        while pending and (not found or _is_done(pending[0][1])):
            frame, submitted = pending.popleft()
            found.append((frame, detections(frame, submitted)))
        return found

    try:
        for frame in frames:
            pending.append((frame, submit(frame)))
            if len(pending) == WINDOW_FRAMES or _is_done(pending[0][1]):
                yield ready()
        while pending:
            yield ready()
    finally:
        left = [submitted.future for _, submitted in pending if submitted]
        # Those that are being computed: a process that ended meanwhile would be aborted.
        wait([future for future in left if not future.cancel()], ABORT_S)


def _is_done(submitted: engine.Submitted | None) -> bool:
    return bool(submitted and submitted.future.done())
