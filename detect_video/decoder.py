"""Decodes one video in a process of its own, so that a hostile file harms nobody else.

``decoding.py`` starts it as ``python -I decoder.py REQUEST`` with the file as its standard input.
It answers on its standard output with messages: a ``MESSAGE`` header and as many bytes as the
header says. Once it has started it can open nothing more: no file, no connection.
"""

import json
import resource
import struct
import sys
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import chain
from typing import Any, NoReturn

import av
import av.error

# PyAV loads these only when a file is opened, which is too late here.
import av.subtitles.codeccontext
import av.subtitles.stream
import numpy as np
from av.stream import Disposition

# Kind, time stamp in microseconds, width and height in pixels, number of bytes that follow.
MESSAGE = struct.Struct("<cqIII")
HEADER, FRAME, SKIPPED, AUDIO, END = b"H", b"F", b"S", b"A", b"E"

CODECS = {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg"}
AUDIO_CODECS = {"aac", "mp3", "opus", "vorbis", "flac", "ac3", "pcm_s16le", "pcm_s16be"}
CONTAINER_OPTIONS = {
    # Decoders by their own names; opening the file tries them already.
    "codec_whitelist": ",".join({*CODECS, *AUDIO_CODECS, "libdav1d", "mp3float"}),
    "protocol_whitelist": "none",
    "enable_drefs": "0",
    "use_absolute_path": "0",
}
JPEG_OPTIONS = {"qmin": "4", "qmax": "4"}
DEFAULT_RATE = Fraction(25)
MAX_SAMPLE_RATE = 48_000


class Refused(Exception):
    """The file is not accepted: the problem's code and its text."""


class Video:
    """The opened file, its header checked; counts the parts that turn out to be damaged."""

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
        self.damages = 0
        self.stream = video_stream(self.container)
        self.audio = audio_stream(self.container)
        self.rate = self.stream.average_rate or self.stream.guessed_rate or DEFAULT_RATE
        self.duration_s = duration_s(self.container, self.stream)
        self.start_us = to_us(self.stream.start_time or 0, self.stream)
        self.check_size(self.stream.width, self.stream.height)
        self.check_duration(self.duration_s or 0)
        self.check_rate()

    def check_size(self, width: int, height: int) -> None:
        longer, shorter = self.limits["video_longer_side"], self.limits["video_shorter_side"]
        if max(width, height) > longer or min(width, height) > shorter:
            received, accepted = f"{width} x {height} pixels", f"{longer} x {shorter}"
            refuse_above("video_too_large", received, accepted)

    def check_duration(self, seconds: float) -> None:
        if seconds > self.limits["video_seconds"]:
            accepted = f"{self.limits['video_seconds']} seconds"
            refuse_above("video_too_long", f"{seconds:.1f} seconds", accepted)

    def check_rate(self) -> None:
        # The mean rate of a phone's video may lie a little above the nominal one.
        if self.rate > self.limits["video_fps"] + Fraction(1, 2):
            received = f"{float(self.rate):.1f} frames per second"
            refuse_above("video_too_many_fps", received, str(self.limits["video_fps"]))

    def packets(self, stream: Any) -> Iterator[Any]:
        """The stream's packets; None or an empty one at the end."""
        try:
            for packet in self.container.demux(stream):
                self.damages += packet.is_corrupt
                yield packet
        except av.error.FFmpegError:
            self.damages += 1
            yield None

    def decoded(self, stream: Any) -> Iterator[Any]:
        """All that the decoder gives; what is damaged is left out."""
        stream.codec_context.thread_count = 1
        for packet in self.packets(stream):
            try:
                yield from stream.codec_context.decode(packet)
            except (av.error.InvalidDataError, av.error.EOFError):
                self.damages += 1

    def frames(self) -> Iterator[tuple[int, Any]]:
        """The frames with their time stamps in microseconds, which rise strictly."""
        step_us = round(1_000_000 / self.rate)
        last_us: int | None = None
        for frame in self.decoded(self.stream):
            self.check_size(frame.width, frame.height)
            pts_us = None if frame.pts is None else to_us(frame.pts, self.stream)
            if last_us is None:
                last_us = self.start_us if pts_us is None else pts_us
            elif pts_us is None or pts_us <= last_us:
                # AVI files may lack time stamps, damaged files may repeat them.
                last_us += step_us
            else:
                last_us = pts_us
            self.check_duration((last_us - self.start_us) / 1e6)
            yield last_us, frame


def refuse_above(code: str, received: str, accepted: str) -> NoReturn:
    raise Refused(code, f"The video has {received}; at most {accepted} are accepted.")


def refuse_to_open(url: str, flags: int, options: dict) -> NoReturn:
    raise Refused("unsupported_media_type", "The video refers to other files.")


def to_us(pts: int, stream: Any) -> int:
    return round(pts * stream.time_base * 1_000_000)


def video_stream(container: Any) -> Any:
    """The first stream of moving pictures; a cover picture is none."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        codec = codec_name(stream)
        if codec not in CODECS:
            accepted = ", ".join(sorted(CODECS))
            raise Refused("codec_not_supported", f"Expected one of {accepted}, received {codec}.")
        return stream
    raise Refused("no_video_stream", "The file holds no moving pictures.")


def audio_stream(container: Any) -> Any:
    """The first stream of sound that can be decoded, or None."""
    streams = (stream for stream in container.streams.audio if codec_name(stream) in AUDIO_CODECS)
    return next(streams, None)


def codec_name(stream: Any) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else "unknown codec"


def duration_s(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def upright_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height in square pixels, turned as players show them."""
    aspect = stream.sample_aspect_ratio or 1
    width, height = max(1, round(stream.width * aspect)), stream.height
    return (height, width) if quarter_turns(frame) % 2 else (width, height)


def quarter_turns(frame: Any) -> int:
    return round(frame.rotation / 90)


def upright_image(frame: Any, size_wh: tuple[int, int]) -> np.ndarray:
    """The frame as an upright (H, W, 3) uint8 RGB array of that size."""
    turns = quarter_turns(frame)
    width, height = size_wh[::-1] if turns % 2 else size_wh
    image = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    return np.ascontiguousarray(np.rot90(image, turns))


def jpeg(image: np.ndarray) -> bytes:
    height, width = image.shape[:2]
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    return b"".join(map(bytes, jpeg_encoder(width, height).encode(frame)))


@cache
def jpeg_encoder(width: int, height: int) -> Any:
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = 1 / DEFAULT_RATE
    encoder.options = JPEG_OPTIONS
    return encoder


def open_after(request: dict[str, Any]) -> tuple[Video, Iterator[tuple[int, Any]]]:
    """The video, and its frames from the beginning or from a key frame before what is wanted."""
    video = Video(request["format"], request["limits"])
    after_us = request["after_pts_us"]
    # An AVI file has no time stamps to seek by, only the decoding order.
    if after_us is not None and request["format"] != "avi":
        target = int(after_us / (video.stream.time_base * 1_000_000))
        video.container.seek(target, stream=video.stream)
        frames = video.frames()
        first = next(frames, None)
        if first and first[0] <= after_us:
            return video, chain([first], frames)
        # The seek went too far.
        video = Video(request["format"], request["limits"])
    return video, video.frames()


def send_frames(request: dict[str, Any]) -> Video:
    video, frames = open_after(request)
    after_us, jpeg_side = request["after_pts_us"], request["jpeg_side"]
    size_wh = None
    for pts_us, frame in frames:
        if not size_wh:
            size_wh = upright_size(frame, video.stream)
            video.check_size(*size_wh)
            send_info(video, size_wh)
            scale = min(1, jpeg_side / max(size_wh)) if jpeg_side else 1
            size_wh = max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))
        if after_us is not None and pts_us <= after_us:
            send(SKIPPED)
            continue
        image = upright_image(frame, size_wh)
        send(FRAME, jpeg(image) if jpeg_side else image, pts_us, *size_wh)
    if not size_wh:
        code = "video_unreadable" if video.damages else "no_video_frames"
        raise Refused(code, "Not one frame could be decoded.")
    return video


