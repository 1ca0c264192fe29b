"""Reads videos through a sandboxed child process; nothing is decoded in this process.

``decoder.py`` is the program of the child.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
from django.conf import settings

from detect_video.errors import FileGone
from detect_video.video.containers import container_format
from detect_video.video.decoder_protocol import END, MESSAGE, SKIPPED, TOO_MUCH_MEMORY
from detect_video.video.watched_process import Exceeded, WatchedProcess
from ml_core.errors import InvalidVideo, UnsupportedVideo, VisionError, gettext_noop

# -I isolates the child from the working directory and environment; append only the project.
PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from detect_video.video import decoder; decoder.main()"
)
PROJECT_DIR = Path(__file__).parents[2]
ENVIRONMENT = {
    # Reuse the memory of the previous frame; this halves the system time.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**27),
    # Windows programs need it for random numbers.
    **{name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
}
POSTER_SIDE = 320
# Errors that may only be a consequence of a truncated file.
NOT_FOUND = {"no_video_stream", "no_video_frames", "codec_not_supported"}
UNSUPPORTED = {"unsupported_media_type", "codec_not_supported"}


@dataclass(frozen=True)
class VideoInfo:
    """Metadata known before the whole video is decoded.

    ``width`` and ``height`` are those of the upright picture in square pixels, ``rate`` is the
    average number of frames per second, ``frames_hint`` is 0 if the file does not state it.
    """

    width: int
    height: int
    rate: Fraction
    duration_s: float | None
    frames_hint: int
    codec: str
    has_audio: bool


@dataclass(frozen=True)
class VideoFrame:
    """One upright frame, (H, W, 3) uint8 RGB or JPEG, with the file's own timestamp."""

    pts_us: int
    width: int
    height: int
    data: bytearray

    @property
    def image(self) -> np.ndarray:
        """The (H, W, 3) uint8 RGB array; only without ``as_jpeg``."""
        return np.frombuffer(self.data, np.uint8).reshape(self.height, self.width, 3)


class Message(NamedTuple):
    """One message of the child."""

    kind: bytes
    pts_us: int
    width: int
    height: int
    data: bytearray


class Decoder:
    """The child process for one file; iterates over the messages after its header."""

    def __init__(self, path: Path, mode: str, **request: Any) -> None:
        self.truncated = ""
        with opened(path) as file:
            format = accepted_format(file)
            limits = {name: limit for name, limit in settings.LIMITS.items() if "video" in name}
            self._frame_pixels = limits["video_longer_side"] * limits["video_shorter_side"]
            parameters = {"mode": mode, "format": format, "limits": limits, **request}
            self._process = WatchedProcess(
                [sys.executable, "-I", "-c", PROGRAM, str(PROJECT_DIR), json.dumps(parameters)],
                stdin=file,
                env=ENVIRONMENT,
                memory_bytes=limits["video_decode_bytes"],
                cpu_seconds=limits["video_decode_cpu_seconds"],
            )

    @cached_property
    def header(self) -> dict[str, Any]:
        """Wait for the child's first message. Raises ``VisionError``."""
        try:
            message = next(self, None)
        except BaseException:
            self.close()
            raise
        if message is None:
            raise ValueError("The decoder was closed before it had opened the video.")
        return json.loads(message.data)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        """The next message. Raises ``VisionError`` if the child fails or times out."""
        message = self._receive()
        if message and message.kind != END:
            return message
        was_closed = self._process.is_closed
        self.close()
        if was_closed:
            raise StopIteration
        if not message:
            raise self._death()
        self._conclude(**json.loads(message.data))
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the child. Thread-safe and idempotent."""
        self._process.close()

    def _receive(self) -> Message | None:
        """The child's next message, or None if it has exited."""
        deadline_s = time.monotonic() + settings.LIMITS["video_frame_seconds"]
        header = self._process.read(MESSAGE.size, deadline_s)
        if header is None:
            return None
        kind, pts_us, width, height, data_bytes = MESSAGE.unpack(header)
        # A compromised child must not make this process allocate without limit.
        if data_bytes > 3 * self._frame_pixels:
            return None
        data = self._process.read(data_bytes, deadline_s)
        return None if data is None else Message(kind, pts_us, width, height, data)

    def _conclude(
        self, missing_bytes: int = 0, damages: int = 0, error: tuple[str, str, dict] | None = None
    ) -> None:
        """Raise the child's error, or record what was missing or damaged."""
        cut_off = f"The file is truncated: {missing_bytes:,} bytes are missing."
        if error:
            code, message, values = error
            if missing_bytes and code in NOT_FOUND:
                code, values = "video_unreadable", {"missing": missing_bytes}
                message = gettext_noop(
                    "The file is truncated: {missing:,} bytes are missing. Upload it again."
                )
            kind = UnsupportedVideo if code in UNSUPPORTED else InvalidVideo
            raise kind(message, code=code, **values)
        notes = [cut_off] if missing_bytes else []
        if damages:
            notes.append(f"Damaged or missing parts: {damages}.")
        self.truncated = " ".join(notes)

    def _death(self) -> VisionError:
        """The error for a child that exited without an END message."""
        status = self._process.wait()
        match self._process.exceeded:
            case Exceeded.TIME:
                detail = gettext_noop(
                    "Decoding the video takes too long. Convert it to H.264 in an mp4 file."
                )
                return InvalidVideo(detail, code="decode_timeout")
            case Exceeded.MEMORY:
                return InvalidVideo(TOO_MUCH_MEMORY, code="video_too_large")
        return InvalidVideo(f"The video is damaged; its decoder stopped ({status}).")


