"""Resize pictures to a network's input, and map boxes back. Needs neither Django nor Keras."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from ml_core.catalog.specs import ModelSpec
from ml_core.pictures.boxes import clip_boxes
from ml_core.pictures.images import Size

GREY = 128


@dataclass(frozen=True)
class Placement:
    """Size and offset of a picture in the network's input, relative to the input's size."""

    width: float
    height: float
    left: float
    top: float


FULL_INPUT = Placement(1.0, 1.0, 0.0, 0.0)


def letterbox_size(picture_wh: Size, resolution_wh: Size) -> Size:
    """The size of a picture of (width, height) pixels once letterboxed to ``resolution_wh``.

    Computed in integers, as by Darknet's ``letterbox_image``: multiplying by a floating-point
    scale gives one pixel too few for every twentieth size.
    """
    (picture_width, picture_height), (width, height) = picture_wh, resolution_wh
    if width * picture_height <= height * picture_width:
        return width, max(1, picture_height * width // picture_width)
    return max(1, picture_width * height // picture_height), height


def letterbox(
    image: np.ndarray,
    resolution_wh: Size,
    original_wh: Size | None = None,
    *,
    is_centred: bool = True,
    pad_value: int = GREY,
) -> tuple[np.ndarray, Placement]:
    """Resize keeping the aspect ratio, on grey, by default as Darknet's ``letterbox_image`` does.

    Takes (H, W, 3) uint8 and (width, height) in pixels; returns the (height, width, 3) uint8
    input and the picture's placement in it: centred, or at the top left. For a downscaled copy,
    ``original_wh`` is the original's (width, height), so that it is placed exactly where the
    original would be.
    """
    width, height = resolution_wh
    picture_wh = original_wh or (image.shape[1], image.shape[0])
    inner_width, inner_height = letterbox_size(picture_wh, resolution_wh)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    if not is_centred:
        left, top = 0, 0
    canvas = np.full((height, width, 3), pad_value, np.uint8)
    canvas[top : top + inner_height, left : left + inner_width] = cv2.resize(
        image, (inner_width, inner_height), interpolation=cv2.INTER_LINEAR
    )
    return canvas, Placement(inner_width / width, inner_height / height, left / width, top / height)


def stretch(image: np.ndarray, resolution_wh: Size) -> tuple[np.ndarray, Placement]:
    """Resize without keeping the aspect ratio, as Darknet's fork does; see ``letterbox``."""
    resized = cv2.resize(image, resolution_wh, interpolation=cv2.INTER_LINEAR)
    return resized, FULL_INPUT


def shrink(image: np.ndarray, resolution_wh: Size) -> tuple[np.ndarray, Placement]:
    """Resize as ``stretch`` does, but with antialiasing.

    ``stretch`` interpolates between four pixels, which turns a photo shrunk to 32 pixels into
    noise. A picture that already has the size is returned unchanged.
    """
    if image.shape[1::-1] == resolution_wh:
        return image, FULL_INPUT
    picture = Image.fromarray(image).resize(resolution_wh, Image.Resampling.BILINEAR)
    return np.array(picture), FULL_INPUT


def resize_to_input(
    image: np.ndarray, spec: ModelSpec, original_wh: Size | None = None
) -> tuple[np.ndarray, Placement]:
    """Resize a picture to the input of ``spec`` in the way that its network expects."""
    if spec.resizing == "letterbox":
        return letterbox(
            image,
            spec.input_wh,
            original_wh,
            is_centred=spec.input.is_centred,
            pad_value=spec.input.pad_value,
        )
    return {"stretch": stretch, "shrink": shrink}[spec.resizing](image, spec.input_wh)


def size_in_input(spec: ModelSpec, tiles: int, picture_wh: Size) -> Size:
    """The size in which the input of ``spec`` shows a picture of (width, height) pixels.

    With ``tiles`` above 1 it shows so many parts of it in each direction, one after another.
    """
    width, height = spec.input_wh
    if spec.resizing == "letterbox":
        width, height = letterbox_size(picture_wh, spec.input_wh)
    return width * tiles, height * tiles


def undo_placement(
    boxes_rel_xyxy: np.ndarray, placement: Placement, resolution_wh: Size
) -> np.ndarray:
    """Map (N, 4) boxes in [0, 1] of the network's input to xyxy pixels of the original picture.

    ``resolution_wh`` is the original's (width, height); boxes are clipped to it.
    """
    width, height = resolution_wh
    offset = np.array([placement.left, placement.top] * 2)
    extent = np.array([placement.width, placement.height] * 2)
    boxes_xyxy = (boxes_rel_xyxy - offset) / extent * np.array([width, height] * 2)
    return clip_boxes(boxes_xyxy, resolution_wh)
