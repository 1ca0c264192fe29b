"""Detects in the frames of a video while more of them are being read."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

from detect_video.errors import RunLost
from detect_video.video.reader import VideoFrame, VideoReader
from ml_core import engine
from ml_core.errors import Busy, InferenceTimeout, ModelLoading
from ml_core.results import Detections

# Frames at the model at one time, so that it never waits for one to be read or kept.
WINDOW_FRAMES = 4
RETRY_AFTER_S = 0.5

Found = tuple[VideoFrame, Detections]


def open_frames(path: Path, *, model: str, after_pts_us: int | None = None) -> VideoReader:
    """A video's frames for ``detect_frames``, from a file or from after a time stamp on.

    They are twice as large as the network's input at most: what is larger costs time to hand over
    and is not seen. Raises as ``VideoReader`` does, ``UnknownModel`` and ``ModelNotInstalled``.
    """
    side = 2 * max(engine.find("detection", model).input_wh)
    return VideoReader(path, after_pts_us=after_pts_us, side=side)


def wait_for_model(model: str, stop: Event) -> None:
    """Return when a model is loaded. Raises the ``VisionError`` that fits, or ``RunLost``."""
    while not stop.is_set():
        try:
            engine.wait_until_loaded("detection", model)
            return
        except ModelLoading:
            pass
    raise RunLost


def detect_frames(
    frames: Iterable[VideoFrame],
    *,
    resolution_wh: tuple[int, int],
    model: str,
    queue_key: str,
    stop: Event | None = None,
) -> Iterator[list[Found]]:
    """Yield every frame with its detections, in order, in lists of those that are ready.

    Boxes are in pixels of ``resolution_wh``, the video's own (width, height). ``model`` may be
    empty for the default; ``queue_key`` is whom the model's queue treats as one. A model that is
    busy, slow or being loaded is waited for. Raises the ``VisionError`` that fits, ``RunLost``
    after ``stop`` was set, or at the end of the process.
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
                # The whole process is ending.
                raise RunLost from exc
            if len(pending) == WINDOW_FRAMES or pending[0][1].done():
                yield _take_ready(pending)
        while pending:
            yield _take_ready(pending)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _take_ready(pending: deque[tuple[VideoFrame, "Future[Detections]"]]) -> list[Found]:
    """The first of ``pending``, waiting for it, and those after it that need no waiting."""
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
        except (Busy, InferenceTimeout, ModelLoading):
            stop.wait(RETRY_AFTER_S)
    raise RunLost
