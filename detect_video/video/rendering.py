"""Renders a video with its detections to a file that common players support."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from detect_video.video.reader import AudioReader, VideoInfo, VideoReader, read_audio, read_times_us
from ml_core.pictures.drawing import draw_detections
from ml_core.pictures.track_drawing import Overlay
from ml_core.results import Detection
from web.storage.disk import durable_rename, fsync_file, make_folder

CODECS = {"mjpg": ".avi", "xvid": ".avi", "h264": ".mp4"}
ENCODERS = {"mjpg": "mjpeg", "xvid": "mpeg4", "h264": "libx264"}
ENCODER_OPTIONS = {
    "mjpg": {"qmin": "4", "qmax": "4"},
    # No B-frames: AVI has no timestamps to reorder them.
    "xvid": {"qmin": "4", "qmax": "4", "bf": "0"},
    "h264": {"crf": "20", "preset": "veryfast"},
}
SOUND_ENCODERS = {".avi": "pcm_s16le", ".mp4": "aac"}
# Output rate for a variable frame rate; a frame is at most half a step early or late.
MIN_RATE, MAX_RATE = 10, 60
# Timestamps of phones jitter; a deviation below one frame is not visible.
TOLERATED_FRAMES = 0.75
# Maximum drift of the audio before samples are dropped or silence is inserted.
SOUND_TOLERANCE_S = 0.1
REPORT_SIZE_EVERY_S = 1.0
Mux = Callable[[list[Any]], None]


def render_video(
    source: Path,
    target: Path,
    detections_by_pts_us: Callable[[int], Sequence[Detection]],
    *,
    codec: str,
    until_us: int | None = None,
    show_names: bool = True,
    show_scores: bool = True,
    language: str = "en",
    overlay_by_pts_us: Callable[[int], Overlay | None] = lambda pts_us: None,
    on_frame: Callable[[int], None] = lambda frames_done: None,
    on_size: Callable[[int], None] = lambda size_bytes: None,
) -> None:
    """Write ``source`` to ``target`` with boxes and labels drawn, and with its sound.

    ``codec`` is one of ``CODECS``. ``detections_by_pts_us`` is called once per frame. The output
    has a constant rate: frames of a source with a variable rate are repeated. ``until_us`` is the
    timestamp of the last frame. ``language`` is that of the class names, and
    ``overlay_by_pts_us`` returns what is drawn below the boxes. ``on_frame`` receives the
    number of frames done, ``on_size`` every second the number of bytes written; both may raise to
    stop. ``target`` is created atomically. Raises the errors of ``VideoReader``.
    """

    def drawn(reader: VideoReader) -> Iterator[tuple[int, np.ndarray]]:
        for frames_done, frame in enumerate(reader, 1):
            if until_us is not None and frame.pts_us > until_us:
                return
            picture = draw_detections(
                frame.image,
                detections_by_pts_us(frame.pts_us),
                show_names=show_names,
                show_scores=show_scores,
                language=language,
                overlay=overlay_by_pts_us(frame.pts_us),
            )
            yield frame.pts_us, np.asarray(picture)
            on_frame(frames_done)

    part = target.with_name(f"{target.name}.part")
    try:
        with VideoReader(source) as reader:
            times_us = read_times_us(source)
            rate, is_even = constant_rate(times_us, reader.info.rate)
            is_cut = until_us is not None and any(time_us > until_us for time_us in times_us)
            # Only now: deleting a rendering may remove an empty directory.
            make_folder(target.parent)
            pictures = drawn(reader) if is_even else in_slots(drawn(reader), rate)
            write_pictures(part, pictures, source, reader.info, rate, codec, is_cut, on_size)
        with part.open("rb+") as file:
            fsync_file(file)
        durable_rename(part, target)
    finally:
        part.unlink(missing_ok=True)


def constant_rate(times_us: Sequence[int], mean_rate: Fraction) -> tuple[Fraction, bool]:
    """The output rate, and whether each frame is shown exactly once at that rate.

    That is ``mean_rate`` or the measured rate if no frame is then ``TOLERATED_FRAMES`` or more
    early or late. Otherwise it is the rate of the shortest step, from ``MIN_RATE`` to
    ``MAX_RATE``, with frames repeated.
    """
    # Encoders reject larger denominators.
    mean_rate = mean_rate.limit_denominator(1001) or mean_rate
    if len(times_us) < 2 or times_us[-1] == times_us[0]:
        return mean_rate, True
    span_us = times_us[-1] - times_us[0]
    rate = Fraction((len(times_us) - 1) * 1_000_000, span_us).limit_denominator(1001)
    # The measured rate is off by rounded timestamps, the mean one by the last frame's duration.
    if abs(mean_rate / rate - 1) < 0.001:
        rate = mean_rate
    slots = [(time_us - times_us[0]) * rate / 1_000_000 for time_us in times_us]
    if all(abs(slot - index) < TOLERATED_FRAMES for index, slot in enumerate(slots)):
        return rate, True
    shortest_us = min(after - before for before, after in pairwise(times_us) if after > before)
    return Fraction(max(MIN_RATE, min(MAX_RATE, round(1_000_000 / shortest_us)))), False


def in_slots(
    pictures: Iterable[tuple[int, np.ndarray]], rate: Fraction
) -> Iterator[tuple[int, np.ndarray]]:
    """(timestamp, picture) at a constant rate; each is repeated until the next is due."""
    next_slot = 0
    start_us = 0
    previous: tuple[int, np.ndarray] | None = None
    for pts_us, image in pictures:
        if previous is None:
            start_us = pts_us
        else:
            while next_slot < round((pts_us - start_us) * rate / 1_000_000):
                yield previous
                next_slot += 1
        previous = pts_us, image
        yield previous
        next_slot += 1


def write_pictures(
    path: Path,
    pictures: Iterable[tuple[int, np.ndarray]],
    source: Path,
    info: VideoInfo,
    rate: Fraction,
    codec: str,
    is_cut: bool,
    on_size: Callable[[int], None],
) -> None:
    """Encode the pictures, interleaved with the audio of ``source``.

    If the video ``is_cut``, the audio ends with the pictures.
    """
    suffix = CODECS[codec]
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    with ExitStack() as stack:
        container = stack.enter_context(
            av.open(str(path), "w", format=suffix[1:], container_options=options)
        )
        stream = add_video_stream(container, codec, info, rate)
        mux = measured_mux(container, on_size)
        sound = None
        if info.has_audio:
            reader = stack.enter_context(read_audio(source))
            sound = Sound(container, reader, SOUND_ENCODERS[suffix], mux)
        for slot, (pts_us, image) in enumerate(pictures):
            if slot == 0 and sound:
                sound.start_us = pts_us
            mux(stream.encode(video_frame(image, slot, stream)))
            if sound:
                sound.write_until(float((slot + 1) / rate))
        mux(stream.encode())
        if sound:
            sound.finish(is_cut=is_cut)


def measured_mux(container: Any, on_size: Callable[[int], None]) -> Mux:
    """``container.mux`` that reports the bytes written so far to ``on_size``."""
    size_bytes = 0
    due = 0.0

    def mux(packets: list[Any]) -> None:
        nonlocal due, size_bytes
        size_bytes += sum(packet.size for packet in packets)
        container.mux(packets)
        if time.monotonic() >= due:
            on_size(size_bytes)
            due = time.monotonic() + REPORT_SIZE_EVERY_S

    return mux


def add_video_stream(container: Any, codec: str, info: VideoInfo, rate: Fraction) -> Any:
    stream = container.add_stream(ENCODERS[codec], rate=rate, options=ENCODER_OPTIONS[codec])
    stream.width, stream.height = info.width, info.height
    if codec == "h264":
        # 4:2:0 chroma needs even dimensions; video_frame pads the picture.
        stream.width, stream.height = info.width + info.width % 2, info.height + info.height % 2
    stream.pix_fmt = "yuvj420p" if codec == "mjpg" else "yuv420p"
    # AVI stores a frame per tick: with a finer time base, most of them would be empty.
    stream.time_base = stream.codec_context.time_base = 1 / rate
    if codec == "xvid":
        stream.codec_context.codec_tag = "XVID"
    return stream


def video_frame(image: np.ndarray, slot: int, stream: Any) -> av.VideoFrame:
    """The picture for a slot, its last row and column repeated where the size must be even."""
    missing = (stream.height - image.shape[0], stream.width - image.shape[1])
    if any(missing):
        image = np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame.pts, frame.time_base = slot, stream.codec_context.time_base
    return frame


class Sound:
    """Transcodes the source's audio in step with the pictures.

    ``start_us`` is the timestamp of the first picture.
    """

    def __init__(self, container: Any, reader: AudioReader, encoder: str, mux: Mux) -> None:
        self.start_us = 0
        self._mux = mux
        self._blocks = iter(reader)
        self._rate = reader.sample_rate
        self._layout = "mono" if reader.channels == 1 else "stereo"
        self._stream = container.add_stream(encoder, rate=self._rate, layout=self._layout)
        self._written = 0

    def write_until(self, time_s: float) -> None:
        """Encode audio up to ``time_s`` after the first picture."""
        while self._written < time_s * self._rate:
            block = next(self._blocks, None)
            if block is None:
                return
            self._write(*block)

    def finish(self, *, is_cut: bool) -> None:
        """Encode the rest, unless it ``is_cut``."""
        for block in () if is_cut else self._blocks:
            self._write(*block)
        self._mux(self._stream.encode(None))

    def _write(self, pts_us: int, samples: np.ndarray) -> None:
        late = round((pts_us - self.start_us) * self._rate / 1_000_000) - self._written
        if abs(late) > SOUND_TOLERANCE_S * self._rate or not self._written:
            silence = np.zeros((max(0, late), samples.shape[1]), np.int16)
            samples = np.concatenate([silence, samples[max(0, -late) :]])
        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(
            samples.reshape(1, -1), format="s16", layout=self._layout
        )
        frame.sample_rate, frame.pts = self._rate, self._written
        frame.time_base = Fraction(1, self._rate)
        self._mux(self._stream.encode(frame))
        self._written += len(samples)