def send_info(video: Video, size_wh: tuple[int, int]) -> None:
    hint = video.stream.frames or round((video.duration_s or 0) * video.rate)
    info = {
        "width": size_wh[0],
        "height": size_wh[1],
        "rate": str(video.rate),
        "duration_s": video.duration_s,
        "frames_hint": hint,
        "codec": codec_name(video.stream),
        "has_audio": video.audio is not None,
    }
    send_json(HEADER, info)


def send_times(request: dict[str, Any]) -> Video:
    """All time stamps in microseconds, rising, without decoding."""
    video = Video(request["format"], request["limits"])
    times_us = [
        to_us(packet.pts, video.stream)
        for packet in video.packets(video.stream)
        if packet and packet.pts is not None and not packet.is_discard
    ]
    send_json(HEADER, {"times_us": sorted(times_us)})
    return video


def send_audio(request: dict[str, Any]) -> Video:
    """The sound as interleaved 16-bit samples in one or two channels."""
    video = Video(request["format"], request["limits"])
    if video.audio is None:
        raise Refused("no_audio_stream", "The video has no sound that can be decoded.")
    context = video.audio.codec_context
    rate, channels = min(context.sample_rate, MAX_SAMPLE_RATE), min(context.channels, 2)
    layout = "mono" if channels == 1 else "stereo"
    resampler: Any = av.AudioResampler(format="s16", layout=layout, rate=rate)
    send_json(HEADER, {"sample_rate": rate, "channels": channels})
    for frame in chain(video.decoded(video.audio), [None]):
        for block in resampler.resample(frame):
            pts_us = round((block.pts or 0) * block.time_base * 1_000_000)
            if pts_us - video.start_us > video.limits["video_seconds"] * 1_000_000:
                return video
            send(AUDIO, block.to_ndarray(), pts_us)
    return video


