"""Draw detections on a picture with Pillow; the browser draws them the same way on a canvas."""

import colorsys
import math
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pylopdf_fonts_zh_cn import sans_path

from ml_core.labels import shown_name
from ml_core.pictures.label_places import LabelLayout, place_labels
from ml_core.pictures.track_drawing import Overlay, draw_overlay
from ml_core.results import Detection

# Stepping the hue by the golden ratio keeps the colours of consecutive classes distinct.
GOLDEN_RATIO = 0.618033988749895
UNTRACKED_COLOUR = (128, 128, 128)
Colour = tuple[int, int, int]
# The first code point of East Asian scripts, which Pillow's default font lacks.
FIRST_EAST_ASIAN = "\u2e80"


def class_colour(class_id: int) -> Colour:
    """The (red, green, blue) colour of a class, the same in every picture and on every page."""
    hue = (class_id * GOLDEN_RATIO) % 1
    red, green, blue = colorsys.hls_to_rgb(hue, 0.5, 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


def text_colour(background: Colour) -> Colour:
    """Black or white, whichever contrasts with ``background`` (ITU-R BT.601 luma)."""
    red, green, blue = background
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (0, 0, 0) if luma > 140 else (255, 255, 255)


def draw_detections(
    image: np.ndarray,
    detections: Iterable[Detection],
    *,
    show_names: bool = True,
    show_scores: bool = True,
    language: str = "en",
    overlay: Overlay | None = None,
) -> Image.Image:
    """Draw boxes and labels on a copy of an (H, W, 3) uint8 RGB picture.

    Line width and font size scale with the picture. Boxes with higher scores are drawn on top, and
    all labels above all boxes. Labels do not overlap; those with higher scores are placed first.
    ``language`` is the language of the class names, such as ``zh-hans``. ``overlay`` is drawn
    below the boxes. Where it shows tracks, each of them has the colour of the class with the same
    number, and what has no track is grey.
    """
    picture = Image.fromarray(image)
    # The mode "RGBA" blends translucent colours with the picture.
    draw = ImageDraw.Draw(picture, "RGBA")
    unit = max(picture.size) / 100
    line_width = max(2, round(unit * 0.35))
    font_size = max(11, unit * 1.8)
    if overlay:
        write = partial(_write, draw, font_size)
        draw_overlay(draw, overlay, colour_of=class_colour, write=write, line_width=line_width)
    ordered = sorted(detections, key=lambda detection: detection.score, reverse=True)
    colour_of = _track_colour if overlay and overlay.tails is not None else _class_colour
    for detection in reversed(ordered):
        draw.rectangle(detection.box, outline=colour_of(detection), width=line_width)
    if show_names or show_scores:
        text = partial(label_text, show_names=show_names, show_scores=show_scores)
        texts = [text(detection, language=language) for detection in ordered]
        _draw_labels(draw, ordered, texts, colour_of, line_width, font_size)
    return picture


def label_text(
    detection: Detection, *, show_names: bool, show_scores: bool, language: str = "en"
) -> str:
    """What stands above a box, such as ``dog 98%``, or ``#3 dog 98%`` of a tracked object."""
    track = [f"#{detection.track_id}"] if detection.track_id else []
    name = [shown_name(detection.class_name, language)] if show_names else []
    score = [f"{detection.score:.0%}"] if show_scores else []
    return " ".join(track + name + score)


def _class_colour(detection: Detection) -> Colour:
    return class_colour(detection.class_id)


def _track_colour(detection: Detection) -> Colour:
    return class_colour(detection.track_id) if detection.track_id else UNTRACKED_COLOUR


def _font_for(text: str, size_pixels: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font with every character of ``text``."""
    # Checked in the text, not by language: class names of the user may be Chinese as well.
    if max(text, default="") < FIRST_EAST_ASIAN:
        return ImageFont.load_default(size_pixels)
    return ImageFont.truetype(sans_path(), size_pixels)


def _draw_labels(
    draw: ImageDraw.ImageDraw,
    detections: list[Detection],
    texts: list[str],
    colour_of: Callable[[Detection], Colour],
    line_width: int,
    font_size: float,
) -> None:
    """Draw ``texts`` on filled backgrounds; ``detections`` are sorted by score."""
    font = _font_for("".join(texts), font_size)
    # Measured on an ascender and a descender, so that all labels have the same height.
    _, top, _, bottom = font.getbbox("Ag")
    padding = (bottom - top) / 4
    height = math.ceil(bottom - top + 2 * padding)
    widths = [math.ceil(font.getlength(text) + 2 * padding) for text in texts]
    picture_width, picture_height = draw.im.size
    layout = LabelLayout(picture_width, picture_height, height, gap=math.ceil(line_width / 2))
    corners = place_labels([detection.box for detection in detections], widths, layout)
    labels = zip(detections, texts, widths, corners, strict=True)
    for detection, text, width, corner in reversed(list(labels)):
        if corner:
            x, y = corner
            colour = colour_of(detection)
            # Pillow's rectangles include the last row and column.
            draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
            draw.text((x + padding, y + padding - top), text, fill=text_colour(colour), font=font)


def _write(
    draw: ImageDraw.ImageDraw, font_size: float, point: tuple[float, float], text: str
) -> None:
    """Write ``text`` on a black background with its middle at ``point``, within the picture."""
    font = _font_for(text, font_size)
    left, top, right, bottom = draw.textbbox(point, text, font=font, anchor="mm")
    padding = font_size / 3
    width, height = draw.im.size
    shift_x = max(0, padding - left) - max(0, right + padding - width)
    shift_y = max(0, padding - top) - max(0, bottom + padding - height)
    left, right = left + shift_x - padding, right + shift_x + padding
    top, bottom = top + shift_y - padding, bottom + shift_y + padding
    draw.rectangle((left, top, right, bottom), fill=(0, 0, 0))
    place = (point[0] + shift_x, point[1] + shift_y)
    draw.text(place, text, fill=(255, 255, 255), font=font, anchor="mm")
