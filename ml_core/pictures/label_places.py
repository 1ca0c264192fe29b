"""Placement of the labels of boxes, by the same rules as ``static/js/drawing/label-places.js``."""

import math
from collections import defaultdict
from dataclasses import dataclass

Box = tuple[float, float, float, float]
# The top left corner of a label, (x, y).
Corner = tuple[int, int]


@dataclass(frozen=True)
class LabelLayout:
    """Sizes in pixels: the picture, the height of all labels, the gap between adjacent labels."""

    width: int
    height: int
    label_height: int
    gap: int


def place_labels(boxes: list[Box], widths: list[int], layout: LabelLayout) -> list[Corner | None]:
    """Place labels of these ``widths`` so that none overlaps another; earlier labels go first.

    The preferred position is above the box, then inside at its top, then below it (below before
    inside if the label would cover most of the box), then shifted along these rows or rows further
    inside, while it touches its box. The result is None for a label that fits nowhere.
    """
    placed = _PlacedLabels(layout)
    corners = []
    for box, width in zip(boxes, widths, strict=True):
        corner = _free_corner(box, width, layout, placed)
        if corner:
            placed.add(*corner, width)
        corners.append(corner)
    return corners


def _free_corner(
    box: Box, width: int, layout: LabelLayout, placed: "_PlacedLabels"
) -> Corner | None:
    x_min, y_min, x_max, y_max = (
        math.floor(box[0]),
        math.ceil(box[1]),
        math.floor(box[2]),
        math.floor(box[3]),
    )
    label_height = layout.label_height
    right_edge = max(0, layout.width - width)
    start = max(0, min(x_min, right_edge))
    top = max(0, min(y_min, layout.height - label_height))
    above = [y_min - label_height] if y_min >= label_height else []
    below = [y_max] if y_max + label_height <= layout.height else []
    is_small = y_max - y_min < 2 * label_height
    rows = [*above, *below, top] if is_small else [*above, top, *below]
    for y in rows:
        if not placed.overlapping(start, y, width):
            return start, y

    rows += range(top + label_height, y_max - label_height + 1, label_height)
    first, last = max(0, x_min - width), min(x_max, right_edge)
    for y in rows:
        for step in (1, -1):
            x = placed.free_x(start, y, width, step=step, first=first, last=last)
            if x is not None:
                return x, y
    return None


class _PlacedLabels:
    def __init__(self, layout: LabelLayout) -> None:
        self._layout = layout
        # (left, right, y), bucketed by y // label_height: labels can only overlap within a bucket
        # or with a neighbouring one.
        self._rows: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)

    def add(self, x: int, y: int, width: int) -> None:
        self._rows[y // self._layout.label_height].append((x, x + width, y))

    def overlapping(self, x: int, y: int, width: int) -> tuple[int, int, int] | None:
        """The first label that one at this position would overlap, gap included, or None."""
        height, gap = self._layout.label_height, self._layout.gap
        left, right = x - gap, x + width + gap
        middle = y // height
        for row in (middle - 1, middle, middle + 1):
            for other in self._rows.get(row, ()):
                if left < other[1] and other[0] < right and abs(other[2] - y) < height:
                    return other
        return None

    def free_x(self, x: int, y: int, width: int, *, step: int, first: int, last: int) -> int | None:
        """The first free position in a row, searching right (step 1) or left (step -1)."""
        while first <= x <= last:
            other = self.overlapping(x, y, width)
            if not other:
                return x
            gap = self._layout.gap
            x = other[1] + gap if step > 0 else other[0] - gap - width
        return None
