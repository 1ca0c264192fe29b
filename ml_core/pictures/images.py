"""Decode and encode picture files. Pictures of users are opened only here.

Pillow reads and judges every file. The pixels of ordinary JPEGs are decoded by simplejpeg: they are
the same, in half the time.
"""

import base64
import binascii
import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, TiffTags, UnidentifiedImageError

from ml_core.errors import ImageTooManyBytes, InvalidImage, UnsupportedImage, gettext_noop

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
# The file name suffixes of these formats, in lower case.
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MIN_SIDE_PIXELS = 8
# The longer side of the thumbnails in lists.
THUMBNAIL_SIDE_PIXELS = 480

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
# How much larger than a network's input a JPEG is decoded. On coco128 enlarged to 12 MP, mAP@0.5 is
# then that of whole pictures or above; with less, it is up to 0.004 lower.
OVERSAMPLING = 2

# The share of rows that a JPEG may lack. With more missing, "nothing found" would be misleading.
MAX_MISSING_ROWS = 0.1

# The transposition that turns a picture of each EXIF orientation upright.
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# (width, height) in pixels.
Size = tuple[int, int]

# _check_resolution enforces the limit before decoding; Pillow would only warn.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class ImageLimits:
    """The largest accepted file in bytes and the largest accepted picture in pixels."""

    max_bytes: int
    max_pixels: int


@dataclass(frozen=True)
class Picture:
    """An upright, read-only (H, W, 3) uint8 RGB array, and whether its file is truncated.

    ``resolution_wh`` is the (width, height) of the picture in the file; ``image`` may be smaller.
    """

    image: np.ndarray
    resolution_wh: Size
    is_truncated: bool


def decode_image(data: bytes, limits: ImageLimits) -> np.ndarray:
    """Decode a picture file to its (H, W, 3) array; see ``read_picture``."""
    return read_picture(data, limits).image


def read_picture(
    data: bytes, limits: ImageLimits, size_in_input: Callable[[Size], Size] | None = None
) -> Picture:
    """Decode a picture file.

    Transparent pictures are composited on white, 16-bit pictures scaled to 8 bits, and pictures
    turned upright as a browser does. A JPEG may lack a tenth of its rows, which become grey.
    ``size_in_input`` tells from a (width, height) in which size a network sees the picture: a large
    JPEG is then decoded to a half, a quarter or an eighth, in a fraction of the time and memory.
    Raises ``InvalidImage``, ``UnsupportedImage`` or ``ImageTooManyBytes``, and nothing else.
    """
    check_size(len(data), limits)
    try:
        try:
            return _decode(data, limits, size_in_input)
        except OSError as exc:
            if str(exc).startswith("Unsupported"):
                raise UnsupportedImage(
                    gettext_noop(
                        "This type of picture is not supported: {reason}. Save it as PNG."
                    ),
                    reason=exc,
                ) from exc
            # With an end marker appended, the decoder fills in the missing rows of a JPEG.
            if not data.startswith(JPEG_START) or data.endswith(JPEG_END):
                raise
            return _decode(data + JPEG_END, limits, is_truncated=True)
    except (InvalidImage, UnsupportedImage):
        raise
    except UnidentifiedImageError as exc:
        raise UnsupportedImage(
            gettext_noop("This is not a picture in a supported format: {formats}."),
            formats=", ".join(FORMATS),
        ) from exc
    # Pillow's decoders raise exceptions of many types for damaged files.
    except Exception as exc:
        raise InvalidImage(
            gettext_noop("The picture is damaged or truncated: {reason}."),
            code="image_truncated",
            reason=exc,
        ) from exc


def _decode(
    data: bytes,
    limits: ImageLimits,
    size_in_input: Callable[[Size], Size] | None = None,
    *,
    is_truncated: bool = False,
) -> Picture:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        _check_resolution(picture, limits)
        orientation = _orientation(picture)
        resolution_wh = _upright_wh(picture.size, orientation)
        pixels = None
        if picture.format in ("JPEG", "MPO") and not is_truncated:
            least_wh = picture.size
            if size_in_input:
                width, height = _upright_wh(size_in_input(resolution_wh), orientation)
                least_wh = width * OVERSAMPLING, height * OVERSAMPLING
            pixels = _decode_jpeg(data, picture, least_wh)
        # Each copy of a large picture costs milliseconds: here is at most one.
        if pixels is None:
            picture.load()
            if is_truncated:
                _check_missing_rows(picture)
            pixels = np.asarray(_to_rgb(_upright(picture, orientation)))
        elif orientation in TRANSPOSITIONS:
            pixels = np.asarray(_upright(Image.fromarray(pixels), orientation))
        pixels.flags.writeable = False
        return Picture(pixels, resolution_wh, is_truncated)


def _decode_jpeg(data: bytes, header: Image.Image, least_wh: Size) -> np.ndarray | None:
    """The (H, W, 3) uint8 RGB pixels of an ordinary JPEG, not turned; None if it is not one.

    It is decoded to the smallest size of at least ``least_wh``, the whole or half of it and less.
    """
    if header.mode not in ("L", "RGB"):
        return None
    width, height = least_wh
    try:
        if simplejpeg.decode_jpeg_header(data)[:2] != header.size[::-1]:
            return None
        return simplejpeg.decode_jpeg(data, min_width=width, min_height=height, min_factor=2)
    except ValueError:
        # Damaged or unusual: Pillow accepts more, and says what is wrong.
        return None


