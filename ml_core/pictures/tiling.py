"""Overlapping tiles of a picture, which show a network small objects larger. Needs no Django."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ml_core.networks.yolo import Candidates

MAX_TILES = 3
# The share of a tile that its neighbour shows as well. An object up to this size is whole in one of
# them; larger ones are left to the whole picture.
OVERLAP = 0.3
# How close to an edge of its tile, as a share of it, a box is that was cut there.
EDGE = 0.01


@dataclass(frozen=True)
class Tile:
    """A part of a picture, in shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The part of an (H, W, 3) picture, a view of the same memory."""
        height, width = image.shape[:2]
        rows = slice(round(self.top * height), round(self.bottom * height))
        return image[rows, round(self.left * width) : round(self.right * width)]


WHOLE = Tile(0, 0, 1, 1)


def tiles_of(count: int) -> list[Tile]:
    """The whole picture, and ``count`` times ``count`` overlapping tiles unless that is one."""
    if count == 1:
        return [WHOLE]
    side = 1 / (count - (count - 1) * OVERLAP)
    starts = [index * side * (1 - OVERLAP) for index in range(count)]
    # The last tile ends with the picture, whatever the rounding.
    ends = [start + side for start in starts[:-1]] + [1.0]
    spans = [*zip(starts, ends, strict=True)]
    return [WHOLE, *(Tile(x0, y0, x1, y1) for (y0, y1), (x0, x1) in product(spans, spans))]


def merged(tiles: Sequence[Tile], found: Sequence[Candidates]) -> Candidates:
    """The candidates of all tiles as those of the picture; boxes are in [0, 1] of each tile.

    In the tiles only small objects count that no edge cuts. Duplicates are left to non-max
    suppression.
    """
    if len(tiles) == 1:
        return found[0]
    parts = [_in_picture(tile, one) for tile, one in zip(tiles, found, strict=True)]
    boxes, scores, class_ids = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Candidates(boxes, scores, class_ids)


def _in_picture(tile: Tile, found: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes = found.boxes_rel_xyxy
    offset = np.array([tile.left, tile.top] * 2)
    extent = np.array([tile.right, tile.bottom] * 2) - offset
    kept = np.ones(len(boxes), bool)
    if tile != WHOLE:
        edges = np.array([tile.left, tile.top, 1 - tile.right, 1 - tile.bottom])
        distances = np.concatenate([boxes[:, :2], 1 - boxes[:, 2:]], axis=1)
        is_cut = ((edges > 0) & (distances <= EDGE)).any(axis=1)
        areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
        kept = ~is_cut & (areas <= OVERLAP**2)
    return boxes[kept] * extent + offset, found.scores[kept], found.class_ids[kept]
