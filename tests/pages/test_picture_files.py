"""Tests that server and browser agree on the orientation of picture files."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Page

from ml_core.pictures.images import ImageLimits, decode_image

LIMITS = ImageLimits(max_bytes=10**7, max_pixels=10**7)
ORIENTATION = ExifTags.Base.Orientation
# XMP metadata as cameras and editors write it, with a rotation to the right.
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)

# The middle of each quarter as <img> shows it and as createImageBitmap, which pages shrink with,
# reads it; and the size.
SHOWN = """async ([base64, type]) => {
  const blob = await (await fetch(`data:${type};base64,${base64}`)).blob();
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  await image.decode();
  // It refuses files that are cut off.
  const bitmap = await createImageBitmap(blob).catch(() => image);
  return [[image, image.naturalWidth, image.naturalHeight], [bitmap, bitmap.width, bitmap.height]]
    .map(([source, width, height]) => {
      const ctx = new OffscreenCanvas(width, height).getContext("2d");
      ctx.drawImage(source, 0, 0);
      const at = (x, y) => [...ctx.getImageData(x, y, 1, 1).data.slice(0, 3)];
      const [left, right] = [width >> 2, (3 * width) >> 2];
      const [top, bottom] = [height >> 2, (3 * height) >> 2];
      const colours = [at(left, top), at(right, top), at(left, bottom), at(right, bottom)];
      return { size: [width, height], colours };
    });
}"""


def quarters() -> Image.Image:
    """A picture of 64 x 32 pixels with four quarters of different colours."""
    picture = Image.new("RGB", (64, 32), (200, 40, 40))
    picture.paste((40, 160, 40), (32, 0, 64, 16))
    picture.paste((40, 40, 200), (0, 16, 32, 32))
    picture.paste((200, 200, 200), (32, 16, 64, 32))
    return picture


def encoded(format_name: str, *, scale: int = 1, **options) -> bytes:
    output = io.BytesIO()
    quarters().resize((64 * scale, 32 * scale), Image.Resampling.NEAREST).save(
        output, format_name, **options
    )
    return output.getvalue()


def exif(orientation: int) -> Image.Exif:
    values = Image.Exif()
    values[ORIENTATION] = orientation
    return values


def exif_bytes(orientation: int, *, kind: int = 3) -> bytes:
    """The smallest TIFF with an orientation tag of the given type: 3 is SHORT, 4 is LONG."""
    value = struct.pack("<HH" if kind == 3 else "<I", *(orientation, 0)[: 5 - kind])
    return b"II*\0" + struct.pack("<IHHHI", 8, 1, ORIENTATION, kind, 1) + value + bytes(4)


def with_segments(*payloads: bytes) -> bytes:
    """A JPEG that begins with these APP1 segments."""
    jpeg = encoded("JPEG", quality=95)
    segments = (b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data for data in payloads)
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_chunk(kind: bytes, body: bytes, *, last: bool = False) -> bytes:
    """A PNG with an additional chunk before or after its pixels."""
    png = encoded("PNG")
    place = png.index(b"IEND") - 4 if last else png.index(b"IDAT") - 4
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return png[:place] + struct.pack(">I", len(body)) + kind + body + checksum + png[place:]


EXIF, XAP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
RAW_PROFILE = f"\nexif\n{len(EXIF) + 26:8d}\n{(EXIF + exif_bytes(6)).hex()}\n".encode()
FILES = {
    **{f"JPEG with EXIF {n}": encoded("JPEG", quality=95, exif=exif(n)) for n in range(10)},
    "JPEG with a long number in EXIF": with_segments(EXIF + exif_bytes(6, kind=4)),
    "JPEG with XMP": with_segments(XAP + XMP),
    "JPEG with EXIF and XMP": with_segments(EXIF + exif_bytes(3), XAP + XMP),
    "JPEG with XMP, then EXIF": with_segments(XAP + XMP, EXIF + exif_bytes(8)),
    "JPEG with EXIF twice": with_segments(EXIF + exif_bytes(6), EXIF + exif_bytes(8)),
    "JPEG with damaged EXIF": with_segments(EXIF + exif_bytes(6)[:12]),
    "JPEG with EXIF that is none": with_segments(EXIF + b"nothing"),
    **{f"PNG with EXIF {n}": encoded("PNG", exif=exif(n)) for n in range(1, 9)},
    "PNG with EXIF behind the pixels": with_chunk(b"eXIf", exif_bytes(6), last=True),
    "PNG with XMP": with_chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP),
    "PNG with EXIF as text": with_chunk(
        b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(RAW_PROFILE)
    ),
    "WEBP with EXIF": encoded("WEBP", lossless=True, exif=exif(6)),
    "WEBP with XMP": encoded("WEBP", lossless=True, xmp=XMP),
    "BMP": encoded("BMP"),
    # Chromium does not display the incomplete last blocks.
    "JPEG without its last bytes": encoded("JPEG", quality=95, scale=10)[:-3],
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", FILES)
def test_the_server_applies_the_orientation_like_the_browser(page: Page, name):
    data = FILES[name]

    image = decode_image(data, LIMITS).astype(int)

    media_type = f"image/{name.split()[0].lower()}"
    for shown in page.evaluate(SHOWN, [base64.b64encode(data).decode(), media_type]):
        height, width = image.shape[:2]
        rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
        colours = [image[row, column] for row in rows for column in columns]
        assert shown["size"] == [width, height]
        assert np.abs(np.array(colours) - shown["colours"]).max() < 30
