import base64
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from ml_core.errors import ImageTooManyBytes, InvalidImage, UnsupportedImage
from ml_core.pictures.images import (
    ImageLimits,
    decode_base64,
    decode_image,
    read_picture,
    thumbnail_jpeg,
)

LIMITS = ImageLimits(max_bytes=10 * 2**20, max_pixels=25_000_000)


def encoded(picture: Image.Image, format_name: str = "PNG", **options) -> bytes:
    output = io.BytesIO()
    picture.save(output, format_name, **options)
    return output.getvalue()


def two_halves(mode: str = "RGB") -> Image.Image:
    """32 x 16 pixels: red on the left, green on the right."""
    picture = Image.new("RGB", (32, 16), (200, 40, 40))
    picture.paste((40, 160, 40), (16, 0, 32, 16))
    return picture.convert(mode)


def noise(size_wh: tuple[int, int]) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (*size_wh[::-1], 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("mode", "format_name"),
    [
        ("RGB", "PNG"),
        ("RGB", "JPEG"),
        ("RGB", "WEBP"),
        ("RGB", "BMP"),
        ("CMYK", "JPEG"),
        ("RGBA", "PNG"),
        ("P", "PNG"),
    ],
)
def test_every_kind_of_picture_becomes_the_same_rgb(mode, format_name):
    quality = {"quality": 100, "subsampling": 0} if format_name == "JPEG" else {}
    image = decode_image(encoded(two_halves(mode), format_name, **quality), LIMITS)

    assert image.shape == (16, 32, 3) and image.dtype == np.uint8
    assert np.abs(image[8, 4].astype(int) - (200, 40, 40)).max() < 16
    assert np.abs(image[8, 28].astype(int) - (40, 160, 40)).max() < 16


def test_progressive_jpeg_is_read():
    data = encoded(two_halves(), "JPEG", progressive=True)

    assert decode_image(data, LIMITS).shape == (16, 32, 3)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}])
def test_jpegs_have_the_pixels_that_pillow_decodes(mode, options):
    data = encoded(noise((97, 61)).convert(mode), "JPEG", **options)

    with Image.open(io.BytesIO(data)) as picture:
        assert (decode_image(data, LIMITS) == np.asarray(picture.convert("RGB"))).all()


@pytest.mark.parametrize(
    ("picture_wh", "input_wh", "decoded_wh"),
    [
        ((800, 640), (100, 80), (200, 160)),
        ((800, 640), (101, 80), (300, 240)),
        ((800, 640), (200, 160), (400, 320)),
        ((800, 640), (201, 160), (800, 640)),
        ((800, 640), (100, 161), (800, 640)),
        ((64, 64), (1, 1), (8, 8)),
        ((8, 8), (32, 32), (8, 8)),
    ],
)
def test_a_jpeg_is_decoded_to_twice_the_size_that_a_network_sees(picture_wh, input_wh, decoded_wh):
    data = encoded(noise(picture_wh), "JPEG")

    picture = read_picture(data, LIMITS, lambda size: input_wh)

    assert picture.image.shape == (*decoded_wh[::-1], 3)
    assert picture.resolution_wh == picture_wh


def test_a_smaller_jpeg_is_turned_like_the_whole_one():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(two_halves().resize((320, 160)), "JPEG", exif=exif)
    sizes = []

    picture = read_picture(data, LIMITS, lambda size: sizes.append(size) or (20, 40))

    assert sizes == [picture.resolution_wh] == [(160, 320)]
    assert picture.image.shape == (80, 40, 3)
    assert np.abs(picture.image[10, 20].astype(int) - (200, 40, 40)).max() < 16
    assert np.abs(picture.image[70, 20].astype(int) - (40, 160, 40)).max() < 16


