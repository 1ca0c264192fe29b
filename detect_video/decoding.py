"""PLACEHOLDER until part A is merged."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np

from ml_core.errors import InvalidVideo


@dataclass(frozen=True)
class VideoInfo:
    width: int
    height: int
    rate: Fraction
    duration_s: float | None
    frames_hint: int
    codec: str
    has_audio: bool


@dataclass(frozen=True)
class VideoFrame:
    pts_us: int
    width: int
    height: int
    data: Any

    @property
    def image(self) -> np.ndarray:
        return np.frombuffer(self.data, np.uint8).reshape(self.height, self.width, 3)


class VideoReader:
    def __init__(
        self, path: Path, *, after_pts_us: int | None = None, jpeg_side: int | None = None
    ) -> None:
        try:
            self._container = av.open(str(path))
        except av.FFmpegError as exc:
            raise InvalidVideo("Not a video.") from exc
        self._after, self._jpeg = after_pts_us, jpeg_side
        stream = self._container.streams.video[0]
        self.info = VideoInfo(
            stream.width,
            stream.height,
            Fraction(stream.average_rate or 30),
            float(stream.duration * stream.time_base) if stream.duration else None,
            stream.frames,
            stream.name,
            bool(self._container.streams.audio),
        )
        self.truncated = ""
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed = True

    def __iter__(self) -> Iterator[VideoFrame]:
        return self

    def __next__(self) -> VideoFrame:
        if not hasattr(self, "_frames"):
            self._frames = self._decode()
        return next(self._frames)

    def _decode(self) -> Iterator[VideoFrame]:
        for frame in self._container.decode(video=0):
            if self.closed:
                return
            pts_us = round(frame.time * 1_000_000)
            if self._after is not None and pts_us <= self._after:
                continue
            if self._jpeg:
                import io

                output = io.BytesIO()
                frame.to_image().save(output, "JPEG")
                data: Any = output.getvalue()
            else:
                data = frame.to_ndarray(format="rgb24").tobytes()
            yield VideoFrame(pts_us, frame.width, frame.height, data)


def probe(path: Path) -> VideoInfo:
    with VideoReader(path) as reader:
        next(iter(reader))
        return reader.info
