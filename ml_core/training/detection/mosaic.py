"""Augmentation of pictures and their boxes: random shift, scale, flip, colour, and mosaics."""

from dataclasses import dataclass

import cv2
import numpy as np

from ml_core.pictures.boxes import clip_boxes
from ml_core.pictures.resizing import GREY

# The range of a picture's size, relative to the network's input.
SINGLE_SCALES = (0.7, 1.4)
MOSAIC_SCALES = (0.4, 1.0)
# The largest change of the aspect ratio.
ASPECT = 1.2
# The range of the point where the four pictures of a mosaic meet, relative to the input.
MOSAIC_CENTER = (0.3, 0.7)
# Objects with less than this share of their area in the picture are dropped.
VISIBLE_SHARE = 0.3
# The largest change of hue, saturation and brightness, as a share of their range.
HUE, SATURATION, BRIGHTNESS = 0.015, 0.6, 0.4


@dataclass(frozen=True)
class Example:
    """A picture (H, W, 3) uint8 RGB with (M, 4) xyxy boxes in pixels and (M, 2) labels.

    A label is a class id and the label's weight.
    """

    image: np.ndarray
    boxes_xyxy: np.ndarray
    labels: np.ndarray


def augment(example: Example, side: int, rng: np.random.Generator) -> Example:
    """One picture in a square of ``side`` pixels, at a random position and size."""
    return jitter_colour(random_affine(example, side, (side, side), SINGLE_SCALES, rng), rng)


def mosaic(examples: list[Example], side: int, rng: np.random.Generator) -> Example:
    """Four pictures around a random point in a square of ``side`` pixels (YOLOv4, 3.4)."""
    x, y = (side * rng.uniform(*MOSAIC_CENTER, 2)).astype(int)
    image = np.empty((side, side, 3), np.uint8)
    boxes = []
    corners = [(0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)]
    for example, (left, top, right, bottom) in zip(examples, corners, strict=True):
        part = random_affine(example, side, (right - left, bottom - top), MOSAIC_SCALES, rng)
        image[top:bottom, left:right] = part.image
        boxes.append((part.boxes_xyxy + (left, top, left, top), part.labels))
    boxes_xyxy, labels = (np.concatenate(parts) for parts in zip(*boxes, strict=True))
    return jitter_colour(Example(image, boxes_xyxy, labels), rng)


def random_affine(
    example: Example,
    side: int,
    window_wh: tuple[int, int],
    scales: tuple[float, float],
    rng: np.random.Generator,
) -> Example:
    """Stretch a picture to a square of about ``side`` pixels, flip half of them, and crop.

    ``window_wh`` is the crop's size in pixels; parts outside the picture are grey.
    """
    height, width = example.image.shape[:2]
    scale = side * np.exp(rng.uniform(*np.log(scales)))
    aspect = np.exp(rng.uniform(-0.5, 0.5) * np.log(ASPECT))
    size = scale * np.array([aspect, 1 / aspect])
    room = np.array(window_wh) - size
    shift = rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
    factor = size / (width, height)
    if rng.random() < 0.5:
        factor[0], shift[0] = -factor[0], shift[0] + size[0]

    # The origin is the centre of the first pixel for OpenCV, its corner for boxes.
    offset = shift + 0.5 * factor - 0.5
    matrix = np.array([[factor[0], 0, offset[0]], [0, factor[1], offset[1]]])
    image = cv2.warpAffine(
        example.image, matrix, window_wh, flags=cv2.INTER_LINEAR, borderValue=(GREY, GREY, GREY)
    )
    corners = example.boxes_xyxy.reshape(-1, 2, 2) * factor + shift
    whole = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    boxes_xyxy = clip_boxes(whole, window_wh)
    visible = _areas(boxes_xyxy) > VISIBLE_SHARE * _areas(whole)
    return Example(image, boxes_xyxy[visible], example.labels[visible])


def jitter_colour(example: Example, rng: np.random.Generator) -> Example:
    """Change hue, saturation and brightness at random."""
    hue, saturation, brightness = rng.uniform(-1, 1, 3) * (HUE, SATURATION, BRIGHTNESS)
    values = np.arange(256)
    tables = [
        # OpenCV's hue ranges from 0 to 179.
        (values + 180 * hue) % 180,
        np.clip(values * (1 + saturation), 0, 255),
        np.clip(values * (1 + brightness), 0, 255),
    ]
    hsv = cv2.cvtColor(example.image, cv2.COLOR_RGB2HSV)
    changed = cv2.LUT(hsv, np.stack(tables, axis=-1)[None].astype(np.uint8))
    image = cv2.cvtColor(changed, cv2.COLOR_HSV2RGB)
    return Example(image, example.boxes_xyxy, example.labels)


def _areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    return (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
