"""Small test videos whose frames encode their number in black and white blocks.

The numbers survive compression, scaling and rotation; ``frame_number`` reads them back.
"""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ml_core.tests.toy_network import GREY

BITS = 16
SAMPLE_RATE = 48_000
Cells = dict[tuple[int, int], tuple[int, int, int]]


def numbered_picture(number: int, size_wh: tuple[int, int], cells: Cells | None = None):
    """A grey (H, W, 3) picture, its number in the lower third, least significant bit first.

    ``cells`` colours (column, row) cells of three by three, as the toy network sees them in a
    square picture; the rows 0 and 1 are free.
    """
    width, height = size_wh
    image = np.full((height, width, 3), GREY, np.uint8)
    for (column, row), colour in (cells or {}).items():
        rows = slice(row * height // 3, (row + 1) * height // 3)
        image[rows, column * width // 3 : (column + 1) * width // 3] = colour
    for bit in range(BITS):
        columns = slice(bit * width // BITS, (bit + 1) * width // BITS)
        image[2 * height // 3 :, columns] = 255 * (number >> bit & 1)
    return image


def frame_number(image: np.ndarray) -> int:
    """Decode the number from an upright (H, W, 3) ``numbered_picture``."""
    height, width = image.shape[:2]
    row = image[round(height * 0.8) : round(height * 0.9)].mean((0, 2))
    return sum(int(row[int((bit + 0.5) * width / BITS)] > 128) << bit for bit in range(BITS))


def write_clip(
    path: Path,
    *,
    frames: int = 30,
    size_wh: tuple[int, int] = (160, 120),
    rate: Fraction = Fraction(30),
    times_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxer_options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    rotation: int = 0,
    audio: str = "",
    cells: Callable[[int], Cells] | None = None,
) -> Path:
    """Write a video with ``frames`` pictures; the suffix of ``path`` chooses the container.

    ``times_ms`` makes the rate variable, ``aspect`` is the pixels' width by their height,
    ``rotation`` (clockwise degrees) is undone by players, ``audio`` names a codec for a tone.
    """
    with av.open(str(path), "w", options=muxer_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options={"g": "10", **(options or {})})
        stream.width, stream.height = size_wh if rotation % 180 == 0 else size_wh[::-1]
        stream.pix_fmt = pixel_format
        if times_ms:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        tone = container.add_stream(audio, rate=SAMPLE_RATE, layout="mono") if audio else None
        for number in range(frames):
            picture = numbered_picture(number, size_wh, cells(number) if cells else None)
            turned = np.ascontiguousarray(np.rot90(picture, rotation // 90))
            frame = av.VideoFrame.from_ndarray(turned, format="rgb24")
            frame.pts = times_ms[number] if times_ms else number
            frame.time_base = Fraction(1, 1000) if times_ms else 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone:
            container.mux(_tone(tone, float(frames / rate)))
    if rotation:
        _patch_rotation(path, rotation)
    return path


def write_tone(path: Path, duration_s: float = 1.0) -> Path:
    """Write a file with audio only."""
    with av.open(str(path), "w") as container:
        container.mux(
            _tone(container.add_stream("aac", rate=SAMPLE_RATE, layout="mono"), duration_s)
        )
    return path


def _tone(stream: av.AudioStream, duration_s: float) -> list[av.Packet]:
    times_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    samples = (8000 * np.sin(2 * np.pi * 440 * times_s)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    frame.time_base = Fraction(1, SAMPLE_RATE)
    return [*stream.encode(frame), *stream.encode(None)]


def _patch_rotation(path: Path, rotation: int) -> None:
    """Write a display matrix into the track header of an mp4, which PyAV's muxer cannot do."""
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[rotation]
    data = bytearray(path.read_bytes())
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = matrix
    path.write_bytes(data)


def trim_start(path: Path, trimmed_s: Fraction) -> Path:
    """Make the edit list of an mp4 skip the beginning."""
    data = bytearray(path.read_bytes())
    # The list's entry is a duration in the movie's time units and a start in the track's.
    entry = data.index(b"elst") + 12
    for start, box, sign in ((entry, b"mvhd", -1), (entry + 4, b"mdhd", 1)):
        timescale_start = data.index(box) + 16
        timescale = int.from_bytes(data[timescale_start : timescale_start + 4])
        value = int.from_bytes(data[start : start + 4]) + round(sign * trimmed_s * timescale)
        data[start : start + 4] = value.to_bytes(4)
    path.write_bytes(data)
    return path
