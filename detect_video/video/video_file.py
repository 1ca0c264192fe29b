"""Opens, checks and decodes an untrusted video file, inside the decoder process."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any, NoReturn

import av
import av.error

# PyAV imports these lazily, which fails once the process may not open files.
import av.subtitles.codeccontext
import av.subtitles.stream
from av.stream import Disposition

from ml_core.errors import gettext_noop

CODECS = {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg"}
AUDIO_CODECS = {"aac", "mp3", "opus", "vorbis", "flac", "ac3", "pcm_s16le", "pcm_s16be"}
CONTAINER_OPTIONS = {
    # By the names of decoders: FFmpeg probes streams with them while it opens the file.
    "codec_whitelist": ",".join({*CODECS, *AUDIO_CODECS, "libdav1d", "mp3float"}),
    "protocol_whitelist": "none",
    "enable_drefs": "0",
    "use_absolute_path": "0",
}
DEFAULT_RATE = Fraction(25)


class Refused(Exception):
    """The file is rejected: the code, the message and the values of a ``VisionError``."""

    def __init__(self, code: str, message: str, **values: Any) -> None:
        super().__init__(code, message, values)


class VideoFile:
    """An opened file with a checked header; counts damaged parts while decoding."""

    def __init__(self, format: str, limits: dict[str, Any]) -> None:
        sys.stdin.buffer.seek(0)
        self.container: Any = av.open(
            sys.stdin.buffer,
            format=format,
            io_open=refuse_to_open,
            metadata_errors="replace",
            container_options=CONTAINER_OPTIONS,
        )
        self.limits = limits
        self.most_frames = limits["video_seconds"] * (limits["video_fps"] + 1)
        self.damages = 0
        self.stream = video_stream(self.container)
        self.audio = audio_stream(self.container)
        self.rate = self.stream.average_rate or DEFAULT_RATE
        self.duration_s = duration_s(self.container, self.stream)
        self.start_us = to_us(self.stream.start_time or 0, self.stream)
        self.check_size(self.stream.width, self.stream.height)
        self.check_duration(self.duration_s or 0)
        self.check_rate()

    def check_size(self, width: int, height: int) -> None:
        longer, shorter = self.limits["video_longer_side"], self.limits["video_shorter_side"]
        if max(width, height) > longer or min(width, height) > shorter:
            raise Refused(
                "video_too_large",
                gettext_noop(
                    "The video has {width} x {height} pixels; at most {longer} x {shorter} are "
                    "accepted."
                ),
                width=width,
                height=height,
                longer=longer,
                shorter=shorter,
            )

    def check_duration(self, seconds: float) -> None:
        if seconds > self.limits["video_seconds"]:
            raise Refused(
                "video_too_long",
                gettext_noop(
                    "The video is {seconds:.1f} seconds long; at most {accepted} seconds are "
                    "accepted."
                ),
                seconds=seconds,
                accepted=self.limits["video_seconds"],
            )

    def check_rate(self) -> None:
        # The average rate of phone videos may be slightly above the nominal one.
        if self.rate > self.limits["video_fps"] + Fraction(1, 2):
            raise Refused(
                "video_too_many_fps",
                gettext_noop(
                    "The video has {rate:.1f} frames per second; at most {accepted} are accepted."
                ),
                rate=float(self.rate),
                accepted=self.limits["video_fps"],
            )

    def check_count(self, frames: int) -> None:
        """Enforce the limits on files whose header lacks the length or lies about it."""
        if frames > self.most_frames:
            raise Refused(
                "video_too_many_fps",
                gettext_noop("The video has more than the {accepted:,} frames that are accepted."),
                accepted=self.most_frames,
            )

    def packets(self, stream: Any) -> Iterator[Any]:
        """The stream's packets, ending with None or an empty one, which flushes the decoder."""
        try:
            for packet in self.container.demux(stream):
                if packet.is_corrupt:
                    self.damages += 1
                else:
                    yield packet
        except av.error.FFmpegError:
            self.damages += 1
            yield None

    def decoded(self, stream: Any) -> Iterator[Any]:
        """Decoded frames; damaged packets are skipped, except that MJPEG frames are kept."""
        stream.codec_context.thread_count = 1
        lenient: Any = None
        if codec_name(stream) == "mjpeg":
            # The MJPEG decoder reports damage only in this mode, which drops the frame.
            stream.codec_context.options = {"err_detect": "explode"}
            lenient = av.CodecContext.create("mjpeg", "r")
        for packet in self.packets(stream):
            try:
                yield from stream.codec_context.decode(packet)
            except MemoryError:
                raise
            except av.error.FFmpegError:
                self.damages += 1
                if lenient:
                    with suppress(av.error.FFmpegError):
                        yield from lenient.decode(packet)

    def frames(self) -> Iterator[tuple[int, Any]]:
        """Frames with strictly increasing timestamps in microseconds."""
        step_us = round(1_000_000 / self.rate)
        last_us: int | None = None
        end_us = self.start_us
        for count, frame in enumerate(self.decoded(self.stream), 1):
            self.check_size(frame.width, frame.height)
            self.check_count(count)
            pts_us = None if frame.pts is None else to_us(frame.pts, self.stream)
            if last_us is None:
                last_us = self.start_us if pts_us is None else pts_us
            elif pts_us is None or pts_us <= last_us:
                # AVI files may lack timestamps, damaged files may repeat them.
                last_us += step_us
            else:
                last_us = pts_us
            self.check_duration((last_us - self.start_us) / 1e6)
            self.damages += frame.is_corrupt
            end_us = last_us + max(step_us, to_us(frame.duration or 0, self.stream))
            yield last_us, frame
        missing_us = self.start_us + to_us(self.stream.duration or 0, self.stream) - end_us
        self.damages += missing_us > 2 * step_us


def refuse_to_open(url: str, flags: int, options: dict) -> NoReturn:
    raise Refused("unsupported_media_type", "The video refers to other files.")


def to_us(pts: int, stream: Any) -> int:
    return round(pts * stream.time_base * 1_000_000)


def video_stream(container: Any) -> Any:
    """The first video stream that is not cover art."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        codec = codec_name(stream)
        if codec not in CODECS:
            accepted = ", ".join(sorted(CODECS))
            raise Refused(
                "codec_not_supported",
                gettext_noop("Expected a video in one of {accepted}, received {codec}."),
                accepted=accepted,
                codec=codec,
            )
        return stream
    raise Refused("no_video_stream", "The file contains no video stream.")


def audio_stream(container: Any) -> Any:
    """The first audio stream with a supported codec, or None."""
    streams = (stream for stream in container.streams.audio if codec_name(stream) in AUDIO_CODECS)
    return next(streams, None)


def codec_name(stream: Any) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else "unknown codec"


def duration_s(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None
