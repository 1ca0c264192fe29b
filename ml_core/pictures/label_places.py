"""Places for the labels of boxes; ``static/js/label-places.js`` has the same rule."""

import math
from collections import defaultdict
from dataclasses import dataclass

Box = tuple[float, float, float, float]
# The upper left corner of a label.
Place = tuple[int, int]


@dataclass(frozen=True)
class Room:
    """Sizes in pixels: of the picture, of every label, and of the gap between two side by side."""

    width: int
    height: int
    label_height: int
    gap: int


def label_places(boxes: list[Box], widths: list[int], room: Room) -> list[Place | None]:
    """Where labels go so that none covers another; ``widths`` are theirs, the surest first.

    The first label chooses first: above its box, else inside at the top, else below (below first
    where it would hide most of the box), else moved along these rows, or along those further
    inside, as far as it touches its box. A label that finds no place has none.
    """
    taken = _TakenPlaces(room)
    places = []
    for box, width in zip(boxes, widths, strict=True):
        place = _free_place(box, width, room, taken)
        if place:
            taken.add(*place, width)
        places.append(place)
    return places


def _free_place(box: Box, width: int, room: Room, taken: "_TakenPlaces") -> Place | None:
    x_min, y_min, x_max, y_max = (
        math.floor(box[0]),
        math.ceil(box[1]),
        math.floor(box[2]),
        math.floor(box[3]),
    )
    most_right = max(0, room.width - width)
    start = max(0, min(x_min, most_right))
    top = max(0, min(y_min, room.height - room.label_height))
    above = [y_min - room.label_height] if y_min >= room.label_height else []
    below = [y_max] if y_max + room.label_height <= room.height else []
    is_small = y_max - y_min < 2 * room.label_height
    rows = [*above, *below, top] if is_small else [*above, top, *below]
    for y in rows:
        if not taken.blocker(start, y, width):
            return start, y

    rows += range(top + room.label_height, y_max - room.label_height + 1, room.label_height)
    first, last = max(0, x_min - width), min(x_max, most_right)
    for y in rows:
        for step in (1, -1):
            x = taken.free_x(start, y, width, step=step, first=first, last=last)
            if x is not None:
                return x, y
    return None


class _TakenPlaces:
    def __init__(self, room: Room) -> None:
        self._room = room
        # (left, right, y) by the row their upper edge is in: what meets a label is in its row or
        # next to it.
        self._rows: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)

    def add(self, x: int, y: int, width: int) -> None:
        self._rows[y // self._room.label_height].append((x, x + width, y))

    def blocker(self, x: int, y: int, width: int) -> tuple[int, int, int] | None:
        """The first label, if any, that one at this place would cover or come too near."""
        height, gap = self._room.label_height, self._room.gap
        left, right = x - gap, x + width + gap
        middle = y // height
        for row in (middle - 1, middle, middle + 1):
            for other in self._rows.get(row, ()):
                if left < other[1] and other[0] < right and abs(other[2] - y) < height:
                    return other
        return None

    def free_x(self, x: int, y: int, width: int, *, step: int, first: int, last: int) -> int | None:
        """From a place to the right (step 1) or to the left (-1): the first that is free."""
        while first <= x <= last:
            other = self.blocker(x, y, width)
            if not other:
                return x
            gap = self._room.gap
            x = other[1] + gap if step > 0 else other[0] - gap - width
        return None