def send(kind: bytes, data: Any = b"", pts_us: int = 0, width: int = 0, height: int = 0) -> None:
    payload = memoryview(data).cast("B") if len(data) else b""
    sys.stdout.buffer.write(MESSAGE.pack(kind, pts_us, width, height, len(payload)))
    sys.stdout.buffer.write(payload)
    sys.stdout.buffer.flush()


def send_json(kind: bytes, content: dict[str, Any]) -> None:
    send(kind, json.dumps(content).encode())


def lock_down(limits: dict[str, Any]) -> None:
    """Give up the right to open anything, to write files, and to use much memory or time."""
    for kind, limit in {
        resource.RLIMIT_AS: limits["video_decode_bytes"],
        resource.RLIMIT_CPU: limits["video_decode_cpu_seconds"],
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        # What is open stays open.
        resource.RLIMIT_NOFILE: 0,
    }.items():
        resource.setrlimit(kind, (limit, limit))


def main() -> None:
    request = json.loads(sys.argv[1])
    lock_down(request["limits"])
    work = {"frames": send_frames, "times": send_times, "audio": send_audio}[request["mode"]]
    try:
        end: dict[str, Any] = {"damages": work(request).damages}
    except Refused as refused:
        end = {"error": refused.args}
    except MemoryError:
        end = {"error": ("video_too_large", "Decoding the video takes too much memory.")}
    # Damaged files make PyAV raise many kinds of errors.
    except Exception as exc:
        reason = getattr(exc, "strerror", None) or exc
        end = {"error": ("video_unreadable", f"The video is damaged or cut off ({reason}).")}
    send_json(END, end)


if __name__ == "__main__":
    main()