def opened(path: Path) -> BinaryIO:
    """Open the file for reading. Raises ``FileGone`` if it does not exist."""
    try:
        return path.open("rb")
    except FileNotFoundError as exc:
        raise FileGone from exc


def accepted_format(file: BinaryIO) -> str:
    """The file's container format. Raises ``InvalidVideo`` or ``UnsupportedVideo``."""
    format = container_format(file)
    if format:
        return format
    if not file.seek(0, os.SEEK_END):
        raise InvalidVideo("The video is empty (0 bytes).", code="empty_file")
    raise UnsupportedVideo(gettext_noop("Expected a video file: mp4, mov, mkv, webm or avi."))


class VideoReader:
    """Iterates over a video's frames, with strictly increasing timestamps; a context manager.

    ``after_pts_us`` skips frames up to that timestamp; ``side`` scales frames down to at most that
    many pixels on the longer side, ``stretched_to`` to at most that (width, height) without keeping
    the aspect ratio; ``as_jpeg`` encodes them. Entering the context waits for ``info``, which has
    the full size; ``truncated`` is set at the end, "" for an undamaged file.
    Entering and iterating raise ``InvalidVideo`` or ``UnsupportedVideo``. The constructor does not
    wait for the child, so the reader can be closed while the child opens the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        after_pts_us: int | None = None,
        side: int | None = None,
        stretched_to: tuple[int, int] | None = None,
        as_jpeg: bool = False,
    ) -> None:
        self._decoder = Decoder(
            path,
            "frames",
            after_pts_us=after_pts_us,
            side=side,
            stretched_to=stretched_to,
            as_jpeg=as_jpeg,
        )

    @cached_property
    def info(self) -> VideoInfo:
        """The video's metadata; waits until the child has opened the file."""
        header = self._decoder.header
        return VideoInfo(**{**header, "rate": Fraction(header["rate"])})

    @property
    def truncated(self) -> str:
        """What was missing or damaged, for display; set at the end of iteration."""
        return self._decoder.truncated

    def __iter__(self) -> Iterator[VideoFrame]:
        # The header precedes the frames.
        _ = self._decoder.header
        for message in self._decoder:
            if message.kind != SKIPPED:
                yield VideoFrame(*message[1:])

    def close(self) -> None:
        """Kill the child, which ends the iteration. Thread-safe."""
        self._decoder.close()

    def __enter__(self) -> Self:
        _ = self.info
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AudioReader:
    """Iterates over a video's audio: (timestamp in microseconds, (N, channels) int16 samples)."""

    def __init__(self, path: Path) -> None:
        self._decoder = Decoder(path, "audio")
        self.sample_rate: int = self._decoder.header["sample_rate"]
        self.channels: int = self._decoder.header["channels"]

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for message in self._decoder:
            samples = np.frombuffer(message.data, np.int16)
            yield message.pts_us, samples.reshape(-1, self.channels)


def probe(path: Path) -> tuple[VideoInfo, bytes]:
    """The metadata of a video, and its first frame as a small JPEG.

    Raises the errors of ``VideoReader``.
    """
    with VideoReader(path, side=POSTER_SIDE, as_jpeg=True) as reader:
        return reader.info, bytes(next(iter(reader)).data)


@contextmanager
def read_audio(path: Path) -> Iterator[AudioReader]:
    """Open the audio of a video. Raises the errors of ``VideoReader``, also if there is none."""
    reader = AudioReader(path)
    with reader._decoder:
        yield reader


def read_times_us(path: Path) -> list[int]:
    """The timestamps of all frames according to the container, without decoding."""
    with Decoder(path, "times") as decoder:
        return decoder.header["times_us"]
