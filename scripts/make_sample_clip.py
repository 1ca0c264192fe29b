"""Makes static/samples/street.mp4: a camera that moves over the drawn street, as a loop.

python scripts/make_sample_clip.py
"""

import math
from pathlib import Path

import av
from PIL import Image

SAMPLES = Path(__file__).resolve().parent.parent / "static" / "samples"
SIZE_WH = 640, 360
FPS, SECONDS = 15, 6
# Centre and width of the view in pixels of the picture: all of it, the car, the bicycle, and back.
VIEWS = [(640, 470, 1240), (400, 520, 800), (880, 520, 800), (640, 470, 1240)]


def view_at(position: float) -> tuple[float, float, float, float]:
    """The visible part (left, upper, right, lower) at ``position``, from 0 to 1 of the clip."""
    leg, along = divmod(position * (len(VIEWS) - 1), 1)
    eased = (1 - math.cos(math.pi * along)) / 2
    before, after = VIEWS[int(leg)], VIEWS[int(leg) + 1]
    x, y, width = (a + (b - a) * eased for a, b in zip(before, after, strict=True))
    height = width * SIZE_WH[1] / SIZE_WH[0]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def make_clip(picture: Image.Image, path: Path) -> None:
    """Write the clip as H.264 that every browser plays, with its index first."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "26", "preset": "veryslow"}
        frames = FPS * SECONDS
        for number in range(frames):
            view = view_at(number / frames)
            shown = picture.resize(SIZE_WH, Image.Resampling.LANCZOS, box=view)
            container.mux(stream.encode(av.VideoFrame.from_image(shown)))
        container.mux(stream.encode())


if __name__ == "__main__":
    make_clip(Image.open(SAMPLES / "street.jpg").convert("RGB"), SAMPLES / "street.mp4")