def test_a_damaged_jpeg_is_decoded_as_by_pillow():
    data = bytearray(encoded(noise((64, 64)), "JPEG"))
    # A marker in the middle of the pixels.
    data[-200:-198] = b"\xff\xd5"

    with Image.open(io.BytesIO(data)) as picture:
        assert (decode_image(bytes(data), LIMITS) == np.asarray(picture)).all()


def test_bilevel_pictures_become_black_and_white():
    picture = Image.new("1", (16, 16), 1)

    assert (decode_image(encoded(picture), LIMITS) == 255).all()


def test_sixteen_bits_are_scaled_and_not_clipped():
    values = np.full((16, 16), 128 << 8, np.uint16)

    assert (decode_image(encoded(Image.fromarray(values)), LIMITS) == 128).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pictures_are_composited_on_white(mode):
    picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    options = {}
    if mode == "P":
        picture = Image.new("P", (16, 16), 0)
        options = {"transparency": 0}
    data = encoded(picture.convert(mode), **options)

    assert (decode_image(data, LIMITS) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    upright = two_halves()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation

    image = decode_image(encoded(stored, "PNG", exif=exif), LIMITS)

    np.testing.assert_array_equal(image, np.array(upright))


def test_an_empty_file_is_reported_as_empty():
    with pytest.raises(InvalidImage, match="0 bytes") as error:
        decode_image(b"", LIMITS)

    assert error.value.code == "empty_file"


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(Image.new("RGB", (16, 16)), "GIF"),
        encoded(Image.new("RGB", (16, 16)), "TIFF"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ],
)
def test_other_formats_are_unsupported_whatever_their_header(data):
    with pytest.raises(UnsupportedImage, match="JPEG, PNG, WEBP"):
        decode_image(data, LIMITS)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_truncated_picture_is_reported_as_truncated(format_name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), format_name)

    with pytest.raises(InvalidImage) as error:
        decode_image(data[: len(data) // 2], LIMITS)

    assert error.value.code == "image_truncated"


PHOTO = Image.effect_mandelbrot((200, 160), (-2, -1, 1, 1), 60).convert("RGB")
MODES = {
    "baseline": ("RGB", {}),
    "progressive": ("RGB", {"progressive": True}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
}


@pytest.mark.parametrize("missing_bytes", [1, 2, 30])
@pytest.mark.parametrize("mode", MODES)
def test_a_jpeg_without_its_last_bytes_is_decoded_and_marked_as_truncated(mode, missing_bytes):
    colours, options = MODES[mode]
    data = encoded(PHOTO.convert(colours), "JPEG", quality=90, **options)
    whole = read_picture(data, LIMITS)

    cut = read_picture(data[:-missing_bytes], LIMITS)

    assert (whole.is_truncated, cut.is_truncated) == (False, True)
    assert np.abs(cut.image[:140].astype(int) - whole.image[:140]).mean() < 3


def test_a_jpeg_may_lack_a_tenth_of_its_rows_and_not_one_more():
    """The missing rows are grey, as filled in by the decoder."""
    accepted, refused = (
        encoded(picture, "JPEG", quality=100)[:-2] for picture in (grey_below(144), grey_below(143))
    )

    assert read_picture(accepted, LIMITS).is_truncated
    with pytest.raises(InvalidImage, match="17 of its 160 rows are missing, at most 10%") as error:
        read_picture(refused, LIMITS)
    assert error.value.code == "image_truncated"


def grey_below(row: int) -> Image.Image:
    picture = PHOTO.convert("L").point(lambda value: min(value, 100))
    picture.paste(128, (0, row, 200, 160))
    return picture


def test_a_complete_jpeg_may_end_with_grey_rows_or_extra_bytes():
    assert not read_picture(encoded(grey_below(20), "JPEG"), LIMITS).is_truncated
    assert not read_picture(encoded(PHOTO, "JPEG") + b"more", LIMITS).is_truncated


@pytest.mark.parametrize(("place", "value"), [(30, 4), (30, 5), (28, 2), (14, 20)])
def test_an_unsupported_kind_of_bmp_is_not_reported_as_damaged(place, value):
    """With a JPEG or a PNG inside, of 2 bits a pixel, with an unknown header."""
    data = bytearray(encoded(two_halves("P"), "BMP"))
    data[place] = value

    with pytest.raises(UnsupportedImage, match="type of picture is not supported: .*BMP"):
        decode_image(bytes(data), LIMITS)


def bomb(side: int) -> bytes:
    """A PNG file of a few bytes that claims to have ``side`` x ``side`` pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(3 * side + 1) * 50)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [5001, 13_000, 20_000])
def test_a_picture_with_too_many_pixels_is_refused_before_decoding(side):
    data = bomb(side)
    tracemalloc.start()

    with pytest.raises(InvalidImage, match=f"{side} x {side} pixels") as error:
        decode_image(data, LIMITS)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.value.code == "image_too_large"
    assert peak_bytes < 5_000_000


def test_the_pixel_limit_itself_is_allowed():
    limits = ImageLimits(max_bytes=1000, max_pixels=16 * 16)

    assert decode_image(encoded(Image.new("RGB", (16, 16))), limits).shape == (16, 16, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (7, 100)])
def test_a_picture_that_is_too_small_is_refused(size):
    with pytest.raises(InvalidImage) as error:
        decode_image(encoded(Image.new("RGB", size)), LIMITS)

    assert error.value.code == "image_too_small"


@pytest.mark.parametrize("format_name", ["WEBP", "PNG"])
def test_animated_pictures_are_refused(format_name):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], format_name, save_all=True, append_images=frames[1:])

    with pytest.raises(InvalidImage) as error:
        decode_image(data, LIMITS)

    assert error.value.code == "animated_not_supported"


def test_the_first_picture_of_an_mpo_file_is_used():
    frames = [two_halves(), Image.new("RGB", (32, 16))]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])

    assert decode_image(data, LIMITS)[8, 4].max() > 150


def test_one_byte_above_the_limit_is_refused():
    data = encoded(Image.new("RGB", (16, 16)))

    decode_image(data, ImageLimits(len(data), 1000))
    with pytest.raises(ImageTooManyBytes, match="at most"):
        decode_image(data, ImageLimits(len(data) - 1, 1000))


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "data:image/svg+xml;base64,"])
def test_base64_and_data_urls_are_decoded(prefix):
    text = prefix + base64.b64encode(b"picture!").decode()

    assert decode_base64(text, LIMITS) == b"picture!"


def test_line_breaks_in_base64_are_ignored():
    assert decode_base64("cGlj\ndHVy\r\nZSE=", LIMITS) == b"picture!"


@pytest.mark.parametrize(
    "text",
    ["%%%", "cGljdHVyZSE", "data:text/html;base64,cGlj", "data:image/png,cGlj", "data:x", "ä"],
)
def test_invalid_base64_is_refused(text):
    with pytest.raises(InvalidImage) as error:
        decode_base64(text, LIMITS)

    assert error.value.code == "base64_invalid"


def test_too_much_base64_is_refused_before_decoding():
    with pytest.raises(ImageTooManyBytes):
        decode_base64("A" * 2000, ImageLimits(max_bytes=1000, max_pixels=1000))


@pytest.mark.parametrize(
    ("size_wh", "small_wh"),
    [((2000, 1000), (480, 240)), ((481, 300), (480, 299)), ((8, 4000), (1, 480)), ((9, 8), (9, 8))],
)
def test_a_thumbnail_is_never_larger_than_the_picture(size_wh, small_wh):
    picture = Image.new("RGB", size_wh, (10, 200, 30))

    small = Image.open(io.BytesIO(thumbnail_jpeg(picture)))

    assert (small.format, small.size) == ("JPEG", small_wh)
    assert max(abs(a - b) for a, b in zip(small.getpixel((0, 0)), (10, 200, 30), strict=True)) < 8
    assert picture.size == size_wh
