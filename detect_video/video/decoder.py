"""The decoder process: decodes one video in a sandboxed child process.

``reader.py`` starts it with the video as standard input and reads messages from its standard
output. Before parsing the file, it gives up the right to open files and connections.

It does without NumPy, the import of which would take as long as all others together.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from functools import cache
from importlib import import_module
from itertools import chain
from typing import Any

import av
import av.error
import av.filter
from av.video.reformatter import Interpolation, VideoReformatter

from detect_video.video.containers import missing_bytes
from detect_video.video.decoder_protocol import (
    AUDIO,
    END,
    FRAME,
    HEADER,
    MESSAGE,
    SKIPPED,
    TOO_MUCH_MEMORY,
)
from detect_video.video.video_file import DEFAULT_RATE, Refused, VideoFile, codec_name, to_us
from ml_core.errors import gettext_noop

JPEG_OPTIONS = {"qmin": "4", "qmax": "4"}
MAX_SAMPLE_RATE = 48_000
# Averages take half the time of the default. With half of the colours, which a small picture would
# get otherwise, detections are less accurate.
TO_SMALLER = Interpolation.AREA | Interpolation.FULL_CHR_H_INT
# Keeps what it has computed for the size of the frames.
reformatter = VideoReformatter()


def upright_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height in square pixels, after rotation."""
    aspect = stream.sample_aspect_ratio or 1
    width, height = max(1, round(stream.width * aspect)), stream.height
    return (height, width) if quarter_turns(frame) % 2 else (width, height)


def quarter_turns(frame: Any) -> int:
    return round(frame.rotation / 90)


def sent_size(size_wh: tuple[int, int], request: dict[str, Any]) -> tuple[int, int]:
    """Width and height to which upright frames of ``size_wh`` are scaled before they are sent."""
    width, height = size_wh
    if request["stretched_to"]:
        to_width, to_height = request["stretched_to"]
        return min(width, to_width), min(height, to_height)
    longer = max(size_wh)
    side = min(longer, request["side"] or longer)
    # In integers, as pictures are letterboxed.
    return max(1, width * side // longer), max(1, height * side // longer)


def upright_picture(frame: Any, size_wh: tuple[int, int]) -> Any:
    """The frame as an upright picture in RGB, a frame of size ``size_wh``."""
    turns = quarter_turns(frame)
    width, height = size_wh[::-1] if turns % 2 else size_wh
    is_larger = width > frame.width or height > frame.height
    is_smaller = not is_larger and (width, height) != (frame.width, frame.height)
    picture = reformatter.reformat(
        frame,
        width=width,
        height=height,
        format="rgb24",
        interpolation=TO_SMALLER if is_smaller else Interpolation.BICUBIC,
        threads=1,
    )
    if turns % 4:
        rotation = rotation_filter(width, height, turns % 4)
        rotation.vpush(picture)
        picture = rotation.vpull()
    return picture


@cache
def rotation_filter(width: int, height: int, turns: int) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24"), time_base=Fraction(1)
    )
    rotations = [graph.add("transpose", "cclock") for _ in range(turns)]
    graph.link_nodes(source, *rotations, graph.add("buffersink")).configure()
    return graph


def rgb(picture: Any) -> bytes:
    """The picture's pixels, without what pads its rows."""
    plane = picture.planes[0]
    pixels = memoryview(plane)
    starts = range(0, len(pixels), plane.line_size)
    return b"".join([pixels[start : start + 3 * picture.width] for start in starts])


def jpeg(picture: Any) -> bytes:
    encoder = jpeg_encoder(picture.width, picture.height)
    # The encoder numbers pictures without a time itself, in its own time base.
    picture.pts, picture.time_base = None, encoder.time_base
    return b"".join(map(bytes, encoder.encode(picture)))


@cache
def jpeg_encoder(width: int, height: int) -> Any:
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = 1 / DEFAULT_RATE
    encoder.options = JPEG_OPTIONS
    return encoder


