"""Lines and zones as clients send them: coordinates, x and y in turn."""

import json
import math
import reprlib
from collections.abc import Sequence
from typing import Any

from ml_core.errors import VisionError, gettext_noop

# Coordinates, x and y in turn, in pixels of the upright picture or in shares of its size.
Region = list[float]
# Per video or camera.
MAX_LINES = 10
MAX_ZONES = 10
MAX_CORNERS = 20
# Beyond any picture; for regions of pictures whose size is not known yet.
MAX_COORDINATE = 100_000
# The size of a picture whose coordinates are shares of its width and height.
SHARES = (1, 1)


class InvalidRegion(VisionError):
    """A line or a zone cannot be used."""

    status = 422
    code = "invalid_region"


def parse_line(value: Any, resolution_wh: tuple[int, int] | None = None) -> Region:
    """A line, x1, y1, x2, y2 in pixels, from text such as "0,240,640,240" or a list of numbers.

    ``resolution_wh`` is the (width, height) of the picture in pixels, or ``SHARES``. Raises
    ``InvalidRegion``.
    """
    numbers = _numbers(value)
    if numbers is None or len(numbers) != 4 or numbers[:2] == numbers[2:]:
        raise InvalidRegion(
            gettext_noop("Expected a line from x1,y1 to another point x2,y2, received {value}."),
            value=_shown(value),
        )
    return _within(numbers, resolution_wh)


def parse_zone(value: Any, resolution_wh: tuple[int, int] | None = None) -> Region:
    """A zone, the x1, y1, x2, y2, x3, y3, ... of a polygon's corners; see ``parse_line``."""
    numbers = _numbers(value)
    if numbers is None or len(numbers) % 2 or not 6 <= len(numbers) <= 2 * MAX_CORNERS:
        raise InvalidRegion(
            gettext_noop(
                "Expected a zone of 3 to {most} corners, x1,y1,x2,y2,x3,y3 and so on, received "
                "{value}."
            ),
            most=MAX_CORNERS,
            value=_shown(value),
        )
    return _within(numbers, resolution_wh)


def _numbers(value: Any) -> list[float] | None:
    """The numbers, rounded, or None if they are not finite numbers."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Sequence) or len(items) > 2 * MAX_CORNERS:
        return None
    try:
        if any(isinstance(item, bool) for item in items):
            return None
        numbers = [round(float(item), 4) for item in items]
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _within(numbers: list[float], resolution_wh: tuple[int, int] | None) -> Region:
    width, height = resolution_wh or (MAX_COORDINATE, MAX_COORDINATE)
    if any(not 0 <= x <= width for x in numbers[::2]) or any(
        not 0 <= y <= height for y in numbers[1::2]
    ):
        if resolution_wh == SHARES:
            raise InvalidRegion(
                gettext_noop(
                    "Expected points as shares of the picture's width and height, from 0 to 1, "
                    "received {value}."
                ),
                value=_shown(numbers),
            )
        raise InvalidRegion(
            gettext_noop(
                "Expected points within the picture of {width} x {height} pixels, received {value}."
            ),
            width=width,
            height=height,
            value=_shown(numbers),
        )
    return numbers


def _shown(value: Any) -> str:
    """What was received, cut off, and without what cannot be encoded."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except RecursionError:
        text = reprlib.repr(value)
    return text[:60].encode(errors="replace").decode()
