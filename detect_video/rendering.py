"""PLACEHOLDER until part A is merged."""

from collections.abc import Callable, Sequence
from pathlib import Path

from detect_video.decoding import VideoReader
from ml_core.results import Detection

CODECS = {"mjpg": ".avi", "xvid": ".avi", "h264": ".mp4"}


def render_video(
    source: Path,
    target: Path,
    detections_by_pts_us: Callable[[int], Sequence[Detection]],
    *,
    codec: str,
    show_names: bool,
    show_scores: bool,
    on_frame: Callable[[int], None],
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with VideoReader(source) as reader:
        for done, frame in enumerate(reader, start=1):
            detections_by_pts_us(frame.pts_us)
            on_frame(done)
    target.write_bytes(b"RIFF rendered")
