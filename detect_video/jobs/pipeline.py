"""Runs detection on the frames of a video while more frames are being decoded."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

from detect_video.errors import RunLost
from detect_video.video.reader import VideoFrame, VideoReader
from ml_core import engine
from ml_core.catalog import selection
from ml_core.errors import Busy, InferenceTimeout
from ml_core.results import Detections

# Frames in flight, so that the model never waits for decoding or storage.
WINDOW_FRAMES = 4
RETRY_AFTER_S = 0.5

Found = tuple[VideoFrame, Detections]


def open_frames(path: Path, *, model: str, after_pts_us: int | None = None) -> VideoReader:
    """Open a video for ``detect_frames``, at its start or after a timestamp.

    Frames are scaled down to at most twice the network's input size: more pixels take time to
    transfer and do not change the detections. Raises the errors of ``VideoReader``,
    ``UnknownModel`` and ``ModelNotInstalled``.
    """
    side = 2 * max(selection.find("detection", model).input_wh)
    return VideoReader(path, after_pts_us=after_pts_us, side=side)


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
    model is busy or times out. Raises ``VisionError``, or ``RunLost`` when ``stop`` is
    set or the process exits.
    """
    stop = stop or Event()
    pending: deque[tuple[VideoFrame, Future[Detections]]] = deque()
    threads = ThreadPoolExecutor(WINDOW_FRAMES, thread_name_prefix="video")

    def detect(frame: VideoFrame) -> Detections:
        return _detect(frame, resolution_wh, model, queue_key, stop)

    try:
        for frame in frames:
            try:
                pending.append((frame, threads.submit(detect, frame)))
            except RuntimeError as exc:
                # submit() fails while the interpreter shuts down.
                raise RunLost from exc
            if len(pending) == WINDOW_FRAMES or pending[0][1].done():
                yield _take_ready(pending)
        while pending:
            yield _take_ready(pending)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _take_ready(pending: deque[tuple[VideoFrame, "Future[Detections]"]]) -> list[Found]:
    """Wait for the first of ``pending``; return it and those after it that are ready."""
    ready: list[Found] = []
    while pending and (not ready or pending[0][1].done()):
        frame, future = pending.popleft()
        ready.append((frame, future.result()))
    return ready


def _detect(
    frame: VideoFrame, resolution_wh: tuple[int, int], model: str, queue_key: str, stop: Event
) -> Detections:
    while not stop.is_set():
        try:
            return engine.detect(
                frame.image, model=model, original_wh=resolution_wh, queue_key=queue_key
            )
        except (Busy, InferenceTimeout):
            stop.wait(RETRY_AFTER_S)
    raise RunLost