def open_after(request: dict[str, Any]) -> tuple[VideoFile, Iterator[tuple[int, Any]]]:
    """Open the video; its frames begin at the start, or at a key frame before ``after_pts_us``."""
    video = VideoFile(request["format"], request["limits"])
    after_us = request["after_pts_us"]
    # AVI has no timestamps to seek by.
    if after_us is not None and request["format"] != "avi":
        with suppress(av.error.FFmpegError):
            target = int(after_us / (video.stream.time_base * 1_000_000))
            video.container.seek(target, stream=video.stream)
            frames = video.frames()
            first = next(frames, None)
            if first and first[0] <= after_us:
                return video, chain([first], frames)
        # The file is not seekable, or seeking overshot.
        video = VideoFile(request["format"], request["limits"])
    return video, video.frames()


def send_frames(request: dict[str, Any]) -> VideoFile:
    video, frames = open_after(request)
    after_us = request["after_pts_us"]
    size_wh = None
    for pts_us, frame in frames:
        if not size_wh:
            size_wh = upright_size(frame, video.stream)
            video.check_size(*size_wh)
            send_info(video, size_wh)
            size_wh = sent_size(size_wh, request)
        if after_us is not None and pts_us <= after_us:
            send(SKIPPED)
            continue
        picture = upright_picture(frame, size_wh)
        send(FRAME, jpeg(picture) if request["as_jpeg"] else rgb(picture), pts_us, *size_wh)
    if not size_wh:
        code = "video_unreadable" if video.damages else "no_video_frames"
        raise Refused(code, "No frame could be decoded.")
    return video


def send_info(video: VideoFile, size_wh: tuple[int, int]) -> None:
    hint = video.stream.frames or round((video.duration_s or 0) * video.rate)
    info = {
        "width": size_wh[0],
        "height": size_wh[1],
        "rate": str(video.rate),
        "duration_s": video.duration_s,
        "frames_hint": min(hint, video.most_frames),
        "codec": codec_name(video.stream),
        "has_audio": video.audio is not None,
    }
    send_json(HEADER, info)


def send_times(request: dict[str, Any]) -> VideoFile:
    """Send all timestamps in microseconds, sorted, without decoding."""
    video = VideoFile(request["format"], request["limits"])
    times_us = [
        to_us(packet.pts, video.stream)
        for packet in video.packets(video.stream)
        if packet and packet.pts is not None and not packet.is_discard
    ]
    send_json(HEADER, {"times_us": sorted(times_us)})
    return video


def send_audio(request: dict[str, Any]) -> VideoFile:
    """Send the audio as interleaved 16-bit samples, mono or stereo."""
    video = VideoFile(request["format"], request["limits"])
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
            send(AUDIO, bytes(block.planes[0])[: 2 * channels * block.samples], pts_us)
    return video


def send(kind: bytes, data: bytes = b"", pts_us: int = 0, width: int = 0, height: int = 0) -> None:
    sys.stdout.buffer.write(MESSAGE.pack(kind, pts_us, width, height, len(data)))
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def send_json(kind: bytes, content: dict[str, Any]) -> None:
    send(kind, json.dumps(content).encode())


def lock_down(limits: dict[str, Any]) -> None:
    """Give up the right to open or write files; limit memory and CPU time. Not on Windows.

    The parent process limits memory and CPU time as well, on every platform.
    """
    try:
        resource: Any = import_module("resource")
    except ImportError:
        return
    for kind, limit in {
        # Only after the parent should have killed this process.
        resource.RLIMIT_CPU: limits["video_decode_cpu_seconds"] + 60,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        # Files that are already open stay open.
        resource.RLIMIT_NOFILE: 0,
    }.items():
        resource.setrlimit(kind, (limit, limit))
    # macOS refuses a limit below the address space that every process has there.
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (limits["video_decode_bytes"],) * 2)


def main() -> None:
    request = json.loads(sys.argv[2])
    lock_down(request["limits"])
    work = {"frames": send_frames, "times": send_times, "audio": send_audio}[request["mode"]]
    end: dict[str, Any] = {}
    try:
        end["missing_bytes"] = missing_bytes(sys.stdin.buffer, request["format"])
        end["damages"] = work(request).damages
    except Refused as refused:
        end["error"] = refused.args
    except MemoryError:
        end["error"] = ("video_too_large", TOO_MUCH_MEMORY, {})
    # PyAV raises many types of errors for damaged files.
    except Exception as exc:
        reason = getattr(exc, "strerror", None) or exc
        message = gettext_noop("The video is damaged or truncated ({reason}).")
        end["error"] = ("video_unreadable", message, {"reason": str(reason)})
    send_json(END, end)