def _check_missing_rows(picture: Image.Image) -> None:
    """Raise ``InvalidImage`` if too many rows of a JPEG are missing.

    The decoder fills missing rows with mid-grey.
    """
    rows = np.asarray(picture)
    filled_in = (np.abs(row.astype(int) - 128).max() <= 1 for row in rows[::-1])
    missing = len(list(takewhile(bool, filled_in)))
    if missing > MAX_MISSING_ROWS * len(rows):
        raise InvalidImage(
            gettext_noop(
                "The picture is truncated: {missing} of its {rows} rows are missing, at most "
                "{accepted:.0%} may be. Send the complete file."
            ),
            code="image_truncated",
            missing=missing,
            rows=len(rows),
            accepted=MAX_MISSING_ROWS,
        )


def picture_suffix(data: bytes) -> str:
    """The suffix for a picture file accepted by ``decode_image``, such as ``jpeg``."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        return (picture.format or "").lower()


def check_size(size_bytes: int, limits: ImageLimits) -> None:
    """Raise ``InvalidImage`` if the file is empty, ``ImageTooManyBytes`` if above the limit."""
    if not size_bytes:
        raise InvalidImage("The picture is empty (0 bytes).", code="empty_file")
    if size_bytes > limits.max_bytes:
        raise ImageTooManyBytes(
            gettext_noop("The picture has {size:,} bytes; at most {accepted:,} are accepted."),
            size=size_bytes,
            accepted=limits.max_bytes,
        )


def upright_wh(path: Path) -> tuple[int, int]:
    """The (width, height) in pixels of a picture file once decoded by ``decode_image``."""
    with Image.open(path, formats=FORMATS) as picture:
        return _upright_wh(picture.size, _orientation(picture))


def encode_jpeg(picture: Image.Image) -> bytes:
    """Encode an RGB picture as JPEG, without visible loss."""
    output = io.BytesIO()
    picture.save(output, "JPEG", quality=92)
    return output.getvalue()


def thumbnail_jpeg(picture: Image.Image) -> bytes:
    """Encode a thumbnail of an RGB picture as JPEG."""
    # Much faster in two steps: reduce() makes most of the picture smaller at almost no cost.
    small = picture.reduce(max(1, max(picture.size) // (2 * THUMBNAIL_SIDE_PIXELS)))
    small.thumbnail((THUMBNAIL_SIDE_PIXELS, THUMBNAIL_SIDE_PIXELS))
    output = io.BytesIO()
    small.save(output, "JPEG", quality=80)
    return output.getvalue()


def decode_base64(text: str, limits: ImageLimits) -> bytes:
    """Decode base64 text or an ``image/*`` data URL.

    Raises ``InvalidImage`` for invalid characters, wrong padding and other data URLs, and
    ``ImageTooManyBytes``, before decoding, for text that exceeds the limit.
    """
    if text.startswith("data:"):
        header, comma, text = text.partition(",")
        if not comma or not re.fullmatch(r"data:image/[\w.+-]+(;[\w=-]+)*;base64", header):
            raise InvalidImage(
                gettext_noop(
                    "Expected a data URL that starts with data:image/...;base64, received {header}."
                ),
                code="base64_invalid",
                header=repr(header[:60]),
            )
    text = "".join(text.split())
    # Four characters encode three bytes.
    if len(text) > (limits.max_bytes + 3) * 4 // 3:
        raise ImageTooManyBytes(
            gettext_noop("The picture may have at most {accepted:,} bytes."),
            accepted=limits.max_bytes,
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        wrong = re.search(r"[^A-Za-z0-9+/=]", text)
        if wrong:
            raise InvalidImage(
                gettext_noop("The base64 text contains {character}, which base64 does not use."),
                code="base64_invalid",
                character=repr(wrong[0]),
            ) from exc
        raise InvalidImage(
            gettext_noop(
                "The base64 text is cut off: expected a multiple of 4 characters, with = at the "
                "end where needed, received {length:,}."
            ),
            code="base64_invalid",
            length=len(text),
        ) from exc


def _check_resolution(picture: Image.Image, limits: ImageLimits) -> None:
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise InvalidImage(
            gettext_noop(
                "The picture has {width} x {height} pixels; at most {accepted:,} pixels are "
                "accepted. Resize it and try again."
            ),
            code="image_too_large",
            width=width,
            height=height,
            accepted=limits.max_pixels,
        )
    if min(width, height) < MIN_SIDE_PIXELS:
        raise InvalidImage(
            gettext_noop(
                "The picture has {width} x {height} pixels; each side needs at least {least}."
            ),
            code="image_too_small",
            width=width,
            height=height,
            least=MIN_SIDE_PIXELS,
        )
    # Phones save JPEGs that contain further pictures (MPO); the first is the picture itself.
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        raise InvalidImage(
            "The picture is animated; send a still picture.", code="animated_not_supported"
        )


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8, of a picture that is not loaded yet.

    As Chromium does, reads only a SHORT value in the EXIF of a JPEG, or in the EXIF before the
    pixels of a PNG, and ignores XMP and the EXIF of WebP.
    """
    if picture.format not in ("JPEG", "MPO", "PNG"):
        return 1
    tiff = picture.info.get("exif", b"").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4], "<")
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, place)
            if tag == ExifTags.Base.Orientation and kind == TiffTags.SHORT:
                return value if value in TRANSPOSITIONS else 1
    except struct.error:
        # The picture itself may be intact although its EXIF is damaged.
        pass
    return 1


def _upright_wh(size: Size, orientation: int) -> Size:
    """The size of a picture once it is turned upright, and the other way round."""
    width, height = size
    # Orientations from 5 on swap them.
    return (height, width) if orientation >= 5 else size


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    if orientation in TRANSPOSITIONS:
        return picture.transpose(TRANSPOSITIONS[orientation])
    return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        # 16-bit greyscale: Pillow's conversion clips all values above 255 to white.
        values = np.asarray(picture).astype(np.uint32)
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")
